//! Apps in YAML or JSON.

use super::files::{Sources, text_of, top_of};
use super::{Read, extension};
use crate::exit::{Failure, Outcome};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sluice_frontend::{Definition, manifest_json};
use sluice_types::Code;
use std::path::Path;

/// Reads a manifest.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    let name = file.display().to_string();
    let text = text_of(file)?;
    if extension(file) == "json" {
        // Its places, if it tells any, are those of the files that it was made from.
        let sources = Sources::default();
        check_kind(&name, &text)?;
        let definition = Definition::from_json(&text).map_err(|findings| sources.refuse(&findings))?;
        return Ok(Read { json: text, definition, sources });
    }
    let (read, json) = (Definition::from_yaml(&text, &name), manifest_json(&text, &name));
    let sources = Sources::of(&name, text);
    let definition = read.map_err(|findings| sources.refuse(&findings))?;
    let json = json.map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}

/// Refuses JSON that is none of what an app can be, rather than to tell what it lacks as one of them.
fn check_kind(name: &str, text: &str) -> Outcome<()> {
    #[derive(Deserialize)]
    struct Top {
        app: Option<IgnoredAny>,
    }
    // What is not even JSON is told with its place by who reads it all.
    if top_of::<Top>(text).is_some_and(|top| top.app.is_some())
        || serde_json::from_str::<IgnoredAny>(text).is_err()
    {
        return Ok(());
    }
    let message = format!("`{name}` is JSON, but no app: nothing in it tells which kind");
    let fix = "a state machine has `StartAt` and `States`, a recorded workflow (WfFormat) `schemaVersion` and \
               `workflow`, a definition of an app `app`, its name";
    Err(Failure::new(Code::APP_INVALID, message, fix))
}
