//! The data of a store: everything a host function may touch.

use crate::call::{Call, Level, Output};
use crate::declaration::Declaration;
use crate::desk::Ended;
use crate::failure::{self, Circumstances, Fault};
use crate::gate::Gate;
use crate::module::Kind;
use crate::resident::Code;
use crate::wasi::{self, Stdio};
use sluice_types::{Failure, Outcome};
use std::sync::Arc;
use wasmtime::{Memory, ResourceLimiter};

/// One instance's view of the world.
pub(crate) struct Guest {
    pub declaration: Arc<Declaration>,
    pub gate: Arc<Gate>,
    pub call: Call,
    pub output: Output,
    pub stdio: Stdio,
    /// The exported memory, once the instance exists.
    pub memory: Option<Memory>,
    pub allowance: Allowance,
    /// Whether it is a WASI command.
    pub is_command: bool,
    /// Whether the guest's slice was used up and it has not gone on yet.
    pub preempted: bool,
    /// Ticks until a call that goes on after a sleep has to yield again.
    pub slice_ticks: u64,
}

impl Guest {
    pub fn new(code: &Code, gate: Arc<Gate>, call: Call) -> Self {
        let declaration = Arc::clone(&code.declaration);
        let allowance = Allowance { bytes_max: declaration.memory_bytes, refused: None };
        Self {
            declaration,
            gate,
            call,
            output: Output::default(),
            stdio: Stdio::default(),
            memory: None,
            allowance,
            is_command: code.compiled.kind == Kind::Command,
            preempted: false,
            slice_ticks: code.slice_ticks,
        }
    }

    /// Takes the next call, when the last one has ended well.
    pub fn begin(&mut self, call: Call) {
        self.call = call;
        self.allowance.refused = None;
        self.preempted = false;
    }

    /// Takes what a call made that ended with `result`.
    pub fn end(&mut self, result: Result<(), wasmtime::Error>) -> Ended {
        let failure = result.err().and_then(|error| self.failure(&error));
        let stdio = std::mem::take(&mut self.stdio);
        for line in stdio.stderr().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            self.output.log(Level::Info, line);
        }
        let failure = failure.or_else(|| self.keep_stdout(stdio.into_stdout()));
        let mut output = std::mem::take(&mut self.output);
        let logs = output.take_logs();
        let outcome = match failure {
            _ if self.gate.is_cancelled() => Outcome::Cancelled,
            Some(failure) => Outcome::Failed(failure),
            None => Outcome::Succeeded { puts: output.puts, value: output.value, emits: output.emits },
        };
        Ended { outcome, logs }
    }

    /// Standard output is the result of a command, unless it set one; of other guests it is log.
    fn keep_stdout(&mut self, stdout: Vec<u8>) -> Option<Failure> {
        if !self.is_command {
            for line in stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                self.output.log(Level::Info, line);
            }
            return None;
        }
        if stdout.is_empty() || self.output.value.is_some() {
            return None;
        }
        let content_type = wasi::sniff(&stdout);
        let bytes_max = self.output_bytes_max();
        let set = self.output.set_value(stdout.into(), content_type, bytes_max);
        set.err().map(|fault| fault.failure(String::new()))
    }

    fn failure(&self, error: &wasmtime::Error) -> Option<Failure> {
        let about = Circumstances {
            memory_refused: self.allowance.refused,
            memory_bytes: self.allowance.bytes_max,
            stderr: self.stdio.stderr(),
        };
        failure::classify(error, &about)
    }

    /// Most bytes that the call may buffer.
    pub fn output_bytes_max(&self) -> usize {
        self.declaration.memory_bytes
    }

    /// The fault of a put to a bucket that the function does not declare.
    pub fn undeclared(&self, bucket: &str) -> Fault {
        Fault::undeclared(&self.declaration.function, bucket)
    }
}

/// Keeps linear memory within the function's allocation.
pub(crate) struct Allowance {
    bytes_max: usize,
    /// The last size it refused.
    refused: Option<usize>,
}

impl ResourceLimiter for Allowance {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let allowed = desired <= self.bytes_max;
        if !allowed {
            self.refused = Some(desired);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, wasmtime::Error> {
        Ok(desired <= crate::limits::TABLE_ELEMENTS_MAX)
    }
}
