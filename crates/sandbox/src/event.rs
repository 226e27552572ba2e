//! What a pool reports.

use sluice_types::{AppKey, Attempt, InvocationId, Outcome, Put, Version};
use std::sync::Arc;

/// The run that an invocation belongs to.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The app; also the trust domain of everything the invocation touches.
    pub app: AppKey,
    /// Its version.
    pub version: Version,
    /// The run's id as users know it.
    pub run_id: Arc<str>,
    /// W3C trace context to hand on.
    pub traceparent: Option<Arc<str>>,
}

/// Something that happened to an attempt. For one attempt: at most one `Started`, then puts and logs in the order
/// in which the function made them, then exactly one `Completed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxEvent {
    /// It was handed to a process.
    Started {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// Process id on the host; 0 if it is not known.
        pid: u32,
    },
    /// It put an object.
    Put {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// The object.
        put: Put,
    },
    /// It began an object that others may read while it is written.
    Opened {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// The object; its payload is open.
        put: Put,
    },
    /// It has written such an object to its end. [`sluice_objects::Memory::close_stream`] makes the bytes its own.
    Closed {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// The object; its payload is open and says how many bytes were written.
        put: Put,
    },
    /// It wrote something.
    Log {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// Where.
        stream: Stream,
        /// What; any bytes, lines may be split.
        bytes: Vec<u8>,
    },
    /// It ended.
    Completed {
        /// The logical call.
        id: InvocationId,
        /// Which try.
        attempt: Attempt,
        /// How.
        outcome: Outcome,
    },
}

/// Where output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error; notes of the pool appear here too.
    Stderr,
    /// The function's log.
    Log(Level),
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Of interest while developing.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

impl Stream {
    /// The stream of that number on the wire.
    pub(crate) fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Stdout,
            1 => Self::Stderr,
            2 => Self::Log(Level::Debug),
            3 => Self::Log(Level::Info),
            4 => Self::Log(Level::Warn),
            5 => Self::Log(Level::Error),
            _ => return None,
        })
    }
}
