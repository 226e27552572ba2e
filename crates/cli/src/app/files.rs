//! The files that a definition names, and the texts that messages show lines of.

use super::Read;
use crate::exit::{Failure, Outcome};
use crate::inputs;
use serde::Deserialize;
use sluice_frontend::{Diagnostic, with_files};
use sluice_types::Code;
use std::collections::BTreeMap;
use std::path::Path;

/// Texts by the names that messages give their files.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// The text of one file.
    pub fn of(file: &str, text: String) -> Self {
        Self(BTreeMap::from([(file.to_owned(), text)]))
    }

    /// A finding for people, with the line that it is about.
    pub fn render(&self, finding: &Diagnostic) -> String {
        finding.render(self.0.get(&*finding.file).map(String::as_str))
    }

    /// What is wrong with a definition, with the lines that it is about.
    pub fn refuse(&self, findings: &[Diagnostic]) -> Failure {
        Failure::diagnostics(findings, |finding| self.render(finding))
    }
}

/// The text of a file, which is UTF-8.
pub fn text_of(file: &Path) -> Outcome<String> {
    String::from_utf8(inputs::read(file)?).map_err(|e| {
        let message = format!("`{}` is not UTF-8 from byte {}", file.display(), e.utf8_error().valid_up_to());
        Failure::new(Code::APP_SYNTAX, message, "save it as UTF-8")
    })
}

/// What the top level of a JSON object says of its kind. A list is none, though a struct could be read from one.
pub fn top_of<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

impl Read {
    /// Reads the files that workflows name, relative to the app's folder, into the definition.
    pub fn attach_files(&mut self, folder: &Path) -> Outcome<()> {
        let mut files = BTreeMap::new();
        for file in self.definition.files() {
            let path = folder.join(file);
            if !path.is_file() {
                let message = format!("a workflow is in `{file}`, which is not there");
                let fix = format!("put it into `{}`, or name another file", folder.display());
                return Err(Failure::new(Code::FILE_NOT_FOUND, message, fix));
            }
            files.insert(file.to_owned(), text_of(&path)?);
        }
        if files.is_empty() {
            return Ok(());
        }
        self.json = with_files(&self.json, &files).map_err(|e| {
            Failure::new(Code::INTERNAL, format!("the definition is not JSON: {e}"), "report this")
        })?;
        self.definition.attach(&files);
        let named = |(file, text): (String, String)| (self.definition.places.beside(&file).to_string(), text);
        self.sources.0.extend(files.into_iter().map(named));
        Ok(())
    }
}
