//! A workflow whose past is that of another run.
//!
//! Its first turn has number 1; turn 0 stands for the past, which no worker has seen: so the first that gets the turn asks
//! to be told everything.

use super::super::{Cx, Run};
use super::Machinery;
use super::code::Code;
use crate::input::Fork;
use serde::{Deserialize, Serialize};
use sluice_flow::Output;
use sluice_types::{ContentType, Lsn, Payload, ReturnValue, Steps};
use std::sync::Arc;

/// The turn that stands for the past.
const PAST: u32 = 0;

/// From where a workflow has its past.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inherited {
    /// Id of the run whose past it is.
    pub run: Arc<str>,
    /// The last record of it.
    pub at: Lsn,
    /// The journal of that past, as the runtime has written it.
    pub journal: Payload,
}

impl Run {
    /// Goes on with the workflow of another run.
    pub(in crate::run) fn start_fork(&mut self, cx: &mut Cx<'_>, fork: Fork) {
        let Fork { run, at, journal, values, mut execution } = fork;
        let Some(start) = self.workflow.as_deref() else { return };
        let Steps::Code { function } = cx.program().workflows[start.workflow.index()].steps else { return };
        for payload in values.into_iter().chain([journal.clone()]) {
            self.keep_value(&ReturnValue { content_type: ContentType::Bytes, payload });
        }
        let mut out = Output::default();
        execution.retake(&mut out);
        self.next_invocation = PAST + 1;
        let inherited = Some(Box::new(Inherited { run, at, journal }));
        self.host(Machinery::Code(Code::resumed(execution, function, PAST, inherited)));
        self.follow_code(cx, out);
    }

    /// From where its workflow has its past, if from another run.
    pub fn inherited(&self) -> Option<&Inherited> {
        self.code().and_then(Code::inherited)
    }
}
