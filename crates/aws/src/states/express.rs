//! What express state machines do not support, as AWS refuses it.

use super::arn::Resource;
use sluice_asl::diagnostic::code;
use sluice_asl::machine::{Block, Kind, State};
use sluice_asl::{Diagnostic, Machine, Severity};

/// Findings for each task that an express state machine cannot have.
pub fn refused(machine: &Machine) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    block(&machine.body, "", &mut found);
    found
}

fn block(block: &Block, at: &str, found: &mut Vec<Diagnostic>) {
    block.states.iter().for_each(|of| state(of, &format!("{at}/States/{}", of.name), found));
}

fn state(state: &State, at: &str, found: &mut Vec<Diagnostic>) {
    match &state.kind {
        Kind::Task(task) => {
            if let Some(what) = unsupported(&task.resource) {
                found.push(Diagnostic {
                    severity: Severity::Error,
                    code: code::SCHEMA_VALIDATION_FAILED,
                    message: format!("Express state machine does not support {what}"),
                    location: Some(format!("{at}/Resource")),
                    line: 1,
                    column: 1,
                });
            }
        }
        Kind::Parallel { branches } => {
            for (index, branch) in branches.iter().enumerate() {
                block(branch, &format!("{at}/Branches[{index}]"), found);
            }
        }
        Kind::Map(map) => block(&map.processor, &format!("{at}/ItemProcessor"), found),
        _ => (),
    }
}

fn unsupported(resource: &str) -> Option<&'static str> {
    match Resource::parse(resource) {
        Some(Resource::Activity(_)) => Some("Activity ARN"),
        // The second space is AWS's.
        _ if resource.ends_with(".waitForTaskToken") => Some("'.waitForTaskToken' service integration "),
        _ if resource.ends_with(".sync") || resource.ends_with(".sync:2") => {
            Some("'.sync' service integration")
        }
        _ => None,
    }
}
