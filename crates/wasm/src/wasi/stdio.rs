//! The state of the three standard streams.

use crate::failure::Fault;
use crate::inputs::Inputs;
use crate::output::{Level, Output};
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
    pub fn read(&mut self, inputs: &Inputs, space: &mut [u8]) -> usize {
        while let Some(bytes) = inputs.bytes(self.input) {
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

    /// Moves standard error to the log, and standard output too if it `is_log`; else it is the result.
    pub fn drain(self, output: &mut Output, is_log: bool) -> Vec<u8> {
        let log = if is_log { &self.stdout[..] } else { &[] };
        for line in log.split(|&byte| byte == b'\n').chain(self.stderr.split(|&byte| byte == b'\n')) {
            if !line.is_empty() {
                output.log(Level::Info, line);
            }
        }
        if is_log { Vec::new() } else { self.stdout }
    }
}
