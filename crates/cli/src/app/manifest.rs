//! Apps in YAML or JSON.

use super::{Read, extension};
use crate::exit::{Failure, Outcome};
use crate::inputs;
use sluice_frontend::{Definition, manifest_json};
use sluice_types::Code;
use std::path::Path;

/// Reads a manifest.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    let name = file.display().to_string();
    let text = String::from_utf8(inputs::read(file)?).map_err(|e| {
        let message = format!("`{name}` is not UTF-8 from byte {}", e.utf8_error().valid_up_to());
        Failure::new(Code::APP_SYNTAX, message, "save it as UTF-8")
    })?;
    let refused = |findings: Vec<_>| Failure::diagnostics(&findings, Some(&text));
    if extension(file) == "json" {
        let definition = Definition::from_json(&text).map_err(refused)?;
        return Ok(Read { json: text, definition, source: None });
    }
    let definition = Definition::from_yaml(&text, &name).map_err(refused)?;
    let json = manifest_json(&text, &name).map_err(refused)?;
    Ok(Read { json, definition, source: Some(text) })
}
