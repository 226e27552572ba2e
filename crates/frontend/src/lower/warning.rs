//! What is allowed, but probably not meant.

use super::workflow::doubts;
use crate::definition::Definition;
use crate::diagnostic::Diagnostic;
use crate::graph::{for_each_part, waited_for};
use crate::states::{Called, called, each_state};
use sluice_asl::Machine;
use sluice_types::{Action, Code, FunctionIx, Program, Steps};
use std::collections::BTreeSet;

/// What is doubtful about a definition and the program it was lowered to: functions that nothing starts, joins that wait
/// for them, and what the checks of state machines warn of.
pub fn warnings(definition: &Definition, program: &Program) -> Vec<Diagnostic> {
    let mut findings = doubts(definition);
    let started = Started::by(program);
    for (i, function) in program.functions.iter().enumerate() {
        if !started.includes(FunctionIx(i as u16)) {
            let message = format!("nothing starts `{}`", function.name);
            let finding =
                Diagnostic::warning(Code::APP_INVALID, format!("functions.{}", function.name), message);
            findings
                .push(finding.fix("give it a condition with `on`, or a trigger or workflow that invokes it"));
        }
    }
    for trigger in &program.triggers {
        for_each_part(&trigger.condition, &mut |part| {
            let Some(of) = waited_for(part).filter(|of| !started.includes(*of)) else { return };
            let (name, of) = (&trigger.name, &program.functions[of.index()].name);
            let message =
                format!("`{name}` waits for `{of}`, which nothing starts: it will get an empty list");
            findings.push(Diagnostic::warning(Code::APP_INVALID, format!("functions.{name}.on"), message));
        });
    }
    findings.into_iter().map(|finding| finding.located(&definition.places)).collect()
}

/// The functions that something starts.
struct Started {
    functions: BTreeSet<FunctionIx>,
    /// A workflow computes which function it calls.
    maybe_any: bool,
}

impl Started {
    fn by(program: &Program) -> Self {
        let actions = program.triggers.iter().flat_map(|trigger| &trigger.actions);
        let invoked = actions.filter_map(|action| match action {
            Action::Invoke(function) => Some(*function),
            Action::Emit { .. } => None,
        });
        let mut started = Self { functions: invoked.collect(), maybe_any: false };
        for workflow in &program.workflows {
            match &workflow.steps {
                Steps::States { definition, .. } => started.by_states(program, definition),
                // What code calls is known when it runs.
                Steps::Code { .. } => started.maybe_any = true,
                Steps::Dag(dag) => started.functions.extend(dag.tasks.iter().map(|task| task.function)),
            }
        }
        started
    }

    fn by_states(&mut self, program: &Program, definition: &str) {
        let Ok((machine, _)) = Machine::parse(definition) else { return };
        each_state(&machine.body, &mut |state| {
            let Some(Called { is_lambda: false, name, .. }) = called(state) else { return };
            self.functions.extend(name.and_then(|name| program.function(name)));
            self.maybe_any |= name.is_none();
        });
    }

    fn includes(&self, function: FunctionIx) -> bool {
        self.maybe_any || self.functions.contains(&function)
    }
}
