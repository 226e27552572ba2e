//! Functions that are workflows: their attempts are runs.

use super::World;
use crate::behaviour::inline;
use sluice_asl::execution::Settings;
use sluice_engine::{Caller, InputKind, Origin, OutboxId, WorkflowStart};
use sluice_expression::Value;
use sluice_types::{
    ContentType, Failure, FailureKind, Invocation, InvocationId, Outcome, Payload, Puts, ReturnValue,
};

impl World {
    /// Starts the run that an attempt is to become, with the keys of its objects as input.
    pub(super) fn call_workflow(&mut self, from: OutboxId, caller: Caller, invocation: &Invocation) {
        let Some(run) = self.engine.run(from.run).filter(|run| run.owes(from)) else { return };
        let (app, version, program) = (run.app(), run.version(), run.program().clone());
        let name = program.functions[invocation.function.index()].workflow().expect("it is a workflow");
        let workflow = program.workflow(name).expect("the program has it");
        let keys = invocation.arguments.objects().iter().map(|object| Value::from(&*object.key));
        let input = Value::array(keys.collect()).to_json().into();
        let mut start = self.new_start(app, version, Origin::Call { from, caller });
        start.workflow =
            Some(Box::new(WorkflowStart { workflow, input, settings: settings(name, start.run.0) }));
        self.submit(InputKind::Start(Box::new(start)));
    }

    /// A run has ended that is an attempt.
    pub(super) fn give_back(&mut self, from: OutboxId, to: Caller) {
        let Some(run) = self.engine.run(from.run).filter(|run| run.owes(from)) else { return };
        let outcome = match run.error() {
            Some(problem) => Outcome::Failed(Failure {
                kind: FailureKind::Raised,
                r#type: problem.code.to_string(),
                message: problem.message.clone(),
                stack: String::new(),
            }),
            None => {
                let output = run.outputs().next().map(|output| output.payload.clone());
                let bytes = output.as_ref().and_then(inline).cloned().unwrap_or_default();
                let value = ReturnValue { content_type: ContentType::Json, payload: Payload::Inline(bytes) };
                Outcome::Succeeded { puts: Puts::new(), value: Some(value), emits: Vec::new() }
            }
        };
        let invocation = InvocationId { run: to.run, seq: to.task.0 as u32 };
        self.submit(InputKind::Returned { invocation, outcome, incarnation: to.incarnation, from });
    }
}

/// What a workflow of that name knows of itself in a run of that key.
pub(super) fn settings(name: &str, key: u64) -> Settings {
    Settings {
        id: "x".into(),
        name: "x".into(),
        role: "".into(),
        machine_id: name.into(),
        machine_name: name.into(),
        machine_qualifier: "".into(),
        start_ms: 0,
        seed: key,
        key,
        aws_limits: false,
        records_history: true,
        token_prefix: format!("{key}.").into(),
    }
}
