//! An attempt that runs in a process: what is known of it, and its output.

use crate::event::{SandboxEvent, Stream};
use crate::limits::SHORT_CALL;
use sluice_types::invocation::Emission;
use sluice_types::limits::CAPTURED_OUTPUT_BYTES_MAX;
use sluice_types::{Attempt, Failure, FunctionIx, Invocation, InvocationId, ObjectId, Outcome};
use std::time::{Duration, Instant};

/// The end of stderr kept to explain a crash, in bytes.
const STDERR_TAIL_BYTES: usize = 4096;

/// The attempt.
#[derive(Debug)]
pub(crate) struct Current {
    pub id: InvocationId,
    pub attempt: Attempt,
    pub function: FunctionIx,
    /// When it was given to its worker, or the call before it ended.
    pub began: Instant,
    pub deadline: Instant,
    pub cancelled: bool,
    /// Why the worker is being killed.
    pub verdict: Option<Failure>,
    pub pins: Vec<ObjectId>,
    pub emits: Vec<Emission>,
    pub hold: bool,
    /// When the call is looked after next, should it still run; see [`crate::limits::SHORT_CALL`].
    pub look_at: Option<Instant>,
    /// Whether it was looked after.
    pub is_long: bool,
    pub has_put: bool,
    /// Whether it has printed something, or waited for its messages to be read: others behind it would wait for that, too.
    pub is_chatty: bool,
    /// Captured output so far, in bytes, and what was dropped.
    pub output_bytes: usize,
    pub dropped_bytes: usize,
    /// The end of stderr, to explain a crash.
    pub stderr_tail: Vec<u8>,
}

impl Current {
    pub fn new(invocation: &Invocation, now: Instant, timeout: Duration, pins: Vec<ObjectId>) -> Self {
        Self {
            id: invocation.id,
            attempt: invocation.attempt,
            function: invocation.function,
            began: now,
            deadline: now + timeout,
            cancelled: false,
            verdict: None,
            pins,
            emits: Vec::new(),
            hold: false,
            look_at: Some(now + SHORT_CALL),
            is_long: false,
            has_put: false,
            is_chatty: false,
            output_bytes: 0,
            dropped_bytes: 0,
            stderr_tail: Vec::new(),
        }
    }

    /// The call still runs after a time in which short ones have ended. Its worker may miss the first sign that it is
    /// to ring, if it announces at the same moment; so there is a second look.
    pub fn looked_after(&mut self, now: Instant) {
        self.look_at = if self.is_long { None } else { Some(now + SHORT_CALL) };
        self.is_long = true;
    }

    /// Reports what it has printed.
    pub fn hear_printed(&mut self, stream: Stream, bytes: &[u8], events: &mut Vec<SandboxEvent>) {
        self.is_chatty = true;
        self.hear_output(stream, bytes, events);
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
