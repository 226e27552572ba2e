//! Errors: a code of the reference, and the words that it has for it.

mod template;

use super::item::Item;
use template::template;

/// Why an expression cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// The code of the reference, like `T2001`; `D1012` and `D1013` for the limits of steps and bytes.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Just behind the offending token, in UTF-16 units from the start of the source, as the reference counts.
    pub position: usize,
    /// The offending token: an operator, the name of a function.
    pub token: Option<String>,
}

/// Characters of a value that a message shows.
pub(super) const TEXT_MAX: usize = 256;

/// What everything that can fail returns; boxed because it is rare and results are moved often.
pub(super) type Outcome<T = Item> = Result<T, Box<Raised>>;

/// An error on its way up; each level adds what it knows.
#[derive(Debug, Default)]
pub(super) struct Raised {
    pub code: &'static str,
    /// Offset in bytes.
    position: Option<usize>,
    token: Option<String>,
    value: Option<String>,
    other: Option<String>,
    index: Option<usize>,
    /// Replaces the template.
    message: Option<String>,
}

/// Begins an error.
pub(super) fn raise(code: &'static str) -> Box<Raised> {
    Box::new(Raised { code, ..Raised::default() })
}

impl Raised {
    /// Where, in bytes; the first to say so is right.
    pub fn at(mut self: Box<Self>, position: usize) -> Box<Self> {
        self.position.get_or_insert(position);
        self
    }

    /// At which token; the first to say so is right.
    pub fn token(mut self: Box<Self>, token: &str) -> Box<Self> {
        self.token.get_or_insert_with(|| token.to_owned());
        self
    }

    /// The value at fault.
    pub fn value(mut self: Box<Self>, value: &Item) -> Box<Self> {
        self.value = Some(value.brief());
        self
    }

    /// The text at fault, or its beginning.
    pub fn text(mut self: Box<Self>, text: &str) -> Box<Self> {
        let text: String = text.chars().take(TEXT_MAX).collect();
        self.value = Some(serde_json::to_string(&text).expect("a string is JSON"));
        self
    }

    /// The second value at fault.
    pub fn other(mut self: Box<Self>, value: &Item) -> Box<Self> {
        self.other = Some(value.brief());
        self
    }

    /// Which argument, from 1.
    pub fn index(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.index = Some(index);
        self
    }

    /// Says it in these words instead.
    pub fn message(mut self: Box<Self>, message: impl Into<String>) -> Box<Self> {
        self.message = Some(message.into());
        self
    }

    /// The sentence.
    pub fn sentence(&self) -> String {
        let token = self.token.as_deref().unwrap_or_default();
        let quoted = serde_json::to_string(token).expect("a string is JSON");
        let template = self.message.as_deref().unwrap_or_else(|| template(self.code));
        if self.message.is_some() {
            return template.to_owned();
        }
        template
            .replace("{token}", &quoted)
            .replace("{name}", token)
            .replace("{index}", &self.index.unwrap_or_default().to_string())
            .replace("{other}", self.other.as_deref().unwrap_or("undefined"))
            .replace("{value}", self.value.as_deref().unwrap_or("undefined"))
    }

    /// The error, for who wrote `source`.
    pub fn explain(self, source: &str) -> Error {
        let before = source.get(..self.position.unwrap_or_default()).unwrap_or(source);
        Error {
            code: self.code,
            message: self.sentence(),
            position: before.encode_utf16().count(),
            token: self.token,
        }
    }
}
