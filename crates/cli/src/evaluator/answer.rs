//! What an expression came to, as a line of JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_frontend::evaluate::Failure;

/// One answer. A value is kept as it is written, because it may nest deeper than a parser goes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The value.
    Ok(Box<RawValue>),
    /// There is none; always `true`.
    Undefined(bool),
    /// Why there is none.
    Error(Failure),
}

impl Answer {
    /// The line, without its end.
    pub fn line(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an answer is always JSON")
    }
}
