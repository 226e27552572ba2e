//! Apps that are one state machine in the Amazon States Language.

use super::alone::EXTENSIONS;
use super::files::{text_of, top_of};
use super::{Read, alone};
use crate::exit::Outcome;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use std::path::Path;

/// Whether a JSON file is a state machine: named so, or with its states or the first of them at the top level.
pub(super) fn is_machine(file: &Path) -> Outcome<bool> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Top {
        start_at: Option<IgnoredAny>,
        states: Option<IgnoredAny>,
    }
    if file.to_string_lossy().ends_with(EXTENSIONS[0]) {
        return Ok(true);
    }
    let text = text_of(file)?;
    Ok(top_of::<Top>(&text).is_some_and(|top| top.start_at.is_some() || top.states.is_some()))
}

/// The app that consists of the state machine in a file, both named after it.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    alone::read(file, |name, text| json!({"file": name, "asl": text}))
}
