//! From errors of the host and traps of the guest to the failure of an attempt.

use crate::limits::STDERR_TAIL_BYTES;
use sluice_types::{Failure, FailureKind};
use wasmtime::{Trap, WasmBacktrace};

/// Why a host function ended the call.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub kind: FailureKind,
    pub r#type: &'static str,
    pub message: String,
}

impl Fault {
    fn new(kind: FailureKind, r#type: &'static str, message: String) -> Self {
        Self { kind, r#type, message }
    }

    pub fn bad_pointer(ptr: u32, len: u32, memory_bytes: usize) -> Self {
        let message =
            format!("{len} bytes at {ptr} do not lie in the guest's memory of {memory_bytes} bytes");
        Self::new(FailureKind::Raised, "BadPointer", message)
    }

    pub fn bad_argument(message: String) -> Self {
        Self::new(FailureKind::Raised, "BadArgument", message)
    }

    pub fn not_utf8(what: &str) -> Self {
        Self::new(FailureKind::Unserialisable, "NotUtf8", format!("{what} must be UTF-8"))
    }

    pub fn too_long(what: &str, bytes: usize, max: usize) -> Self {
        let message = format!("{what} of {bytes} bytes; the limit is {max}");
        Self::new(FailureKind::Limit, "TooLong", message)
    }

    pub fn too_many(what: &str, max: usize) -> Self {
        Self::new(FailureKind::Limit, "TooMany", format!("more than {max} {what} in one attempt"))
    }

    pub fn output_too_large(max: usize) -> Self {
        let message = format!(
            "the attempt put, emitted and returned more than its memory of {max} bytes; raise resources.memory or put less"
        );
        Self::new(FailureKind::Limit, "OutputTooLarge", message)
    }

    pub fn undeclared(function: &str, bucket: &str) -> Self {
        let message = format!(
            "function `{function}` put to bucket `{bucket}`, which its `into` does not name; add `{bucket}` to `into`"
        );
        Self::new(FailureKind::UndeclaredPut, "UndeclaredPut", message)
    }

    pub fn raised(message: String) -> Self {
        Self::new(FailureKind::Raised, "GuestFailure", message)
    }

    pub fn input_lost(key: &str) -> Self {
        let message = format!("the bytes of input `{key}` are not available any more");
        Self::new(FailureKind::Crashed, "InputLost", message)
    }

    pub fn timed_out(timeout_ms: u64) -> Self {
        let message = format!("ran longer than its timeout of {timeout_ms} ms");
        Self::new(FailureKind::TimedOut, "Timeout", message)
    }

    /// As the failure of the attempt.
    pub fn failure(&self, stack: String) -> Failure {
        Failure { kind: self.kind, r#type: self.r#type.into(), message: self.message.clone(), stack }
    }
}

/// A WASI command ended itself.
#[derive(Debug, thiserror::Error)]
#[error("exited with status {0}")]
pub(crate) struct Exit(pub i32);

/// What is known about a call that ended with an error, beyond the error.
pub(crate) struct Circumstances<'a> {
    /// Memory it was refused, if it was.
    pub memory_refused: Option<usize>,
    /// Its allocation, in bytes.
    pub memory_bytes: usize,
    /// Standard error of a WASI command.
    pub stderr: &'a [u8],
}

/// Says why a call ended with `error`; `None` when it exited with status 0.
pub(crate) fn classify(error: &wasmtime::Error, about: &Circumstances<'_>) -> Option<Failure> {
    let stack = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Some(fault.failure(stack));
    }
    let exit = error.downcast_ref::<Exit>();
    if let Some(Exit(0)) = exit {
        return None;
    }
    if let Some(asked) = about.memory_refused {
        return Some(out_of_memory(asked, about.memory_bytes, stack));
    }
    let (r#type, message) = match (exit, error.downcast_ref::<Trap>()) {
        (Some(exit), _) => ("Exit".to_owned(), exit.to_string()),
        (_, Some(trap)) => (format!("{trap:?}"), trap.to_string()),
        _ => ("HostError".to_owned(), error.root_cause().to_string()),
    };
    let stack = join(&stderr_tail(about.stderr), &stack);
    Some(Failure { kind: FailureKind::Raised, r#type, message, stack })
}

fn out_of_memory(asked: usize, memory_bytes: usize, stack: String) -> Failure {
    let message = format!(
        "asked for {asked} bytes of memory; its allocation is {memory_bytes}: raise resources.memory"
    );
    Failure { kind: FailureKind::OutOfMemory, r#type: "OutOfMemory".into(), message, stack }
}

fn stderr_tail(stderr: &[u8]) -> String {
    let tail = &stderr[stderr.len().saturating_sub(STDERR_TAIL_BYTES)..];
    String::from_utf8_lossy(tail).trim_end().to_owned()
}

fn join(first: &str, second: &str) -> String {
    let separator = if first.is_empty() || second.is_empty() { "" } else { "\n" };
    format!("{first}{separator}{second}")
}
