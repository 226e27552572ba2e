//! The state of the three standard streams.

use crate::call::Call;
use crate::failure::Fault;
use bytes::Bytes;
use serde::de::IgnoredAny;
use sluice_types::ContentType;
use sluice_types::limits::CAPTURED_OUTPUT_BYTES_MAX;

/// What a guest has read and written so far in this call.
#[derive(Default)]
pub(crate) struct Stdio {
    input: usize,
    offset: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Stdio {
    /// Fills `space` from standard input, which is the inputs one after another; 0 at its end.
    pub fn read(&mut self, call: &Call, space: &mut [u8]) -> usize {
        while let Some(bytes) = call.input(self.input) {
            let rest = &bytes[self.offset..];
            let count = rest.len().min(space.len());
            if count > 0 || space.is_empty() {
                space[..count].copy_from_slice(&rest[..count]);
                self.offset += count;
                return count;
            }
            (self.input, self.offset) = (self.input + 1, 0);
        }
        0
    }

    /// Appends to standard output.
    pub fn write_out(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), Fault> {
        if self.stdout.len() + bytes.len() > bytes_max {
            return Err(Fault::output_too_large(bytes_max));
        }
        self.stdout.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends to standard error; past the limit the oldest half goes, because the end says why it failed.
    pub fn write_err(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(CAPTURED_OUTPUT_BYTES_MAX / 2)..];
        if self.stderr.len() + bytes.len() > CAPTURED_OUTPUT_BYTES_MAX {
            self.stderr.drain(..self.stderr.len() - CAPTURED_OUTPUT_BYTES_MAX / 2);
        }
        self.stderr.extend_from_slice(bytes);
    }

    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    pub fn into_stdout(self) -> Vec<u8> {
        self.stdout
    }
}

/// The content type of a result that came without one: JSON if it is a document, else text if it is UTF-8.
pub(crate) fn sniff(bytes: &[u8]) -> ContentType {
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        ContentType::Json
    } else if std::str::from_utf8(bytes).is_ok() {
        ContentType::Text
    } else {
        ContentType::Bytes
    }
}
