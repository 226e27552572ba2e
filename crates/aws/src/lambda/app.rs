//! A version of a function as an app, and an invocation as a run of it.
//!
//! `$LATEST` of function `f` is the app `lambda:f`, its version 3 the app `lambda:f:3`; names of users' apps hold no
//! colon. A synchronous invocation puts its event into bucket `calls`, an asynchronous one into `events`: the same code
//! is called for both, for events with AWS's retries. Key of the event, and of the result among the outputs, is the ARN
//! that was invoked.

use super::limits::{ASYNC_ATTEMPTS, ASYNC_RETRY_MS};
use super::record::{Configuration, Qualified};
use crate::account::Account;
use bytes::Bytes;
use serde_json::value::RawValue;
use sluice_runtime::api::{NewObject, StartRequest};
use sluice_types::program::{Action, Condition, Scope, Source, Trigger};
use sluice_types::{
    Bucket, BucketIx, ContentType, Durability, Function, FunctionIx, Program, Resources, RetryPolicy, Runtime,
};
use std::collections::BTreeMap;

/// Bucket of the events of synchronous invocations.
const CALLS: &str = "calls";
/// Bucket of the events of asynchronous invocations.
const EVENTS: &str = "events";
/// Bucket of the app `lambda:f` that holds the zips, by their SHA-256.
pub const CODE: &str = "code";
/// Content type of an event that comes with a client context.
const WITH_CONTEXT: &str = "application/vnd.aws.lambda.invocation+json";

/// What may stand before the name of a function that is an app.
const PREFIX: &str = "lambda:";

/// Name of the app that a version of a function is.
pub fn app_name(function: &str, version: Qualified) -> String {
    match version {
        Qualified::Latest => format!("{PREFIX}{function}"),
        Qualified::Version(version) => format!("{PREFIX}{function}:{version}"),
    }
}

/// The function and version that an app is; the reverse of [`app_name`].
pub fn version_of(app: &str) -> Option<(&str, Qualified)> {
    let rest = app.strip_prefix(PREFIX)?;
    match rest.split_once(':') {
        None => Some((rest, Qualified::Latest)),
        Some((function, version)) => Some((function, Qualified::Version(version.parse().ok()?))),
    }
}

/// Whether a runtime brings its own program; `None` if it is not supported.
pub fn is_provided(runtime: &str) -> Option<bool> {
    match runtime {
        "provided" | "provided.al2" | "provided.al2023" => Some(true),
        _ => {
            let minor = runtime.strip_prefix("python3.")?;
            (!minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())).then_some(false)
        }
    }
}

/// How an invocation waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Somebody waits: one try.
    Caller,
    /// Nobody does: an error is tried again, after one minute and after two.
    Nobody,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The app that is executed ([`app_name`]).
    pub app: String,
    /// Id of the run; a UUID, since functions see it as their request id.
    pub request_id: String,
    /// The ARN that was invoked.
    pub arn: String,
    /// The event, in JSON.
    pub event: Bytes,
    /// What the caller says about itself, in JSON.
    pub client_context: Option<Box<RawValue>>,
    /// How it waits for the end.
    pub waiting: Waiting,
}

impl Invocation {
    /// The start of its run.
    pub fn start(self) -> StartRequest {
        let (app, id) = (self.app.clone(), Some(self.request_id.clone()));
        StartRequest { app, id, objects: vec![self.object()], seal: true, ..StartRequest::default() }
    }

    /// The object that its run starts with.
    pub fn object(self) -> NewObject {
        let bucket = if self.waiting == Waiting::Caller { CALLS } else { EVENTS };
        let (content_type, bytes) = match self.client_context {
            None => (ContentType::Json, self.event),
            Some(context) => {
                let mut bytes = format!(r#"{{"client_context":{context},"event":"#).into_bytes();
                bytes.extend_from_slice(&self.event);
                bytes.push(b'}');
                (ContentType::Other(WITH_CONTEXT.into()), bytes.into())
            }
        };
        NewObject { bucket: bucket.to_owned(), key: self.arn, content_type, bytes }
    }
}

/// What a version of a function was lowered to.
pub fn program(
    account: &Account,
    function: &str,
    version: Qualified,
    configuration: &Configuration,
) -> Program {
    let bucket = |name: &str| Bucket { name: name.into(), keep: false };
    let code = Function {
        timeout_ms: configuration.timeout_s * 1000,
        resources: Resources { memory_bytes: configuration.memory_mib << 20, ..Resources::default() },
        env: environment(account, function, configuration),
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
        ..Function::new("call", runtime(configuration))
    };
    let retry = RetryPolicy {
        attempts: ASYNC_ATTEMPTS,
        initial_ms: ASYNC_RETRY_MS,
        backoff_permille: 2000,
        max_ms: 2 * ASYNC_RETRY_MS,
        jitter: false,
    };
    let event = Function { name: "event".into(), retry, ..code.clone() };
    Program {
        app: app_name(function, version).into(),
        durability: Durability::Express,
        buckets: ["input", "output", CALLS, EVENTS, CODE].map(bucket).into(),
        functions: vec![code, event],
        triggers: vec![each("call", BucketIx(2), FunctionIx(0)), each("event", BucketIx(3), FunctionIx(1))],
        workflows: Vec::new(),
    }
}

fn runtime(configuration: &Configuration) -> Runtime {
    let provided = is_provided(&configuration.runtime).unwrap_or(false);
    Runtime::Lambda { handler: configuration.handler.clone(), provided }
}

fn each(name: &str, bucket: BucketIx, function: FunctionIx) -> Trigger {
    Trigger {
        name: name.into(),
        scope: Scope::Run,
        condition: Condition::Each(Source { bucket, when: None }),
        actions: vec![Action::Invoke(function)],
        optional: false,
    }
}

/// Variables that AWS sets, and that a function cannot be configured with.
pub const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

fn environment(account: &Account, function: &str, configuration: &Configuration) -> BTreeMap<String, String> {
    let Configuration { version, runtime, handler, memory_mib, .. } = configuration;
    let mut variables = BTreeMap::from([("TZ".to_owned(), ":UTC".to_owned())]);
    variables.extend(configuration.environment.clone());
    let set = [
        ("_HANDLER", handler.clone()),
        ("AWS_DEFAULT_REGION", account.region.to_string()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{runtime}")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mib.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.clone()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group(function)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("[{version}]{}", configuration.revision)),
        ("AWS_REGION", account.region.to_string()),
    ];
    variables.extend(set.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// Where AWS would keep the function's log.
pub fn log_group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}
