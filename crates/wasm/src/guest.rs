//! The data of a store: everything a host function may touch.

use crate::call::{Call, End};
use crate::declaration::Declaration;
use crate::failure::{self, Circumstances, Fault};
use crate::gate::Gate;
use crate::module::Kind;
use crate::resident::Code;
use sluice_types::Failure;
use std::sync::Arc;
use wasmtime::{Memory, ResourceLimiter};

const IN_A_CALL: &str = "guest code runs only during a call";

/// One instance's view of the world.
pub(crate) struct Guest {
    pub declaration: Arc<Declaration>,
    pub gate: Arc<Gate>,
    call: Option<Box<Call>>,
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
    pub fn new(code: &Code, gate: Arc<Gate>, call: Box<Call>) -> Self {
        let declaration = Arc::clone(&code.declaration);
        let allowance = Allowance { bytes_max: declaration.memory_bytes, refused: None };
        Self {
            declaration,
            gate,
            call: Some(call),
            memory: None,
            allowance,
            is_command: code.compiled.kind == Kind::Command,
            preempted: false,
            slice_ticks: code.slice_ticks,
        }
    }

    /// Takes the next call, when the last one has ended well.
    pub fn begin(&mut self, call: Box<Call>) {
        self.call = Some(call);
        self.allowance.refused = None;
        self.preempted = false;
    }

    /// The call in progress.
    pub fn call(&self) -> &Call {
        self.call.as_deref().expect(IN_A_CALL)
    }

    /// The call in progress.
    pub fn call_mut(&mut self) -> &mut Call {
        self.call.as_deref_mut().expect(IN_A_CALL)
    }

    /// Gives the call back, which ended with `result`.
    pub fn end(&mut self, result: Result<(), wasmtime::Error>) -> Box<Call> {
        let mut call = self.call.take().expect(IN_A_CALL);
        let failure = result.err().and_then(|error| self.failure(&error, &call));
        let stdio = std::mem::take(&mut call.stdio);
        let stdout = stdio.drain(&mut call.output, !self.is_command);
        let kept = call.output.keep_result(stdout, self.output_bytes_max());
        call.end = Some(match failure.or_else(|| kept.err().map(|fault| fault.failure(String::new()))) {
            _ if self.gate.is_cancelled() => End::Cancelled,
            Some(failure) => End::Failed(failure),
            None => End::Succeeded,
        });
        call
    }

    fn failure(&self, error: &wasmtime::Error, call: &Call) -> Option<Failure> {
        let about = Circumstances {
            memory_refused: self.allowance.refused,
            memory_bytes: self.allowance.bytes_max,
            stderr: call.stdio.stderr(),
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
