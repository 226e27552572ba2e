//! What a user is told when something is wrong: a code, what happened, where, and what to do.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A stable number of an error page (`docs/errors/SLU0012.md`). Codes are never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SLU{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_prefix("SLU").and_then(|n| n.parse().ok());
        number.map(Code).ok_or_else(|| serde::de::Error::custom("a code looks like SLU0012"))
    }
}

/// One problem, as a person and as a program read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// What happened, in a sentence.
    pub message: String,
    /// The place: file and line, function, trigger, bucket; empty when it has none.
    #[serde(default, rename = "where")]
    pub place: String,
    /// What to do about it.
    #[serde(default)]
    pub fix: String,
    /// The user's own exception behind it, if there is one.
    #[serde(default)]
    pub cause: Option<Cause>,
}

/// In JSON a problem without a cause has no such field; in the binary format of log and store every field has its place.
impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let skips = self.cause.is_none() && serializer.is_human_readable();
        let mut fields = serializer.serialize_struct("Problem", if skips { 4 } else { 5 })?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("where", &self.place)?;
        fields.serialize_field("fix", &self.fix)?;
        match skips {
            true => fields.skip_field("cause")?,
            false => fields.serialize_field("cause", &self.cause)?,
        }
        fields.end()
    }
}

/// An exception of user code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Name of the exception.
    pub r#type: String,
    /// Its message.
    pub message: String,
    /// Stack trace.
    pub stack: String,
}

impl Problem {
    /// A problem without a place or a cause.
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: message.into(), place: String::new(), fix: fix.into(), cause: None }
    }

    /// The same problem, with its place.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Code = Code($number);)*
            /// Every code there is, with its name; `docs/errors/` has a page for each.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code($number), stringify!($name)),)*];
        }
    };
}

codes! {
    // 1-99: the request or the app is wrong.
    /// An app, function, bucket, trigger or workflow of that name does not exist.
    UNKNOWN_NAME = 1;
    /// A file or folder that was named does not exist or cannot be read.
    FILE_NOT_FOUND = 2;
    /// The app does not parse or does not import.
    APP_SYNTAX = 3;
    /// The app parses, but says something that cannot be.
    APP_INVALID = 4;
    /// Joins wait for each other.
    CYCLE_OF_JOINS = 5;
    /// A request body is not what the endpoint takes.
    BAD_REQUEST = 6;
    /// A run id is in use by a different request.
    RUN_ID_CONFLICT = 7;
    /// No such run.
    UNKNOWN_RUN = 8;
    /// A put to a run whose inputs are sealed.
    RUN_SEALED = 9;
    /// The key holds other bytes.
    OBJECT_CONFLICT = 10;
    /// No such object.
    UNKNOWN_OBJECT = 11;
    /// The object was released after its last use.
    OBJECT_RELEASED = 12;
    /// A named limit was exceeded by the request.
    LIMIT_EXCEEDED = 13;
    /// The command line is wrong.
    USAGE = 14;
    /// The run has ended, so it cannot be changed.
    RUN_ENDED = 15;
    /// A deploy would drop the state of an app-scoped trigger.
    TRIGGER_STATE_WOULD_BE_LOST = 16;
    /// An expression does not parse.
    EXPRESSION_INVALID = 17;
    /// A program the app needs is not on this machine.
    PROGRAM_MISSING = 18;
    /// An event lacks an attribute or has a malformed one.
    EVENT_INVALID = 19;
    /// A document of an app was changed by somebody else in between.
    DOCUMENT_CONFLICT = 20;
    /// A task of a workflow is not under way: it never was, has ended, or timed out.
    UNKNOWN_TASK = 21;
    /// An expression has no value for what it was given.
    EXPRESSION_FAILED = 22;
    /// A run cannot be forked there.
    FORK_REFUSED = 23;

    // 100-199: a run failed.
    /// A function raised, trapped or exited with an error, and is out of attempts.
    FUNCTION_FAILED = 100;
    /// A worker died, and the invocation is out of attempts.
    WORKER_CRASHED = 101;
    /// An attempt ran longer than its timeout, and there is none left.
    FUNCTION_TIMED_OUT = 102;
    /// An attempt used more memory than its allocation, and there is none left.
    FUNCTION_OUT_OF_MEMORY = 103;
    /// A value cannot be encoded.
    VALUE_UNSERIALISABLE = 104;
    /// A put to a bucket that the function does not declare.
    PUT_UNDECLARED = 105;
    /// A retry put other bytes than the attempt before it.
    OUTPUT_NOT_REPEATABLE = 106;
    /// A key belongs to another invocation.
    OUTPUT_KEY_TAKEN = 107;
    /// A worker broke the protocol.
    WORKER_PROTOCOL = 108;
    /// A sandbox could not be started.
    SANDBOX_UNSTARTABLE = 109;
    /// A join or group waits for an invocation that is out of attempts.
    JOIN_CANNOT_COMPLETE = 110;
    /// A `set` lacks keys at closing.
    SET_INCOMPLETE = 111;
    /// A `first(k)` got fewer than k objects.
    FIRST_INCOMPLETE = 112;
    /// The run was cancelled.
    RUN_CANCELLED = 113;
    /// Applying a record of this run panicked; the run was set aside.
    RUN_QUARANTINED = 114;
    /// A run exceeded a named limit.
    RUN_LIMIT = 115;
    /// A workflow failed; the cause has its error.
    WORKFLOW_FAILED = 116;
    /// A workflow took longer than its timeout.
    WORKFLOW_TIMED_OUT = 117;
    /// The code of a workflow, run again, did not want what it had wanted before.
    WORKFLOW_DIVERGED = 118;

    // 200-299: the server or the machine.
    /// The server cannot be reached.
    SERVER_UNREACHABLE = 200;
    /// The address is in use.
    ADDRESS_IN_USE = 201;
    /// The data directory is in use by another process.
    DATA_DIR_IN_USE = 202;
    /// The data directory was written by a version that this one cannot read.
    DATA_DIR_VERSION = 203;
    /// The log or the store is damaged below what was acknowledged.
    DATA_CORRUPT = 204;
    /// The disk is full; new work is refused.
    DISK_FULL = 205;
    /// A write or sync failed; the outcome of the request is unknown.
    OUTCOME_UNKNOWN = 206;
    /// The server is shutting down.
    SHUTTING_DOWN = 207;
    /// A token is needed, or the one given is wrong.
    UNAUTHORIZED = 208;
    /// Too much is waiting; try again later.
    OVERLOADED = 209;
    /// Something that should not happen did.
    INTERNAL = 210;
    /// The request's Host or Origin is not allowed.
    FORBIDDEN_ORIGIN = 211;
    /// No such path or method.
    NO_ROUTE = 212;
    /// The host lacks something that an app asks for.
    HOST_LACKS = 213;
    /// Interrupted by the user.
    INTERRUPTED = 214;
}
