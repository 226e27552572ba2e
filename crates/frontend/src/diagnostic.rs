//! What is wrong with a definition, and how it is shown.

use crate::definition::Places;
use crate::node::Position;
use sluice_types::{Code, Problem};
use std::fmt::Write;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The app can be deployed, but probably does not do what is meant.
    Warning,
    /// The app cannot be deployed.
    Error,
}

/// One finding about a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code.
    pub code: Code,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Path of the part, such as `functions.count.into`; empty for the whole.
    pub path: String,
    /// The file, as the user named it; empty when unknown.
    pub file: Arc<str>,
    /// Where in the file.
    pub at: Option<Position>,
    /// What to do about it.
    pub fix: String,
}

impl Diagnostic {
    /// An error without a position.
    pub(crate) fn error(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            path: path.into(),
            file: "".into(),
            at: None,
            fix: String::new(),
        }
    }

    pub(crate) fn warning(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same finding, with the position its path has in the source, unless it has one already.
    #[must_use]
    pub(crate) fn located(mut self, places: &Places) -> Self {
        if !self.file.is_empty() {
            return self;
        }
        match places.find(&self.path) {
            Some((file, at)) => (self.file, self.at) = (file, self.at.or(Some(at))),
            None => self.file = places.file.clone(),
        }
        self
    }

    /// The place in one line: `app.py:12: functions.count.into`, with as much of it as is known.
    pub fn place(&self) -> String {
        let mut parts = Vec::new();
        let position = match self.at {
            Some(Position { line, column: 0 }) => format!(":{line}"),
            Some(Position { line, column }) => format!(":{line}:{column}"),
            None => String::new(),
        };
        if !self.file.is_empty() {
            parts.push(format!("{}{position}", self.file));
        }
        if !self.path.is_empty() {
            parts.push(self.path.clone());
        }
        parts.join(": ")
    }

    /// The finding as a problem for the API.
    pub fn problem(&self) -> Problem {
        Problem::new(self.code, &self.message, &self.fix).at(self.place())
    }

    /// The finding for a terminal: headline, place, the line of the source (`source` is the whole text of the
    /// file) with a mark under the column, and the fix.
    pub fn render(&self, source: Option<&str>) -> String {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        let mut text = format!("{severity}[{}]: {}\n", self.code, self.message);
        let place = self.place();
        if !place.is_empty() {
            let _ = writeln!(text, "  --> {place}");
        }
        if let (Some(source), Some(at)) = (source, self.at) {
            excerpt(&mut text, source, at);
        }
        if !self.fix.is_empty() {
            let _ = writeln!(text, "  fix: {}", self.fix);
        }
        text
    }
}

/// Characters of a line that an excerpt shows; of a longer line, those around the mark.
const EXCERPT_CHARS_MAX: usize = 160;

fn excerpt(text: &mut String, source: &str, at: Position) {
    let Some(line) = at.line.checked_sub(1).and_then(|i| source.lines().nth(i)) else { return };
    let before = at.column.checked_sub(1);
    let hidden = match line.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some(_) => before.unwrap_or(0).saturating_sub(EXCERPT_CHARS_MAX / 2),
        None => 0,
    };
    let line: String = line.chars().skip(hidden).take(EXCERPT_CHARS_MAX).collect();
    let line = line.replace('\t', " ");
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    let _ = writeln!(text, "  {margin} |\n  {number} | {}", line.trim_end());
    match before.map(|before| before - hidden) {
        Some(before) => {
            let _ = writeln!(text, "  {margin} | {}^", " ".repeat(before));
        }
        None => {
            let _ = writeln!(text, "  {margin} |");
        }
    }
}
