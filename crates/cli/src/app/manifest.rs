//! Apps in YAML or JSON.

use super::files::{Sources, text_of};
use super::{Read, extension};
use crate::exit::Outcome;
use sluice_frontend::{Definition, manifest_json};
use std::path::Path;

/// Reads a manifest.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    let name = file.display().to_string();
    let text = text_of(file)?;
    if extension(file) == "json" {
        // Its places, if it tells any, are those of the files that it was made from.
        let sources = Sources::default();
        let definition = Definition::from_json(&text).map_err(|findings| sources.refuse(&findings))?;
        return Ok(Read { json: text, definition, sources });
    }
    let (read, json) = (Definition::from_yaml(&text, &name), manifest_json(&text, &name));
    let sources = Sources::of(&name, text);
    let definition = read.map_err(|findings| sources.refuse(&findings))?;
    let json = json.map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}
