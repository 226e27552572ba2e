//! Failures as the pool words them: what happened, and what to do.

use sluice_isolation::{Error, Exit};
use sluice_types::{Failure, FailureKind};
use std::{fmt, io};

/// A failure without a stack.
pub(crate) fn failure(kind: FailureKind, name: &str, message: impl fmt::Display) -> Failure {
    Failure { kind, r#type: name.to_owned(), message: message.to_string(), stack: String::new() }
}

pub(crate) fn protocol(what: impl fmt::Display) -> Failure {
    failure(
        FailureKind::Protocol,
        "ProtocolError",
        format_args!("the worker broke the worker protocol and was killed: {what}"),
    )
}

pub(crate) fn timed_out(timeout_ms: u64) -> Failure {
    failure(
        FailureKind::TimedOut,
        "TimedOut",
        format_args!("the attempt ran longer than its timeout of {timeout_ms} ms and was killed"),
    )
}

pub(crate) fn out_of_memory(memory_bytes: u64) -> Failure {
    failure(
        FailureKind::OutOfMemory,
        "OutOfMemory",
        format_args!(
            "the attempt needed more than its {} MiB of memory and was killed; raise its memory",
            memory_bytes >> 20
        ),
    )
}

/// The process ended during a call.
pub(crate) fn crashed(end: End, stderr: &[u8]) -> Failure {
    let message = match end {
        End::Exit(Exit::Code(code)) => {
            format!(
                "the worker ended with exit status {code} during the call; a function returns or raises instead"
            )
        }
        End::Exit(Exit::Signal(signal)) => format!("the worker was killed by {}", signal_name(signal)),
        End::Exit(Exit::Killed) => "the worker was killed from outside".to_owned(),
        End::Zygote => "the worker was ended with all others of its app: the process that loads the app for them was killed".to_owned(),
    };
    let stack = String::from_utf8_lossy(stderr).into_owned();
    Failure { stack, ..failure(FailureKind::Crashed, "WorkerCrashed", message) }
}

/// The memory of an object cannot be had.
pub(crate) fn input_lost(error: sluice_objects::Error) -> Failure {
    failure(FailureKind::Crashed, "InputUnavailable", error)
}

/// The server lacks what a process needs.
pub(crate) fn not_started(error: io::Error) -> Failure {
    failure(FailureKind::Unstartable, "Unstartable", format_args!("no process can be started: {error}"))
}

pub(crate) fn unstartable(error: &Error) -> Failure {
    let problem = error.problem();
    failure(FailureKind::Unstartable, "Unstartable", format_args!("{}; {}", problem.message, problem.fix))
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exit(Exit),
    /// With its zygote.
    Zygote,
}

impl End {
    /// From a wait status.
    pub fn of_status(status: u64) -> Self {
        let status = status as i32;
        match status & 0x7f {
            0 => Self::Exit(Exit::Code(status >> 8 & 0xff)),
            signal => Self::Exit(Exit::Signal(signal)),
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL (an illegal instruction)",
        6 => "SIGABRT (it aborted)",
        7 => "SIGBUS (memory that is not there)",
        8 => "SIGFPE (an arithmetic error)",
        9 => "SIGKILL",
        11 => "SIGSEGV (a crash in native code, or a recursion too deep for the stack)",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
