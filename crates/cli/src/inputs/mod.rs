//! What a run starts with, as the command line gives it.

pub mod content;
pub mod glob;

use crate::exit::{Failure, Outcome};
use sluice_api::{StartEvent, Value};
use sluice_frontend::did_you_mean;
use sluice_types::{Code, Program};
use std::fs;
use std::path::Path;

/// An object to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Name of the bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub value: Value,
}

/// `BUCKET[/KEY]=PATH|GLOB`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSpec {
    bucket: String,
    key: Option<String>,
    pattern: String,
}

impl PutSpec {
    /// Parses the argument of `--put`.
    pub fn parse(text: &str) -> Outcome<Self> {
        let fix = "write --put BUCKET=FILE, --put BUCKET='DIR/*.txt' or --put BUCKET/KEY=FILE";
        let parsed = text.split_once('=').map(|(target, pattern)| {
            let (bucket, key) =
                target.split_once('/').map_or((target, None), |(b, k)| (b, Some(k.to_owned())));
            Self { bucket: bucket.to_owned(), key, pattern: pattern.to_owned() }
        });
        let is_whole = |spec: &Self| {
            !spec.bucket.is_empty() && !spec.pattern.is_empty() && spec.key.as_deref() != Some("")
        };
        parsed
            .filter(is_whole)
            .ok_or_else(|| Failure::usage(format!("`--put {text}` names no bucket and file"), fix))
    }

    /// Refuses a bucket that the app does not have.
    pub fn check(&self, program: &Program) -> Outcome<()> {
        if program.bucket(&self.bucket).is_some() {
            return Ok(());
        }
        let names = || program.buckets.iter().map(|bucket| &*bucket.name).filter(|name| *name != "output");
        let fix = did_you_mean(&self.bucket, names())
            .unwrap_or_else(|| format!("its buckets are: {}", names().collect::<Vec<_>>().join(", ")));
        let message = format!("app `{}` has no bucket `{}`", program.app, self.bucket);
        let failure = Failure::new(Code::UNKNOWN_NAME, message, fix);
        Err(failure)
    }

    /// Reads the files, whose paths are relative to `base`.
    pub fn read(&self, base: &Path) -> Outcome<Vec<NewObject>> {
        let found = glob::find(base, &self.pattern)?;
        if let (Some(key), true) = (&self.key, found.len() > 1) {
            let message = format!(
                "`{}` matches {} files, and only one can have the key `{key}`",
                self.pattern,
                found.len()
            );
            return Err(Failure::usage(
                message,
                format!("leave the key out: --put {}='{}'", self.bucket, self.pattern),
            ));
        }
        let object = |file: glob::Found| {
            let bytes = read(&file.path)?;
            let value = Value { content_type: content::content_type(&file.path, &bytes).to_owned(), bytes };
            Ok(NewObject { bucket: self.bucket.clone(), key: self.key.clone().unwrap_or(file.key), value })
        };
        found.into_iter().map(object).collect()
    }
}

/// The argument of an option such as `--input`: JSON, or `@FILE` with JSON, text or bytes in it.
pub fn value(option: &str, text: &str) -> Outcome<Value> {
    let Some(path) = text.strip_prefix('@') else {
        return serde_json::from_str(text).map_err(|e| {
            let fix = format!("quote text as JSON ('\"hello\"'), or give a file with {option} @FILE");
            Failure::usage(format!("{option} is not JSON: {e}"), fix)
        });
    };
    let bytes = read(Path::new(path))?;
    let as_json = std::str::from_utf8(&bytes).ok().and_then(|text| serde_json::from_str(text).ok());
    Ok(as_json.unwrap_or_else(|| {
        let content_type = content::content_type(Path::new(path), &bytes).to_owned();
        Value { content_type, bytes }
    }))
}

/// The argument of `--event`.
pub fn event(text: &str) -> Outcome<StartEvent> {
    let refused = |why: String| {
        let fix = r#"write --event '{"type": "order.created", "data": {"id": 7}}'"#;
        Failure::usage(format!("--event is not an event: {why}"), fix)
    };
    if !text.trim_start().starts_with('{') {
        return Err(refused("expected a JSON object".into()));
    }
    serde_json::from_str(text).map_err(|e| refused(e.to_string()))
}

/// The bytes of a file.
pub fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|e| {
        Failure::new(Code::FILE_NOT_FOUND, format!("cannot read `{}`: {e}", path.display()), "check the path")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_names_bucket_key_and_file() {
        let spec = |text| PutSpec::parse(text).unwrap();
        assert_eq!(spec("b=f"), PutSpec { bucket: "b".into(), key: None, pattern: "f".into() });
        assert_eq!(spec("b/k/l=d/f=g").key.as_deref(), Some("k/l"));
        assert_eq!(spec("b=d/f=g").pattern, "d/f=g");
        for text in ["", "b", "=f", "b=", "b/=f", "/k=f"] {
            assert_eq!(PutSpec::parse(text).unwrap_err().body.error.code, Code::USAGE.to_string(), "{text}");
        }
    }

    #[test]
    fn a_key_is_for_one_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.json"), "{}").unwrap();
        let read = |spec| PutSpec::parse(spec).unwrap().read(dir.path());
        let expected = NewObject { bucket: "b".into(), key: "k".into(), value: Value::json("{}") };
        assert_eq!(read("b/k=*.json").unwrap(), [expected]);
        fs::write(dir.path().join("b.json"), "{}").unwrap();
        assert!(read("b/k=*.json").unwrap_err().body.error.message.contains("2 files"));
        assert_eq!(read("b=*.json").unwrap().len(), 2);
    }

    #[test]
    fn an_input_is_json_or_a_file() {
        assert_eq!(value("--input", "\"hi\"").unwrap(), Value::text("hi"));
        assert_eq!(value("--input", r#"{"base64": "AA=="}"#).unwrap(), Value::bytes([0]));
        assert_eq!(value("--input", "[1]").unwrap(), Value::json("[1]"));
        let refused = value("--data", "hi").unwrap_err().body.error;
        assert!(refused.message.starts_with("--data is not JSON") && refused.fix.contains("quote"));
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(name), bytes).unwrap();
            value("--input", &format!("@{}", dir.path().join(name).display())).unwrap()
        };
        assert_eq!(file("a", b"{\"b\": 1}\n").content_type, "application/json");
        assert_eq!(file("b", b"hello"), Value::text("hello"));
        assert_eq!(file("c", &[0xff]), Value::bytes([0xff]));
        assert_eq!(
            value("--input", "@/nowhere").unwrap_err().body.error.code,
            Code::FILE_NOT_FOUND.to_string()
        );
    }

    #[test]
    fn an_event_needs_a_type() {
        assert_eq!(event(r#"{"type": "t"}"#).unwrap().r#type, "t");
        for text in ["t", "[]", "{}", r#"{"type": 1}"#, r#"{"type": "t", "typo": 1}"#] {
            assert_eq!(event(text).unwrap_err().body.error.code, Code::USAGE.to_string(), "{text}");
        }
    }
}
