//! What an attempt has produced so far. Nothing of it leaves before the attempt returns.

use crate::call::StoreBytes;
use crate::failure::Fault;
use crate::limits;
use bytes::Bytes;
use serde::de::IgnoredAny;
use sluice_types::invocation::Emission;
use sluice_types::limits::{CAPTURED_OUTPUT_BYTES_MAX, INLINE_BYTES_MAX};
use sluice_types::{AppKey, ContentType, Outcome, Payload, Put, Puts, ReturnValue};
use smallvec::SmallVec;
use std::sync::Arc;

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

/// Buffered puts, events, the return value and the log.
#[derive(Default)]
pub(crate) struct Output {
    puts: Puts,
    pub value: Option<ReturnValue>,
    emits: Vec<Emission>,
    logs: Vec<LogLine>,
    /// Group of the puts to come.
    pub group: Option<Arc<str>>,
    /// Bytes held in `puts`, `value` and `emits`.
    buffered_bytes: usize,
    logged_bytes: usize,
    log_bytes_dropped: usize,
}

impl Output {
    /// Forgets everything, but not its room.
    pub fn clear(&mut self) {
        self.puts.clear();
        self.emits.clear();
        self.logs.clear();
        (self.value, self.group) = (None, None);
        (self.buffered_bytes, self.logged_bytes, self.log_bytes_dropped) = (0, 0, 0);
    }

    /// Accounts for `len` bytes more, of at most `max`.
    fn reserve(&mut self, len: usize, max: usize) -> Result<(), Fault> {
        self.buffered_bytes = self.buffered_bytes.saturating_add(len);
        if self.buffered_bytes > max { Err(Fault::output_too_large(max)) } else { Ok(()) }
    }

    /// Buffers a put.
    pub fn put(&mut self, put: Box<Put>, bytes_max: usize) -> Result<(), Fault> {
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

    /// Takes the standard output of a command as its return value, unless it set one or wrote nothing.
    pub fn keep_result(&mut self, stdout: Vec<u8>, bytes_max: usize) -> Result<(), Fault> {
        if stdout.is_empty() || self.value.is_some() {
            return Ok(());
        }
        let content_type = sniff(&stdout);
        self.set_value(stdout.into(), content_type, bytes_max)
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

    /// As the outcome of a success; values too large for a log record go to `store`.
    pub fn settle(&mut self, app: AppKey, store: &mut dyn StoreBytes) -> Outcome {
        let value = self.value.iter_mut().map(|value| &mut value.payload);
        for payload in self.puts.iter_mut().map(|put| &mut put.payload).chain(value) {
            if let Payload::Inline(bytes) = payload
                && bytes.len() > INLINE_BYTES_MAX
            {
                *payload = store.store(app, bytes);
            }
        }
        let emits = std::mem::take(&mut self.emits);
        Outcome::Succeeded { puts: std::mem::take(&mut self.puts), value: self.value.take(), emits }
    }
}

/// Bytes whose copies share them from the start. `Bytes` made of a slice take a second allocation when they are first
/// copied, which each value is, for the function that it starts.
pub(crate) fn shared(value: &[u8]) -> Bytes {
    match value.len() <= limits::SMALL_BYTES {
        true => Bytes::from_owner(SmallVec::<[u8; limits::SMALL_BYTES]>::from_slice(value)),
        false => Bytes::copy_from_slice(value),
    }
}

/// The content type of a result that came without one: JSON if it is a document, else text if it is UTF-8.
fn sniff(bytes: &[u8]) -> ContentType {
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        ContentType::Json
    } else if std::str::from_utf8(bytes).is_ok() {
        ContentType::Text
    } else {
        ContentType::Bytes
    }
}
