//! Apps that are one state machine in the Amazon States Language.

use super::Read;
use super::files::{Sources, text_of};
use crate::exit::Outcome;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use sluice_frontend::Definition;
use std::path::Path;

/// Ends of the names of such files.
const EXTENSIONS: [&str; 2] = [".asl.json", ".json"];

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
    let top = serde_json::from_str::<Top>(&text_of(file)?);
    Ok(top.is_ok_and(|top| top.start_at.is_some() || top.states.is_some()))
}

/// The app that consists of the state machine in a file, both named after it.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    let text = text_of(file)?;
    let shown = file.display().to_string();
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name_of(&file_name);
    let definition = json!({
        "app": &name,
        "workflows": {&name: {"file": file_name, "asl": &text}},
        "source": {"app": format!("{shown}:1")},
    });
    let json = definition.to_string();
    let sources = Sources::of(&shown, text);
    let definition = Definition::from_json(&json).map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}

/// The name of a file without its extension, with what no name can hold replaced.
pub(super) fn name_of(file_name: &str) -> String {
    let stem = EXTENSIONS.iter().find_map(|extension| file_name.strip_suffix(extension));
    let mut name: String = stem
        .unwrap_or(file_name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn apps_are_named_after_their_files() {
        let cases = [
            ("order.asl.json", "order"),
            ("order.json", "order"),
            ("my order (2).asl.json", "my-order--2-"),
            ("1st.v2.asl.json", "_1st.v2"),
            (".asl.json", "_"),
        ];
        for (file, name) in cases {
            assert_eq!(name_of(file), name, "{file}");
        }
    }
}
