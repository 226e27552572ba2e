//! The outputs of a run, for people, and as files.

use crate::client::Client;
use crate::exit::{Failure, Outcome, render};
use crate::show;
use serde_json::value::RawValue;
use sluice_api::{Run, value};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Prints the outputs to stdout, and on stderr why the run failed.
pub fn print(run: &Run) -> Outcome<()> {
    for (key, shown) in &run.outputs {
        let content_type = run.output_types.get(key).map_or("", String::as_str);
        show::line(&format!("{key}: {}", readable(content_type, shown)))?;
    }
    if let Some(error) = &run.error {
        eprint!("{}", render(error));
    }
    Ok(())
}

pub fn readable(content_type: &str, shown: &RawValue) -> String {
    if value::is_json(content_type) {
        return show::indented(shown);
    }
    if let Ok(text) = serde_json::from_str::<String>(shown.get()) {
        let text = text.trim_end_matches('\n');
        return if text.contains('\n') { format!("\n{text}") } else { text.to_owned() };
    }
    match serde_json::from_str::<Written>(shown.get()) {
        Ok(written) => written.path,
        Err(_) => format!("({content_type}; write it to a file with --out DIR)"),
    }
}

/// Makes the folder for the outputs.
pub fn prepare(dir: &Path) -> Outcome<()> {
    fs::create_dir_all(dir).map_err(|e| unwritable(dir, &e))
}

/// Writes every output to a file named by its key; bytes then appear in the run object as `{"path": …}`. One that no file
/// can be made of stays in the run object as it is, and a note on stderr says why: nothing is lost.
pub fn write(client: &Client, run: &mut Run, dir: &Path) -> Outcome<()> {
    let keys: Vec<String> = run.outputs.keys().cloned().collect();
    for key in keys {
        let object = client.object(&run.app, Some(&run.run), "output", &key)?;
        let path = match write_one(dir, &key, &object.bytes) {
            Ok(path) => path,
            Err(why) => {
                eprintln!("note: output `{key}` is not written to a file: {why}");
                continue;
            }
        };
        let content_type = run.output_types.get(&key).map_or("", String::as_str);
        let is_inline = value::is_json(content_type) || content_type.starts_with("text/");
        if let Some(shown) = run.outputs.get_mut(&key).filter(|_| !is_inline) {
            let written = Written { path: path.display().to_string() };
            *shown = serde_json::value::to_raw_value(&written).expect("strings always serialise");
        }
    }
    Ok(())
}

fn write_one(dir: &Path, key: &str, bytes: &[u8]) -> Result<PathBuf, String> {
    let relative = Path::new(key);
    if key.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("its key cannot name a file below `{}`", dir.display()));
    }
    let path = dir.join(relative);
    fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(|e| e.to_string())?;
    fs::write(&path, bytes).map_err(|e| format!("`{}`: {e}", path.display()))?;
    Ok(path)
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Written {
    path: String,
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {error}", path.display()), "name another folder with --out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_shown_by_their_type() {
        let show =
            |content_type, json: &str| readable(content_type, &RawValue::from_string(json.into()).unwrap());
        assert_eq!(show("application/json", "{\"a\":1}"), "{\n  \"a\": 1\n}");
        assert_eq!(show("application/json", "\"a\""), "\"a\"");
        assert_eq!(show("text/plain", "\"a\\n\""), "a");
        assert_eq!(show("text/plain", "\"a\\nb\""), "\na\nb");
        assert_eq!(show("image/png", "{\"path\": \"x/y.png\"}"), "x/y.png");
        assert!(show("image/png", "{\"base64\": \"AA==\"}").contains("--out"));
    }
}
