//! Apps that are one workflow, in a file of its own.

use super::Read;
use super::files::{Sources, text_of};
use crate::exit::Outcome;
use serde_json::{Value, json};
use sluice_frontend::Definition;
use std::path::Path;

/// Ends of the names of such files.
pub(super) const EXTENSIONS: [&str; 2] = [".asl.json", ".json"];

/// The app that consists of the workflow in a file, both named after it. `defined` is given the file's name and its text.
pub(super) fn read(file: &Path, defined: impl FnOnce(&str, &str) -> Value) -> Outcome<Read> {
    let text = text_of(file)?;
    let shown = file.display().to_string();
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name_of(&file_name);
    let definition = json!({
        "app": &name,
        "workflows": {&name: defined(&file_name, &text)},
        "source": {"app": format!("{shown}:1")},
    });
    let json = definition.to_string();
    let sources = Sources::of(&shown, text);
    let definition = Definition::from_json(&json).map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}

/// The name of a file without its extension, with what no name can hold replaced.
fn name_of(file_name: &str) -> String {
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
