//! What happened in a run, compactly: numbers that point into the run's own tables.
//!
//! Lines are kept as bytes, in chunks. A checkpoint moves chunks to the store; what is left in the run itself is how many
//! lines there are, so that neither memory nor the size of a saved run grows with its past.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sluice_types::{Attempt, Failure, FunctionIx, Lsn, TriggerIx};

/// One line of a run's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The record that caused it.
    pub lsn: Lsn,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub kind: HistoryKind,
}

/// What a line of history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryKind {
    /// The run started.
    RunStarted,
    /// An object arrived, in this slot.
    ObjectPut {
        /// Position among the run's objects.
        slot: u32,
    },
    /// All inputs are there.
    Sealed,
    /// A trigger fired.
    TriggerFired {
        /// The trigger.
        trigger: TriggerIx,
        /// Objects it passed on.
        objects: u32,
    },
    /// An invocation was created.
    InvocationCreated {
        /// Its number.
        invocation: u32,
        /// Its function.
        function: FunctionIx,
    },
    /// An invocation succeeded.
    InvocationSucceeded {
        /// Its number.
        invocation: u32,
        /// The attempt that did.
        attempt: Attempt,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The invocation's number.
        invocation: u32,
        /// The attempt that failed.
        attempt: Attempt,
        /// Why.
        failure: Box<Failure>,
        /// When the next attempt is due; `None` when there is none.
        retry_ms: Option<u64>,
    },
    /// An invocation was stopped.
    InvocationCancelled {
        /// Its number.
        invocation: u32,
    },
    /// A late or forbidden put was discarded.
    PutDiscarded {
        /// The invocation's number.
        invocation: u32,
    },
    /// An event was emitted.
    EventEmitted {
        /// Its type.
        r#type: std::sync::Arc<str>,
    },
    /// An event arrived that fired nothing, because what listens to it is closed.
    EventIgnored {
        /// Its type.
        r#type: std::sync::Arc<str>,
    },
    /// An express run started again after a crash.
    Reincarnated {
        /// Which life begins.
        incarnation: u32,
    },
    /// The run ended.
    RunEnded,
    /// A function began an object, in this slot, that others may read while it is written.
    ObjectOpened {
        /// Position among the run's objects.
        slot: u32,
    },
    /// A state machine did something.
    Workflow(Box<sluice_asl::execution::HistoryEvent>),
    /// The code of a workflow was told something, or wanted something.
    Code(Box<sluice_flow::Line>),
    /// Something happened to a task of a DAG.
    Dag(Box<sluice_flow::dag::Line>),
    /// A workflow of the app that this run calls has become a run of its own.
    RunCalled {
        /// Its id.
        id: std::sync::Arc<str>,
    },
}

/// Lines after which a chunk is full: so much is read to show any page.
const CHUNK_LINES: u64 = 512;
/// Bytes after which a chunk is full, whatever its lines hold.
const CHUNK_BYTES: usize = 256 * 1024;
/// No line without text is longer.
const SHORT_LINE_BYTES: usize = 48;

/// Lines of a run's history that follow each other.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    first: u64,
    lines: u64,
    bytes: Vec<u8>,
    /// Position and time of the last line, which the next one counts from.
    last: (u64, u64),
}

impl Chunk {
    fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Number of its first line; those of a run count from 1.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Its lines as [`lines_of`] reads them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn end(&self) -> u64 {
        self.first + self.lines
    }

    fn is_full(&self) -> bool {
        self.lines >= CHUNK_LINES || self.bytes.len() >= CHUNK_BYTES
    }

    fn push(&mut self, lsn: Lsn, at_ms: u64, kind: &HistoryKind) {
        let (last_lsn, last_ms) = self.last;
        let line = (lsn.0.wrapping_sub(last_lsn), at_ms.wrapping_sub(last_ms), kind);
        let mut room = [0; SHORT_LINE_BYTES];
        // What a workflow did holds names and values: it is not tried whether it is short.
        let tried = !matches!(kind, HistoryKind::Workflow(_) | HistoryKind::Code(_));
        match tried.then(|| postcard::to_slice(&line, &mut room)) {
            Some(Ok(line)) => self.bytes.extend_from_slice(line),
            // It holds text.
            Some(Err(_)) | None => {
                let bytes = std::mem::take(&mut self.bytes);
                self.bytes = postcard::to_extend(&line, bytes).expect("lines are plain data");
            }
        }
        self.last = (lsn.0, at_ms);
        self.lines += 1;
    }
}

/// Reads the lines of a chunk from its bytes. Ends early at bytes that are no line.
pub fn lines_of(mut bytes: &[u8]) -> impl Iterator<Item = HistoryEntry> {
    let mut last = (0_u64, 0_u64);
    std::iter::from_fn(move || {
        let ((lsn, at_ms, kind), rest) = postcard::take_from_bytes::<(u64, u64, HistoryKind)>(bytes).ok()?;
        bytes = rest;
        last = (last.0.wrapping_add(lsn), last.1.wrapping_add(at_ms));
        Some(HistoryEntry { lsn: Lsn(last.0), at_ms: last.1, kind })
    })
}

/// The history of a run: how long it is, and the chunks that the store does not hold yet.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    lines: u64,
    chunks: Vec<Chunk>,
    /// The last chunk was given to the store: it must not grow.
    closed: bool,
}

impl History {
    fn push(&mut self, lsn: Lsn, at_ms: u64, kind: &HistoryKind) {
        let full = self.chunks.last().is_none_or(Chunk::is_full);
        if full || self.closed {
            self.chunks.push(Chunk::new(self.lines + 1));
            self.closed = false;
        }
        self.chunks.last_mut().expect("there is a chunk").push(lsn, at_ms, kind);
        self.lines += 1;
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lines.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { lines: u64::deserialize(deserializer)?, ..Self::default() })
    }
}

impl super::Run {
    /// Adds a line. Express runs keep only start and end, and what the code of a workflow
    /// has to be told again: hops are not recorded anywhere.
    pub(super) fn record(&mut self, cx: &super::Cx<'_>, kind: HistoryKind) {
        let lifecycle = matches!(
            kind,
            HistoryKind::RunStarted
                | HistoryKind::RunEnded
                | HistoryKind::Reincarnated { .. }
                | HistoryKind::AttemptFailed { .. }
                | HistoryKind::Code(_)
        );
        if lifecycle || !self.is_express() {
            self.history.push(cx.lsn, cx.now_ms, &kind);
        }
    }

    /// How many lines its history has.
    pub fn history_len(&self) -> u64 {
        self.history.lines
    }

    /// The chunks of its history that the store does not hold yet, oldest first.
    pub fn unsaved_history(&self) -> &[Chunk] {
        &self.history.chunks
    }

    /// What happened and is not in the store yet, in order: all of it, in an engine that never had a checkpoint.
    pub fn history(&self) -> impl Iterator<Item = HistoryEntry> + '_ {
        self.history.chunks.iter().flat_map(|chunk| lines_of(&chunk.bytes))
    }

    /// The unsaved chunks, which from now on do not change.
    pub(crate) fn close_history(&mut self) -> &[Chunk] {
        self.history.closed = true;
        &self.history.chunks
    }

    /// Forgets the chunks before line `end`: the store has them.
    pub(crate) fn history_saved(&mut self, end: u64) {
        self.history.chunks.retain(|chunk| chunk.end() > end);
        self.history.closed &= !self.history.chunks.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text_bytes: usize, lines: u64) -> Vec<(u64, usize)> {
        let kind = HistoryKind::EventEmitted { r#type: "a".repeat(text_bytes).into() };
        let mut history = History::default();
        (1..=lines).for_each(|number| history.push(Lsn(number), 0, &kind));
        history.chunks.iter().map(|chunk| (chunk.first(), lines_of(chunk.bytes()).count())).collect()
    }

    #[test]
    fn a_chunk_is_full_by_its_lines_or_by_its_bytes() {
        assert_eq!(pieces(1, 600), [(1, 512), (513, 88)]);
        assert_eq!(pieces(CHUNK_BYTES / 4, 9), [(1, 4), (5, 4), (9, 1)]);
    }
}
