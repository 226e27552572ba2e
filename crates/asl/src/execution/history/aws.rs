//! History events in the shape of `GetExecutionHistory`.

use super::{ExecutionStep, HistoryEvent, HistoryKind, JoinStep, MapRunStep, Performer, StateType, TaskStep};
use sluice_expression::{Map, Value};
use std::sync::Arc;

impl HistoryEvent {
    /// The event as `GetExecutionHistory` gives it; payloads are strings of JSON, times seconds since 1970.
    pub fn to_aws(&self) -> Value {
        let mut event = Map::default();
        let kind = self.kind.name();
        event.insert("timestamp".into(), Value::Float(self.at_ms as f64 / 1000.0));
        event.insert("type".into(), Value::string(kind.as_str()));
        event.insert("id".into(), Value::Int(self.id as i64));
        event.insert("previousEventId".into(), Value::Int(self.previous as i64));
        if let Some(details) = self.kind.details() {
            event.insert(self.kind.details_name(&kind).into(), Value::object(details.0));
        }
        Value::object(event)
    }
}

impl StateType {
    /// The `Type` of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }
}

impl JoinStep {
    fn name(self) -> &'static str {
        match self {
            Self::Started { .. } => "Started",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }
}

impl HistoryKind {
    /// The `type` of the event: `TaskStateEntered`, `LambdaFunctionFailed`, …
    pub fn name(&self) -> String {
        match self {
            Self::Execution(step) => format!("Execution{}", step.name()),
            Self::StateEntered { kind, .. } => format!("{}StateEntered", kind.name()),
            Self::StateExited { kind, .. } => format!("{}StateExited", kind.name()),
            Self::StateAborted { kind } => format!("{}StateAborted", kind.name()),
            Self::Task { performer, step } => format!("{}{}", performer.prefix(), step.name(performer)),
            Self::Children { kind, step } => format!("{}State{}", kind.name(), step.name()),
            Self::Iteration { step, .. } => format!("MapIteration{}", step.name()),
            Self::MapRun(step) => format!("MapRun{}", step.name()),
            Self::EvaluationFailed { .. } => "EvaluationFailed".to_owned(),
        }
    }

    fn details_name(&self, kind: &str) -> String {
        match self {
            Self::StateEntered { .. } => "stateEnteredEventDetails".to_owned(),
            Self::StateExited { .. } => "stateExitedEventDetails".to_owned(),
            _ => format!("{}{}EventDetails", kind[..1].to_ascii_lowercase(), &kind[1..]),
        }
    }

    fn details(&self) -> Option<Details> {
        let details = Details(Map::default());
        match self {
            Self::Execution(step) => Some(step.details()),
            Self::StateEntered { name, input, .. } => Some(details.text("name", name).json("input", input)),
            Self::StateExited { name, output, assigned, .. } => {
                Some(details.text("name", name).json("output", output).assigned(assigned.as_ref()))
            }
            Self::Task { performer, step } => step.details(performer),
            Self::Children { step: JoinStep::Started { length: Some(length) }, .. } => {
                Some(details.number("length", Some(*length)))
            }
            Self::StateAborted { .. } | Self::Children { .. } => None,
            Self::Iteration { name, index, .. } => {
                Some(details.text("name", name).number("index", Some(*index)))
            }
            Self::MapRun(step) => step.details(),
            Self::EvaluationFailed { state, location, error, cause } => Some(
                details
                    .maybe("error", Some(error))
                    .maybe("cause", Some(cause))
                    .maybe("location", location.as_ref())
                    .text("state", state),
            ),
        }
    }
}

impl ExecutionStep {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "Started",
            Self::Succeeded { .. } => "Succeeded",
            Self::Failed { .. } => "Failed",
            Self::TimedOut { .. } => "TimedOut",
            Self::Aborted { .. } => "Aborted",
            Self::Redriven { .. } => "Redriven",
        }
    }

    fn details(&self) -> Details {
        let details = Details(Map::default());
        match self {
            Self::Started { input, role } => details.json("input", input).text("roleArn", role),
            Self::Succeeded { output } => details.json("output", output),
            Self::Failed { error, cause }
            | Self::TimedOut { error, cause }
            | Self::Aborted { error, cause } => details.error(error, cause),
            Self::Redriven { count } => details.number("redriveCount", Some(u64::from(*count))),
        }
    }
}

impl Performer {
    fn prefix(&self) -> &'static str {
        match self {
            Self::Integration { .. } => "Task",
            Self::Function { .. } => "LambdaFunction",
            Self::Activity { .. } => "Activity",
        }
    }
}

impl TaskStep {
    fn name(&self, performer: &Performer) -> &'static str {
        match self {
            Self::Scheduled { .. } => "Scheduled",
            Self::Started { .. } => "Started",
            Self::Submitted { .. } => "Submitted",
            Self::SubmitFailed { .. } => match performer {
                Performer::Integration { .. } => "SubmitFailed",
                Performer::Function { .. } | Performer::Activity { .. } => "ScheduleFailed",
            },
            Self::Succeeded { .. } => "Succeeded",
            Self::Failed { .. } => "Failed",
            Self::TimedOut { .. } => "TimedOut",
        }
    }

    fn details(&self, performer: &Performer) -> Option<Details> {
        let details = match performer {
            Performer::Integration { kind, action } => {
                Details(Map::default()).text("resourceType", kind).text("resource", action)
            }
            Performer::Function { .. } if matches!(self, Self::Started { .. }) => return None,
            Performer::Function { .. } | Performer::Activity { .. } => Details(Map::default()),
        };
        Some(match self {
            Self::Scheduled { arguments, region, timeout_seconds, heartbeat_seconds, role } => {
                let details = match performer {
                    Performer::Integration { .. } => {
                        details.text("region", region).plain_json("parameters", arguments)
                    }
                    Performer::Function { resource } | Performer::Activity { arn: resource } => {
                        details.text("resource", resource).json("input", arguments)
                    }
                };
                details
                    .number("timeoutInSeconds", *timeout_seconds)
                    .number("heartbeatInSeconds", *heartbeat_seconds)
                    .role(role.as_ref())
            }
            Self::Started { worker } => details.maybe("workerName", worker.as_ref()),
            Self::Submitted { output } | Self::Succeeded { output } => details.json("output", output),
            Self::SubmitFailed { error, cause }
            | Self::Failed { error, cause }
            | Self::TimedOut { error, cause } => details.error(error, cause),
        })
    }
}

impl MapRunStep {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "Started",
            Self::Redriven { .. } => "Redriven",
            Self::Succeeded => "Succeeded",
            Self::Failed { .. } => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    fn details(&self) -> Option<Details> {
        let details = Details(Map::default());
        match self {
            Self::Started { arn } => Some(details.text("mapRunArn", arn)),
            Self::Redriven { arn, count } => {
                Some(details.text("mapRunArn", arn).number("redriveCount", Some(u64::from(*count))))
            }
            Self::Failed { error, cause } => Some(details.error(error, cause)),
            Self::Succeeded | Self::Aborted => None,
        }
    }
}

/// The details of an event, while they are put together.
struct Details(Map);

impl Details {
    fn text(mut self, name: &str, text: &Arc<str>) -> Self {
        self.0.insert(name.into(), Value::String(text.clone()));
        self
    }

    fn maybe(self, name: &str, text: Option<&Arc<str>>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    fn error(self, error: &Option<Arc<str>>, cause: &Option<Arc<str>>) -> Self {
        self.maybe("error", error.as_ref()).maybe("cause", cause.as_ref())
    }

    fn number(mut self, name: &str, number: Option<u64>) -> Self {
        if let Some(number) = number {
            self.0.insert(name.into(), Value::Int(number as i64));
        }
        self
    }

    fn plain_json(mut self, name: &str, value: &Value) -> Self {
        self.0.insert(name.into(), Value::string(value.to_json()));
        self
    }

    fn json(self, name: &str, value: &Value) -> Self {
        self.plain_json(name, value).untruncated(&format!("{name}Details"))
    }

    fn untruncated(mut self, name: &str) -> Self {
        self.0.insert(name.into(), Value::fields([("truncated", Value::Bool(false))]));
        self
    }

    fn assigned(mut self, assigned: Option<&Value>) -> Self {
        let Some(fields) = assigned.and_then(Value::as_object) else { return self };
        let fields = fields.iter().map(|(name, value)| (name.clone(), Value::string(value.to_json())));
        self.0.insert("assignedVariables".into(), Value::fields(fields));
        self.untruncated("assignedVariablesDetails")
    }

    fn role(mut self, role: Option<&Arc<str>>) -> Self {
        if let Some(role) = role {
            let credentials = Value::fields([("roleArn", Value::String(role.clone()))]);
            self.0.insert("taskCredentials".into(), credentials);
        }
        self
    }
}
