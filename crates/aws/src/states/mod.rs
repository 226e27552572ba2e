//! AWS Step Functions, as its JSON protocol is spoken: `X-Amz-Target: AWSStepFunctions.ACTION`.
//!
//! Source: the AWS Step Functions API reference. State machines are apps with one workflow; what the API keeps beside
//! their definitions is in documents of those apps.

mod activities;
mod aliases;
pub mod arn;
pub mod callees;
mod children;
mod configuration;
mod constraint;
mod executions;
mod fault;
mod history;
mod machines;
mod map_runs;
mod model;
mod page;
mod record;
mod resources;
mod route;
mod tags;
mod test_state;
mod versions;

pub use callees::AwsCallees;
pub use fault::Fault;
pub use route::{is_states, router};

use crate::account::Account;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sluice_runtime::NodeHandle;

/// The service's name in the header `X-Amz-Target`.
pub const SERVICE: &str = "AWSStepFunctions";

/// One request.
pub struct Call<'a> {
    /// The door to the engine.
    pub node: &'a NodeHandle,
    /// Region and account that answers name.
    pub account: &'a Account,
    /// For example `StartExecution`.
    pub action: &'a str,
    parameters: Value,
}

impl<'a> Call<'a> {
    /// A request as it came.
    ///
    /// # Errors
    /// The body is not the parameters of the action.
    pub fn new(
        node: &'a NodeHandle,
        account: &'a Account,
        action: &'a str,
        body: &[u8],
    ) -> Result<Self, Fault> {
        let body = if body.is_empty() { b"{}" } else { body };
        let mut parameters: Map<String, Value> = serde_json::from_slice(body).map_err(unreadable)?;
        // A parameter that is null is one that was not given.
        parameters.retain(|_, value| !value.is_null());
        constraint::check(action, &parameters)?;
        Ok(Self { node, account, action, parameters: Value::Object(parameters) })
    }

    /// The parameters.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(&self.parameters).map_err(unreadable)
    }

    /// Does what is asked.
    pub async fn answer(&self) -> Result<Value, Fault> {
        match self.action {
            "CreateStateMachine" => machines::create(self).await,
            "UpdateStateMachine" => machines::update(self).await,
            "DescribeStateMachine" => machines::describe(self).await,
            "DeleteStateMachine" => machines::delete(self).await,
            "ListStateMachines" => machines::list(self).await,
            "ValidateStateMachineDefinition" => machines::validate(self).await,
            "PublishStateMachineVersion" => versions::publish(self).await,
            "DeleteStateMachineVersion" => versions::delete(self).await,
            "ListStateMachineVersions" => versions::list(self).await,
            "CreateStateMachineAlias" => aliases::create(self).await,
            "UpdateStateMachineAlias" => aliases::update(self).await,
            "DescribeStateMachineAlias" => aliases::describe(self).await,
            "DeleteStateMachineAlias" => aliases::delete(self).await,
            "ListStateMachineAliases" => aliases::list(self).await,
            "StartExecution" => executions::start(self).await,
            "StartSyncExecution" => executions::start_sync(self).await,
            "StopExecution" => executions::stop(self).await,
            "RedriveExecution" => executions::redrive(self).await,
            "DescribeExecution" => executions::describe(self).await,
            "ListExecutions" => executions::list(self).await,
            "DescribeStateMachineForExecution" => executions::describe_machine(self).await,
            "GetExecutionHistory" => history::get(self).await,
            "DescribeMapRun" => map_runs::describe(self).await,
            "ListMapRuns" => map_runs::list(self).await,
            "UpdateMapRun" => map_runs::update(self).await,
            "TestState" => Box::pin(test_state::test(self)).await,
            "CreateActivity" => activities::create(self).await,
            "DescribeActivity" => activities::describe(self).await,
            "DeleteActivity" => activities::delete(self).await,
            "ListActivities" => activities::list(self).await,
            "GetActivityTask" => activities::task(self).await,
            "SendTaskSuccess" | "SendTaskFailure" | "SendTaskHeartbeat" => activities::report(self).await,
            "TagResource" | "UntagResource" | "ListTagsForResource" => tags::change(self).await,
            other => Err(Fault::new("UnknownOperationException", format!("there is no action {other}"))),
        }
    }
}

fn unreadable(error: serde_json::Error) -> Fault {
    Fault::new("SerializationException", format!("the request cannot be read: {error}"))
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

/// A time as this protocol has it: seconds, with milliseconds as a fraction.
fn seconds(at_ms: u64) -> f64 {
    at_ms as f64 / 1000.0
}
