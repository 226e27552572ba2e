//! What the function of a task does: what it returns follows from what it is called with.

use crate::behaviour::Reaction;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_types::{ContentType, FailureKind};

/// An argument: key and bytes.
pub type Argument = (String, Bytes);

/// What a function does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    /// The task.
    pub task: String,
    /// What it returns.
    pub answer: Answer,
    /// It raises instead, each time.
    pub fails: bool,
    /// It may return something false instead.
    pub hesitates: bool,
}

/// What a function returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A text.
    Value,
    /// A list of so many texts.
    List(u32),
    /// Names of tasks.
    Names(Vec<String>),
    /// Neither a list nor a name of a task.
    Unusable,
}

impl Conduct {
    /// What a call comes to, if nothing disturbs it.
    pub fn react(&self, arguments: &[Argument], hesitates: bool) -> Reaction {
        if self.fails {
            return Reaction::fail(FailureKind::Raised);
        }
        let value = match self.hesitates && hesitates {
            true => json!(false),
            false => self.value(arguments),
        };
        Reaction { content_type: ContentType::Json, ..Reaction::value(value.to_string()) }
    }

    /// What is returned to a call with these arguments.
    pub fn value(&self, arguments: &[Argument]) -> Value {
        let mut told = Vec::new();
        for (key, bytes) in arguments {
            told.extend_from_slice(key.as_bytes());
            told.extend_from_slice(bytes);
        }
        let text = format!("{} {:016x}", self.task, xxhash_rust::xxh3::xxh3_64(&told));
        match &self.answer {
            Answer::Value => json!(text),
            Answer::List(count) => (0..*count).map(|number| json!(format!("{text} {number}"))).collect(),
            Answer::Names(names) => json!(names),
            Answer::Unusable => json!(7),
        }
    }
}
