//! Apps that are one recorded workflow in WfFormat.

use super::files::text_of;
use super::{Read, alone};
use crate::exit::Outcome;
use serde_json::json;
use std::path::Path;

/// Whether a JSON file is a recorded workflow, of whatever version.
pub(super) fn is_recording(file: &Path) -> Outcome<bool> {
    Ok(sluice_wfformat::is_recording(&text_of(file)?))
}

/// The app that runs the recording in a file at a scale, both named after the file.
pub(super) fn read(file: &Path, scale: f64) -> Outcome<Read> {
    alone::read(file, |name, text| json!({"file": name, "wfformat": text, "scale": scale}))
}
