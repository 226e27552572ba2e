//! Lambda functions as the work of workflows' tasks.

use super::Lambda;
use super::app::{Invocation, Waiting, app_name, version_of};
use super::ending::Ending;
use super::failure::Failure;
use super::invoke::Target;
use super::record::{DOCUMENT, Qualified, Record};
use super::reference::Reference;
use crate::account::Account;
use crate::derived;
use bytes::Bytes;
use sluice_expression::Value;
use sluice_runtime::NodeHandle;
use sluice_runtime::api::RunView;
use sluice_runtime::callees::{CalledRun, Directory, Fault, TaskRef};

/// The run that an invocation becomes.
///
/// # Errors
/// As AWS names them, when there is no such function.
pub fn called(
    account: &Account,
    function: &str,
    payload: &Value,
    (task, waiting): (TaskRef, Waiting),
    directory: &dyn Directory,
) -> Result<CalledRun, Fault> {
    let reference = Reference::parse(function)
        .map_err(|failure| Fault::new("Lambda.ValidationException", failure.message))?;
    let missing = || {
        let message = reference.not_found(account).message;
        Fault::new(
            "Lambda.ResourceNotFoundException",
            format!("{message} (Service: Lambda, Status Code: 404, Request ID: {})", uuid::Uuid::new_v4()),
        )
    };
    let kept = directory.document(&app_name(&reference.name, Qualified::Latest), DOCUMENT);
    let record = kept.and_then(|bytes| Record::from_bytes(&bytes).ok()).unwrap_or_default();
    let target = Target::of(record, &reference, account).map_err(|_| missing())?;
    let invocation = Invocation {
        app: target.app(),
        request_id: derived::uuid(task).to_string(),
        arn: target.arn,
        event: Bytes::from(payload.to_json()),
        client_context: None,
        waiting,
    };
    let start = invocation.start();
    Ok(CalledRun { app: start.app, id: start.id, objects: start.objects, ..CalledRun::default() })
}

/// Invokes a function and waits for what it returns.
///
/// # Errors
/// As AWS names them.
pub async fn perform(
    node: &NodeHandle,
    account: &Account,
    function: &str,
    payload: &Value,
) -> Result<Value, Fault> {
    let lambda = Lambda::new(node.clone(), account.clone());
    let returned = lambda.returned(function, Bytes::from(payload.to_json())).await;
    let named = |failure: Failure| Fault::new(format!("Lambda.{}", failure.kind.name()), failure.message);
    match returned.map_err(named)? {
        Ending::Returned(payload) => parsed(&payload),
        Ending::Failed(error) => Err(Fault::new(error.r#type, error.payload.to_string())),
    }
}

/// What the end of such a run means for the task.
pub fn answer(run: &RunView, directory: &dyn Directory) -> Result<Value, Fault> {
    let timeout_s = timeout_s(&run.app, directory).unwrap_or_default();
    match Ending::of(run, timeout_s) {
        Some(Ending::Returned(payload)) => parsed(&payload),
        Some(Ending::Failed(error)) => Err(Fault::new(error.r#type, error.payload.to_string())),
        None => Err(Fault::new("Lambda.Unknown", "the invocation has not ended")),
    }
}

fn parsed(payload: &[u8]) -> Result<Value, Fault> {
    Value::parse(payload).map_err(|error| {
        Fault::new("Lambda.Unknown", format!("the function returned what is not JSON: {error}"))
    })
}

/// The timeout of the version that an app is.
fn timeout_s(app: &str, directory: &dyn Directory) -> Option<u64> {
    let (name, version) = version_of(app)?;
    let kept = directory.document(&app_name(name, Qualified::Latest), DOCUMENT)?;
    let function = Record::from_bytes(&kept).ok()?.function?;
    Some(function.configuration(version)?.timeout_s)
}
