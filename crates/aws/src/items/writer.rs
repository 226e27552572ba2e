//! `ResultWriter`: the results of a map run in files, by what became of the child executions.

use super::{Error, Places, RESOURCE, format, of_file, text};
use sluice_asl::execution::MapResults;
use sluice_expression::Value;
use std::path::Path;

impl Places {
    /// Writes results; gives `ResultWriterDetails`.
    pub(super) fn write(
        &self,
        resource: &str,
        config: &Value,
        arguments: &Value,
        map_run: &str,
        results: &MapResults,
    ) -> Result<Value, Error> {
        match resource.strip_prefix(RESOURCE) {
            Some("s3:putObject") => self.write_objects(config, arguments, map_run, results),
            Some("sluice:writeFile") => self.write_files(config, text(arguments, "Path")?, results),
            _ => Err(Error::Resource(resource.to_owned())),
        }
    }

    /// An object for each status that there is, and a manifest that names them.
    fn write_objects(
        &self,
        config: &Value,
        arguments: &Value,
        map_run: &str,
        results: &MapResults,
    ) -> Result<Value, Error> {
        let bucket = text(arguments, "Bucket")?;
        let prefix = arguments.get("Prefix").and_then(Value::as_str).unwrap_or_default();
        let s3 = self.s3()?;
        let id = map_run.rsplit(':').next().unwrap_or_default();
        let folder = match prefix.trim_end_matches('/') {
            "" => id.to_owned(),
            prefix => format!("{prefix}/{id}"),
        };
        let ending = match config.get("OutputType").and_then(Value::as_str) {
            Some("JSONL") => "jsonl",
            _ => "json",
        };
        let mut files = Vec::new();
        for (status, results) in by_status(results) {
            let mut objects = Vec::new();
            if !is_empty(results) {
                let (key, bytes) =
                    (format!("{folder}/{status}_0.{ending}"), format::results(config, results));
                s3.put(bucket, &key, &bytes)?;
                let size = Value::Int(bytes.len() as i64);
                objects.push(Value::fields([("Key", Value::from(key)), ("Size", size)]));
            }
            files.push((status, Value::array(objects)));
        }
        let manifest = Value::fields([
            ("DestinationBucket", Value::string(bucket)),
            ("MapRunArn", Value::string(map_run)),
            ("ResultFiles", Value::fields(files)),
        ]);
        let key = format!("{folder}/manifest.json");
        s3.put(bucket, &key, manifest.to_json().as_bytes())?;
        Ok(Value::fields([("Bucket", Value::string(bucket)), ("Key", Value::from(key))]))
    }

    /// What succeeded in the file itself, even if that is nothing; the others, if there are any, in files beside it.
    fn write_files(&self, config: &Value, path: &str, results: &MapResults) -> Result<Value, Error> {
        let mut written = Vec::new();
        for (status, results) in by_status(results) {
            let succeeded = status == "SUCCEEDED";
            if is_empty(results) && !succeeded {
                continue;
            }
            let path = if succeeded { path.to_owned() } else { beside(path, status) };
            let bytes = format::results(config, results);
            self.files()?.write(&path, &bytes).map_err(of_file(&path))?;
            let size = Value::Int(bytes.len() as i64);
            written.push((status, Value::fields([("Path", Value::from(path)), ("Size", size)])));
        }
        let files = ("ResultFiles", Value::fields(written));
        Ok(Value::fields([("Path", Value::string(path)), files]))
    }
}

/// As the manifest orders them.
fn by_status(results: &MapResults) -> [(&'static str, &Value); 3] {
    [("FAILED", &results.failed), ("PENDING", &results.pending), ("SUCCEEDED", &results.succeeded)]
}

fn is_empty(results: &Value) -> bool {
    results.as_array().is_none_or(<[Value]>::is_empty)
}

/// `a/b.failed.json` for `a/b.json`.
fn beside(path: &str, status: &str) -> String {
    let status = status.to_ascii_lowercase();
    let path = Path::new(path);
    let name = match path.extension() {
        Some(ending) => format!("{status}.{}", ending.to_string_lossy()),
        None => status,
    };
    path.with_extension(name).to_string_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::items::files::Files;

    #[test]
    fn files_are_written_by_what_became_of_the_executions() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { files: Some(Files::of(dir.path())), region: String::new() };
        let json = |text: &str| Value::parse(text.as_bytes()).unwrap();
        let results = MapResults { succeeded: json("[1,2]"), failed: json(r#"["f"]"#), pending: json("[]") };
        let (config, to) = (json(r#"{"OutputType":"JSONL"}"#), json(r#"{"Path":"out/all.jsonl"}"#));
        let details = places.write("arn:aws:states:::sluice:writeFile", &config, &to, "", &results).unwrap();
        let expected = r#"{"Path":"out/all.jsonl","ResultFiles":{"FAILED":{"Path":"out/all.failed.jsonl","Size":4},"SUCCEEDED":{"Path":"out/all.jsonl","Size":4}}}"#;
        assert_eq!(details.to_json(), expected);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((&*read("out/all.jsonl"), &*read("out/all.failed.jsonl")), ("1\n2\n", "\"f\"\n"));
        assert_eq!(beside("a/b", "PENDING"), "a/b.pending");
    }

    #[test]
    fn without_a_folder_nothing_is_written() {
        let to = Value::fields([("Path", Value::string("x.json"))]);
        let results = MapResults::default();
        let refused = |resource: &str, to: &Value| {
            Places::default().write(resource, &Value::Null, to, "", &results).unwrap_err().to_string()
        };
        assert!(refused("arn:aws:states:::sluice:writeFile", &to).contains("--files DIR"));
        assert!(refused("arn:aws:states:::sluice:writeFile", &Value::Null).contains("'Path'"));
        assert!(refused("arn:aws:states:::dynamodb:putItem", &to).contains("dynamodb"));
    }
}
