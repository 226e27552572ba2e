//! The work that the resource of a task and its arguments make up.

use super::failure::Failure;
use super::resource::{Resource, Target};
use super::{Wait, Work};
use sluice_expression::Value;
use std::sync::Arc;

/// Arguments of `lambda:invoke`.
const LAMBDA_FIELDS: [&str; 6] =
    ["ClientContext", "FunctionName", "InvocationType", "LogType", "Payload", "Qualifier"];

impl Resource<'_> {
    /// The work to be done with these arguments.
    pub(super) fn work(&self, arguments: &Value) -> Result<Work, Failure> {
        Ok(match self.target {
            Target::Function(name) => Work::Function { name: name.into(), input: arguments.clone() },
            Target::Lambda(arn) => Work::Lambda {
                function: arn.into(),
                payload: arguments.clone(),
                integration: false,
                asynchronous: false,
            },
            Target::Activity(arn) => Work::Activity { arn: arn.into(), input: arguments.clone() },
            Target::Integration { service: "lambda", action: "invoke", .. } => lambda(arguments)?,
            Target::Integration { service: "sluice", action: "invoke", .. } => {
                let name = required(arguments, "FunctionName")?;
                Work::Function { name, input: field_or_empty(arguments, "Payload") }
            }
            Target::Integration { service: "states", action: "startExecution", .. } => {
                Work::StartExecution { arguments: arguments.clone(), wait: self.wait }
            }
            Target::Integration { service, action, .. } => Work::Service {
                service: service.into(),
                action: action.into(),
                arguments: arguments.clone(),
                wait: self.wait,
            },
        })
    }
}

fn lambda(arguments: &Value) -> Result<Work, Failure> {
    let name = required(arguments, "FunctionName")?;
    let mut fields = arguments.as_object().into_iter().flat_map(|fields| fields.keys());
    if let Some(field) = fields.find(|field| !LAMBDA_FIELDS.contains(&&***field)) {
        return Err(unusable(
            arguments,
            &format!("The field \"{field}\" is not supported by Step Functions"),
        ));
    }
    let function = match arguments.get("Qualifier").and_then(Value::as_str) {
        Some(qualifier) => format!("{name}:{qualifier}").into(),
        None => name,
    };
    let asynchronous = arguments.get("InvocationType").and_then(Value::as_str) == Some("Event");
    let payload = field_or_empty(arguments, "Payload");
    Ok(Work::Lambda { function, payload, integration: true, asynchronous })
}

fn field_or_empty(arguments: &Value, name: &str) -> Value {
    arguments.get(name).cloned().unwrap_or_else(|| Value::object(Default::default()))
}

fn required(arguments: &Value, name: &str) -> Result<Arc<str>, Failure> {
    match arguments.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        given => {
            let why = match given {
                None => format!("The field '{name}' is required but was missing"),
                Some(_) => format!("The value for the field '{name}' must be a STRING"),
            };
            Err(unusable(arguments, &why))
        }
    }
}

fn unusable(arguments: &Value, why: &str) -> Failure {
    Failure::runtime(format!("The Parameters '{arguments}' could not be used to start the Task: [{why}]"))
}

impl Wait {
    /// Whether the task ends with the job it starts.
    pub fn is_sync(self) -> bool {
        self != Self::None
    }
}
