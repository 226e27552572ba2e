//! Apps that are one recorded workflow in WfFormat.

use super::Read;
use super::asl::name_of;
use super::files::{Sources, text_of};
use crate::exit::Outcome;
use serde_json::json;
use sluice_frontend::Definition;
use std::path::Path;

/// Whether a JSON file is a recorded workflow, of whatever version.
pub(super) fn is_recording(file: &Path) -> Outcome<bool> {
    Ok(sluice_wfformat::is_recording(&text_of(file)?))
}

/// The app that runs the recording in a file at a scale, both named after the file.
pub(super) fn read(file: &Path, scale: f64) -> Outcome<Read> {
    let text = text_of(file)?;
    let shown = file.display().to_string();
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name_of(&file_name);
    let definition = json!({
        "app": &name,
        "workflows": {&name: {"file": file_name, "wfformat": &text, "scale": scale}},
        "source": {"app": format!("{shown}:1")},
    });
    let json = definition.to_string();
    let sources = Sources::of(&shown, text);
    let definition = Definition::from_json(&json).map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}
