//! One attempt as the host functions see it: what it was called with and what it has produced so far.

use crate::failure::Fault;
use crate::limits;
use bytes::Bytes;
use sluice_types::invocation::{Arguments, Emission};
use sluice_types::limits::CAPTURED_OUTPUT_BYTES_MAX;
use sluice_types::{AppKey, ContentType, Invocation, Payload, Put, ReturnValue, Version};
use smallvec::SmallVec;
use std::sync::Arc;

/// The run that a call belongs to.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The app.
    pub app: AppKey,
    /// Its version.
    pub version: Version,
    /// The run's id as users know it.
    pub run_id: Arc<str>,
}

/// Resolves payloads whose bytes lie outside the log.
pub trait InputBytes {
    /// The bytes, kept alive for as long as the result is; `None` when they cannot be had any more.
    fn bytes(&self, payload: &Payload) -> Option<Bytes>;
}

/// Takes values too large for a log record.
pub trait StoreBytes {
    /// Stores `bytes`. Called with more than `INLINE_BYTES_MAX` bytes only, after the guest has returned.
    fn store(&mut self, bytes: &[u8]) -> Payload;
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

/// What a function logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its importance; standard error of a WASI command counts as `Info`.
    pub level: Level,
    /// The text, without a line end.
    pub text: String,
}

/// One attempt.
pub(crate) struct Call {
    pub invocation: Invocation,
    pub run: RunInfo,
    /// The bytes of all inputs when at least one of them lies outside the log, else empty.
    pub resolved: Vec<Bytes>,
}

impl Call {
    /// Resolves what lies outside the log. On failure the invocation comes back with the reason.
    pub fn new(invocation: Invocation, run: RunInfo, bytes: &dyn InputBytes) -> Result<Self, Fault> {
        let objects = invocation.arguments.objects();
        let mut resolved = Vec::new();
        if objects.iter().any(|object| matches!(object.payload, Payload::Stored { .. })) {
            for object in objects {
                let found = match &object.payload {
                    Payload::Inline(inline) => Some(inline.clone()),
                    stored @ Payload::Stored { .. } => bytes.bytes(stored),
                };
                resolved.push(found.ok_or_else(|| Fault::input_lost(&object.key))?);
            }
        }
        Ok(Self { invocation, run, resolved })
    }

    /// Number of inputs: the objects, or one for an event.
    pub fn input_count(&self) -> usize {
        match &self.invocation.arguments {
            Arguments::Event(_) => 1,
            arguments => arguments.objects().len(),
        }
    }

    /// The bytes of an input.
    pub fn input(&self, position: usize) -> Option<&Bytes> {
        match &self.invocation.arguments {
            Arguments::Event(event) => (position == 0).then_some(&event.data),
            _ if !self.resolved.is_empty() => self.resolved.get(position),
            arguments => match &arguments.objects().get(position)?.payload {
                Payload::Inline(bytes) => Some(bytes),
                Payload::Stored { .. } => None,
            },
        }
    }

    /// The key of an input; the id of an event.
    pub fn input_key(&self, position: usize) -> Option<&Arc<str>> {
        match &self.invocation.arguments {
            Arguments::Event(event) => (position == 0).then_some(&event.id),
            arguments => arguments.objects().get(position).map(|object| &object.key),
        }
    }
}

/// What an attempt has produced so far. Nothing leaves before it returns.
#[derive(Default)]
pub(crate) struct Output {
    pub puts: SmallVec<[Put; 1]>,
    pub value: Option<ReturnValue>,
    pub emits: Vec<Emission>,
    pub logs: Vec<LogLine>,
    /// Group of the puts to come.
    pub group: Option<Arc<str>>,
    /// Bytes held in `puts`, `value` and `emits`.
    buffered_bytes: usize,
    logged_bytes: usize,
    log_bytes_dropped: usize,
}

impl Output {
    /// Accounts for `len` bytes more, of at most `max`.
    fn reserve(&mut self, len: usize, max: usize) -> Result<(), Fault> {
        self.buffered_bytes = self.buffered_bytes.saturating_add(len);
        if self.buffered_bytes > max { Err(Fault::output_too_large(max)) } else { Ok(()) }
    }

    /// Buffers a put.
    pub fn put(&mut self, put: Put, bytes_max: usize) -> Result<(), Fault> {
        self.reserve(put.payload.len() as usize, bytes_max)?;
        if self.puts.len() == limits::PUTS_MAX {
            return Err(Fault::too_many("objects put", limits::PUTS_MAX));
        }
        self.puts.push(put);
        Ok(())
    }

    /// Buffers an event.
    pub fn emit(&mut self, emission: Emission, bytes_max: usize) -> Result<(), Fault> {
        self.reserve(emission.data.len(), bytes_max)?;
        if self.emits.len() == limits::EMITS_MAX {
            return Err(Fault::too_many("events emitted", limits::EMITS_MAX));
        }
        self.emits.push(emission);
        Ok(())
    }

    /// Sets the return value; the last one counts.
    pub fn set_value(
        &mut self,
        bytes: Bytes,
        content_type: ContentType,
        bytes_max: usize,
    ) -> Result<(), Fault> {
        self.reserve(bytes.len(), bytes_max)?;
        self.value = Some(ReturnValue { content_type, payload: Payload::Inline(bytes) });
        Ok(())
    }

    /// Keeps a log line; past the limit the bytes are counted and dropped.
    pub fn log(&mut self, level: Level, text: &[u8]) {
        if self.logged_bytes + text.len() > CAPTURED_OUTPUT_BYTES_MAX {
            self.log_bytes_dropped += text.len();
            return;
        }
        self.logged_bytes += text.len();
        self.logs.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
    }

    /// The log, with a last line that says what was dropped.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        if self.log_bytes_dropped > 0 {
            let text = format!("{} bytes of log dropped", self.log_bytes_dropped);
            self.logs.push(LogLine { level: Level::Warn, text });
        }
        std::mem::take(&mut self.logs)
    }
}
