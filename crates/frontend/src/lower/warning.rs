//! What is allowed, but probably not meant.

use crate::diagnostic::Diagnostic;
use crate::graph::{for_each_part, waited_for};
use sluice_types::{Action, Code, FunctionIx, Program};
use std::collections::BTreeSet;

/// What is doubtful about a program: functions that nothing starts, and joins that wait for them. Give the findings
/// positions with [`Diagnostic::located`].
pub fn warnings(program: &Program) -> Vec<Diagnostic> {
    let invoked: BTreeSet<FunctionIx> = program
        .triggers
        .iter()
        .flat_map(|t| &t.actions)
        .filter_map(|action| match action {
            Action::Invoke(function) => Some(*function),
            Action::Emit { .. } => None,
        })
        .collect();
    let mut findings = Vec::new();
    for (i, function) in program.functions.iter().enumerate() {
        if !invoked.contains(&FunctionIx(i as u16)) {
            let message = format!("nothing starts `{}`", function.name);
            let finding =
                Diagnostic::warning(Code::APP_INVALID, format!("functions.{}", function.name), message);
            findings.push(finding.fix("give it a condition with `on`, or a trigger that invokes it"));
        }
    }
    for trigger in &program.triggers {
        for_each_part(&trigger.condition, &mut |part| {
            let Some(of) = waited_for(part).filter(|of| !invoked.contains(of)) else { return };
            let (name, of) = (&trigger.name, &program.functions[of.index()].name);
            let message =
                format!("`{name}` waits for `{of}`, which nothing starts: it will get an empty list");
            findings.push(Diagnostic::warning(Code::APP_INVALID, format!("functions.{name}.on"), message));
        });
    }
    findings
}
