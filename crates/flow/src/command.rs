//! What a workflow wants done.

use serde::{Deserialize, Serialize};
use sluice_types::{ContentType, Payload, Put, ReturnValue, limits};
use std::fmt;
use std::sync::Arc;

/// One command of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What is wanted.
    pub want: Want,
    /// What comes with it: an argument, a result, an error as JSON.
    pub value: Option<ReturnValue>,
    /// What the worker knows it by when the code runs again: a digest of the value.
    pub digest: Arc<str>,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// The result of a function of the app, called with the value.
    Call(Arc<str>),
    /// The output of a workflow of the app, run by itself with the value as its input.
    Child(Arc<str>),
    /// That the value be an object of the run.
    Put {
        /// The bucket.
        bucket: Arc<str>,
        /// The key.
        key: Arc<str>,
    },
    /// That an event of this type be emitted, with the value as its data.
    Emit(Arc<str>),
    /// To be told when this many milliseconds have passed.
    Sleep(u64),
    /// That a command that is not done be forgotten, and be stopped if that is cheap.
    Cancel(u64),
    /// That the value be remembered: running again, the code must not compute it a second time.
    Record(Arc<str>),
    /// That it be remembered that the code took the new way at a change of this name.
    Patch(Arc<str>),
    /// That whoever asked for this update be told the value.
    Answer(Arc<str>),
    /// That whoever asked for this update be told the error.
    Refuse(Arc<str>),
    /// The end: the value is the workflow's output.
    Return,
    /// The end: the code raised what the value tells.
    Fail,
    /// The end, after it was cancelled.
    Stopped,
    /// That a worker which has lost the workflow begin here, with the value, and be told what follows. The code had been
    /// told so many entries, in all.
    Checkpoint(u64),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(function) => write!(f, "call {function}"),
            Self::Child(workflow) => write!(f, "workflow {workflow}"),
            Self::Put { bucket, key } => write!(f, "put {bucket} {key}"),
            Self::Emit(name) => write!(f, "emit {name}"),
            Self::Sleep(ms) => write!(f, "sleep {ms}"),
            Self::Cancel(command) => write!(f, "cancel {command}"),
            Self::Record(name) => write!(f, "record {name}"),
            Self::Patch(name) => write!(f, "patch {name}"),
            Self::Answer(update) => write!(f, "answer {update}"),
            Self::Refuse(update) => write!(f, "refuse {update}"),
            Self::Return => f.write_str("return"),
            Self::Fail => f.write_str("fail"),
            Self::Stopped => f.write_str("stopped"),
            Self::Checkpoint(entries) => write!(f, "checkpoint {entries}"),
        }
    }
}

/// A worker put what is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Command {
    /// Reads a command from the object that a worker put: its key is a digest of the value and what is wanted.
    pub fn of(put: Put) -> Result<Self, Malformed> {
        let Put { key, content_type, payload, .. } = put;
        let (digest, command) = key.split_once(' ').unwrap_or(("", &key));
        let want = want(command).ok_or_else(|| Malformed(format!("{key:?} is no command of a workflow")))?;
        let empty = payload.is_empty() && content_type == ContentType::Bytes;
        let value = (!empty).then_some(ReturnValue { content_type, payload });
        if value.is_some()
            && matches!(want, Want::Sleep(_) | Want::Cancel(_) | Want::Patch(_) | Want::Stopped)
        {
            return Err(Malformed(format!("{key:?} comes with a value")));
        }
        Ok(Self { want, value, digest: digest.into() })
    }

    /// Whether it ends the workflow.
    pub fn is_last(&self) -> bool {
        matches!(self.want, Want::Return | Want::Fail | Want::Stopped)
    }

    /// Where the bytes of its value are, if it has any.
    pub fn payload(&self) -> Option<&Payload> {
        self.value.as_ref().map(|value| &value.payload)
    }
}

fn want(key: &str) -> Option<Want> {
    let (verb, object) = key.split_once(' ').unwrap_or((key, ""));
    Some(match (verb, object) {
        ("call", name) if !name.is_empty() => Want::Call(name.into()),
        ("workflow", name) if !name.is_empty() => Want::Child(name.into()),
        ("put", object) => {
            let (bucket, key) = object.split_once(' ').filter(|(_, key)| !key.is_empty())?;
            Want::Put { bucket: bucket.into(), key: key.into() }
        }
        ("emit", name) if !name.is_empty() => Want::Emit(name.into()),
        ("sleep", ms) => Want::Sleep(ms.parse().ok().filter(|ms| *ms <= limits::WORKFLOW_SLEEP_MS_MAX)?),
        ("cancel", command) => Want::Cancel(command.parse().ok()?),
        ("record", name) => Want::Record(name.into()),
        ("patch", name) if !name.is_empty() => Want::Patch(name.into()),
        ("answer", update) if !update.is_empty() => Want::Answer(update.into()),
        ("refuse", update) if !update.is_empty() => Want::Refuse(update.into()),
        ("return", "") => Want::Return,
        ("fail", "") => Want::Fail,
        ("stopped", "") => Want::Stopped,
        ("checkpoint", entries) => Want::Checkpoint(entries.parse().ok()?),
        _ => return None,
    })
}
