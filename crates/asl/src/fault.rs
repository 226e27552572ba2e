//! What goes wrong while a state runs.

use std::sync::Arc;

/// An error of a state, as `Retry` and `Catch` see it.
///
/// The cause lacks the words "An error occurred while executing the state …", which only the execution can put
/// together: it knows the event at which the state was entered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct Fault {
    /// Name of the error.
    pub error: Arc<str>,
    /// What happened, as AWS words it.
    pub cause: String,
}

impl Fault {
    /// An error of that name.
    pub fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }

    /// `States.Runtime`: a path or an input that cannot be worked with.
    pub fn runtime(cause: impl Into<String>) -> Self {
        Self::new("States.Runtime", cause)
    }

    /// `States.QueryEvaluationError`: a JSONata expression failed or gave the wrong type.
    pub fn query(cause: impl Into<String>) -> Self {
        Self::new("States.QueryEvaluationError", cause)
    }

    /// `States.IntrinsicFailure`: an intrinsic function failed.
    pub fn intrinsic(cause: impl Into<String>) -> Self {
        Self::new("States.IntrinsicFailure", cause)
    }
}
