//! `sample.json` beside an app: what `sluice run APP` starts with when nothing is given.

use crate::exit::{Failure, Outcome};
use crate::inputs;
use serde::Deserialize;
use sluice_api::{StartEvent, Value};
use sluice_types::Code;
use std::io;
use std::path::Path;

/// The name of the file.
pub const FILE: &str = "sample.json";

/// What it holds: what `--put`, `--input` and `--event` would say. Paths are relative to the app's folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// As `--put`.
    #[serde(default)]
    pub put: Vec<String>,
    /// The input itself.
    #[serde(default)]
    pub input: Option<Value>,
    /// The event itself.
    #[serde(default)]
    pub event: Option<StartEvent>,
}

impl Samples {
    /// Those of the app in a folder, if it has any.
    pub fn of(root: &Path) -> Outcome<Option<Self>> {
        let path = root.join(FILE);
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        serde_json::from_slice(&inputs::read(&path)?).map(Some).map_err(|e| {
            let message = format!("`{}` is not what it should be: {e}", path.display());
            Failure::new(
                Code::APP_INVALID,
                message,
                r#"write {"put": ["BUCKET=GLOB"], "input": …, "event": …}"#,
            )
        })
    }
}
