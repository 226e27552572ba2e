//! An attempt that runs in a process: what is known of it, and its output.

use crate::event::{SandboxEvent, Stream};
use sluice_types::invocation::Emission;
use sluice_types::limits::CAPTURED_OUTPUT_BYTES_MAX;
use sluice_types::{Attempt, Failure, FunctionIx, Invocation, InvocationId, ObjectId, Outcome};
use std::time::Instant;

/// The end of stderr kept to explain a crash, in bytes.
const STDERR_TAIL_BYTES: usize = 4096;

/// The attempt.
#[derive(Debug)]
pub(crate) struct Current {
    pub id: InvocationId,
    pub attempt: Attempt,
    pub function: FunctionIx,
    pub deadline: Instant,
    pub cancelled: bool,
    /// Why the worker is being killed.
    pub verdict: Option<Failure>,
    pub pins: Vec<ObjectId>,
    pub emits: Vec<Emission>,
    pub hold: bool,
    /// Whether the worker has signalled before the end of the call.
    pub signalled_before: bool,
    /// Captured output so far, in bytes, and what was dropped.
    pub output_bytes: usize,
    pub dropped_bytes: usize,
    /// The end of stderr, to explain a crash.
    pub stderr_tail: Vec<u8>,
}

impl Current {
    pub fn new(invocation: &Invocation, deadline: Instant, pins: Vec<ObjectId>) -> Self {
        Self {
            id: invocation.id,
            attempt: invocation.attempt,
            function: invocation.function,
            deadline,
            cancelled: false,
            verdict: None,
            pins,
            emits: Vec::new(),
            hold: false,
            signalled_before: false,
            output_bytes: 0,
            dropped_bytes: 0,
            stderr_tail: Vec::new(),
        }
    }

    /// Reports output up to the limit, and counts the rest.
    pub(crate) fn hear_output(&mut self, stream: Stream, bytes: &[u8], events: &mut Vec<SandboxEvent>) {
        if stream == Stream::Stderr {
            self.stderr_tail.extend_from_slice(&bytes[bytes.len().saturating_sub(STDERR_TAIL_BYTES)..]);
            let excess = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..excess);
        }
        let kept = bytes.len().min(CAPTURED_OUTPUT_BYTES_MAX - self.output_bytes);
        self.output_bytes += kept;
        self.dropped_bytes += bytes.len() - kept;
        if kept > 0 {
            let (id, attempt, bytes) = (self.id, self.attempt, bytes[..kept].to_vec());
            events.push(SandboxEvent::Log { id, attempt, stream, bytes });
        }
    }
}

/// Reports the end of an attempt.
pub(crate) fn conclude(current: Current, outcome: Outcome, events: &mut Vec<SandboxEvent>) {
    let Current { id, attempt, dropped_bytes, .. } = current;
    if dropped_bytes > 0 {
        let note = format!(
            "[{dropped_bytes} bytes of output dropped: an attempt's limit is {CAPTURED_OUTPUT_BYTES_MAX}]\n"
        );
        events.push(SandboxEvent::Log { id, attempt, stream: Stream::Stderr, bytes: note.into_bytes() });
    }
    events.push(SandboxEvent::Completed { id, attempt, outcome });
}
