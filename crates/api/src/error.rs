//! Errors as every route answers them, beside the HTTP status.

use crate::Finding;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: Error,
    /// Everything that is wrong with a definition, when there is more than one thing; `error` is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Error>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// The stable code, such as `SLU0012`. A client may meet codes newer than itself.
    pub code: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The place: file and line, function, trigger, bucket; empty when it has none.
    #[serde(default, rename = "where")]
    pub place: String,
    /// What to do about it.
    #[serde(default)]
    pub fix: String,
    /// The exception of user code behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The runs that it is about, if it is why runs do not go on on another version.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Box<Finding>>,
}

/// An exception of user code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Name of the exception.
    pub r#type: String,
    /// Its message.
    pub message: String,
    /// Stack trace.
    #[serde(default)]
    pub stack: String,
}
