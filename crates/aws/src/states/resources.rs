//! Resources that tasks cannot name, as AWS refuses them when a state machine is created.

use sluice_asl::diagnostic::code;
use sluice_asl::machine::{Block, Kind, State};
use sluice_asl::{Diagnostic, Machine, Severity};

/// Services with integrations of their own, as AWS's guide lists them, and this project's.
const SERVICES: &[&str] = &[
    "apigateway",
    "athena",
    "batch",
    "bedrock",
    "codebuild",
    "databrew",
    "dynamodb",
    "ecs",
    "eks",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "events",
    "glue",
    "http",
    "lambda",
    "mediaconvert",
    "sagemaker",
    "sluice",
    "sns",
    "sqs",
    "states",
];

/// Findings for each task whose resource is none.
pub fn unknown(machine: &Machine) -> Vec<Diagnostic> {
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
            let refused = refusal(&task.resource).map(|message| Diagnostic {
                severity: Severity::Error,
                code: code::SCHEMA_VALIDATION_FAILED,
                message,
                location: Some(format!("{at}/Resource")),
                line: 1,
                column: 1,
            });
            found.extend(refused);
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

/// Why a resource is none, in AWS's words.
fn refusal(resource: &str) -> Option<String> {
    let parts: Vec<&str> = resource.split(':').collect();
    let known = match &*parts {
        // An integration names neither region nor account.
        ["arn", _, "states", "", "", "aws-sdk", _service, _action, ..] => true,
        ["arn", _, "states", "", "", service, _action, ..] => SERVICES.contains(service),
        ["arn", _, "states", "", "", ..] => false,
        ["arn", _partition, _service, _region, _account, _resource, ..] => true,
        _ => return Some("Value is not a valid resource ARN".to_owned()),
    };
    (!known).then(|| {
        format!(
            "The resource provided {resource} is not recognized. The value is not a valid resource ARN, or the \
             resource is not available in this region."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_those_of_aws() {
        for known in [
            "arn:aws:lambda:us-east-1:123456789012:function:f:prod",
            "arn:aws:states:us-east-1:123456789012:activity:a",
            "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:::aws-sdk:sfn:describeExecution",
            "arn:aws-cn:states:::sluice:readFile",
        ] {
            assert_eq!(refusal(known), None, "{known}");
        }
        for wrong in ["hello", "arn:aws:lambda", "action:http"] {
            assert_eq!(refusal(wrong).as_deref(), Some("Value is not a valid resource ARN"), "{wrong}");
        }
        for unknown in ["arn:aws:states:::foo:bar", "arn:aws:states:::aws-sdk:sfn", "arn:aws:states:::lambda"]
        {
            assert!(refusal(unknown).is_some_and(|why| why.contains("is not recognized")), "{unknown}");
        }
    }
}
