//! What makes a state fail, and which retriers and catchers it reaches.

use super::Execution;
use super::frames::Frame;
use super::history::HistoryKind;
use super::turn::Turn;
use crate::Fault;
use crate::machine::State;
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// `States.Runtime`.
pub(super) const RUNTIME: &str = "States.Runtime";
/// `States.DataLimitExceeded`.
pub(super) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
/// `States.QueryEvaluationError`.
pub(super) const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
/// `States.Timeout`.
pub(super) const TIMEOUT: &str = "States.Timeout";

/// Why a state failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Name of the error; a `Fail` state may do without.
    pub error: Option<Arc<str>>,
    /// What happened.
    pub cause: Option<Arc<str>>,
    pub reach: Reach,
    pub origin: Origin,
}

/// Which names of retriers and catchers match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reach {
    /// Its own and the wildcards.
    Wide,
    /// Its own only.
    Named,
    /// None: the execution fails.
    Nowhere,
}

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// The state could not be evaluated; the field, where it is known.
    Evaluation(Option<Arc<str>>),
    /// Work failed, or a `Fail` state was reached.
    Work,
    /// No heartbeat came in time.
    Heartbeat,
    /// A branch or iteration failed.
    Children,
}

impl Failure {
    /// An error of work.
    pub fn work(error: Option<Arc<str>>, cause: Option<Arc<str>>) -> Self {
        Self { error, cause, reach: Reach::Wide, origin: Origin::Work }
    }

    /// `States.Runtime`.
    pub fn runtime(cause: impl Into<String>) -> Self {
        Fault::runtime(cause).into()
    }

    /// A JSONata field that gave what it must not give.
    pub fn query(location: &str, cause: String) -> Self {
        Self { origin: Origin::Evaluation(Some(location.into())), ..Fault::query(cause).into() }
    }

    /// The same error, as that of the state whose child failed.
    pub fn of_child(self) -> Self {
        Self { origin: Origin::Children, ..self }
    }

    /// What a catcher sees; what is not given is empty.
    pub fn output(&self) -> Value {
        let text = |text: &Option<Arc<str>>| Value::String(text.clone().unwrap_or_default());
        Value::fields([("Error", text(&self.error)), ("Cause", text(&self.cause))])
    }

    /// Whether one of the names of a retrier or catcher matches.
    pub fn matches(&self, names: &[Arc<str>]) -> bool {
        let error = self.error.as_deref();
        self.reach != Reach::Nowhere
            && names.iter().any(|name| match &**name {
                "States.ALL" => self.reach == Reach::Wide,
                "States.TaskFailed" => self.reach == Reach::Wide && error != Some(TIMEOUT),
                "States.HeartbeatTimeout" => self.origin == Origin::Heartbeat || error == Some(name),
                name => error == Some(name),
            })
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let reach = match &*fault.error {
            RUNTIME => Reach::Nowhere,
            DATA_LIMIT_EXCEEDED => Reach::Named,
            _ => Reach::Wide,
        };
        let origin = Origin::Evaluation(location(&fault.cause).map(Into::into));
        Self { error: Some(fault.error), cause: Some(fault.cause.into()), reach, origin }
    }
}

/// The field that a cause names.
fn location(cause: &str) -> Option<&str> {
    let field = cause.split_once("specified for the field '")?.1;
    Some(field.split_once('\'')?.0)
}

impl Execution {
    /// Puts the failure of an evaluation in AWS's words, with the history event of a JSONata expression.
    pub(super) fn explain(
        &mut self,
        frame: &mut Frame,
        state: &State,
        mut failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Failure {
        let Origin::Evaluation(location) = &mut failure.origin else { return failure };
        let location = location.take();
        failure.origin = Origin::Work;
        let cause: Arc<str> = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
            state.name,
            frame.trail.entered,
            failure.cause.as_deref().unwrap_or_default(),
        )
        .into();
        failure.cause = Some(cause.clone());
        if let Some(error) = failure.error.clone().filter(|error| **error == *QUERY_EVALUATION_ERROR) {
            let previous = frame.trail.of_error();
            let name = &state.name;
            frame.trail.last = self.note(frame, previous, turn, || HistoryKind::EvaluationFailed {
                state: name.clone(),
                location,
                error,
                cause,
            });
            frame.trail.entering = false;
        }
        failure
    }
}
