//! One attempt as the host functions see it: what it was called with, and what came of it so far.

use crate::failure::Fault;
use crate::inputs::Inputs;
use crate::output::{LogLine, Output};
use crate::wasi::Stdio;
use bytes::Bytes;
use sluice_types::{AppKey, Attempt, Failure, Invocation, InvocationId, Outcome, Payload, Version};
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
    /// Stores `bytes` for an app. Called with more than `INLINE_BYTES_MAX` bytes only, after the guest has returned.
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Payload;
}

/// One attempt, in a box of its own: it travels from the shard to the instance and back.
pub(crate) struct Call {
    pub id: InvocationId,
    pub attempt: Attempt,
    pub group: Option<Arc<str>>,
    pub run: RunInfo,
    pub inputs: Inputs,
    pub output: Output,
    pub stdio: Stdio,
    pub end: Option<End>,
}

/// How an attempt ended.
pub(crate) enum End {
    Succeeded,
    Failed(Failure),
    Cancelled,
}

impl Call {
    /// Resolves what lies outside the log. `used` is a call that is over: its memory is taken again.
    #[allow(clippy::boxed_local, reason = "it is taken out of its box here and nowhere on its way")]
    pub fn new(
        used: Option<Box<Self>>,
        invocation: Box<Invocation>,
        run: RunInfo,
        bytes: &dyn InputBytes,
    ) -> Result<Box<Self>, Fault> {
        let Invocation { id, attempt, arguments, group, function: _ } = *invocation;
        let inputs = Inputs::new(arguments, bytes)?;
        let Some(mut call) = used else {
            let (output, stdio) = (Output::default(), Stdio::default());
            return Ok(Box::new(Self { id, attempt, group, run, inputs, output, stdio, end: None }));
        };
        (call.id, call.attempt, call.group, call.run) = (id, attempt, group, run);
        call.inputs = inputs;
        Ok(call)
    }

    /// The outcome and the log; values too large for a log record go to `store`. Then the call is over.
    pub fn finish(&mut self, store: &mut dyn StoreBytes) -> (Outcome, Vec<LogLine>) {
        let logs = self.output.take_logs();
        let outcome = match self.end.take().expect("a call comes back when it has ended") {
            End::Succeeded => self.output.settle(self.run.app, store),
            End::Cancelled => Outcome::Cancelled,
            End::Failed(failure) => Outcome::Failed(failure),
        };
        self.output.clear();
        self.inputs.clear();
        (outcome, logs)
    }
}
