//! What tasks of workflows call in AWS's names: Lambda functions, activities, other state machines.

use super::Call;
use super::activities;
use super::arn::{self, Resource, machine_named};
use super::constraint;
use super::executions::{self, Target};
use super::record::{DOCUMENT, Record};
use crate::account::Account;
use crate::derived;
use crate::items::Places;
use crate::items::files::Files;
use crate::lambda::app::Waiting;
use crate::lambda::task as lambda;
use sluice_asl::execution::{TaskRequest, Wait, Work};
use sluice_expression::Value;
use sluice_runtime::NodeHandle;
use sluice_runtime::api::RunView;
use sluice_runtime::callees::{CalledRun, Callee, Callees, Directory, Fault, TaskRef, ended};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, oneshot};

/// The service of integrations with Step Functions itself.
const OWN_SDK: &str = "aws-sdk:sfn";

/// Most Maps whose items are read or results written at the same time; the others wait. It bounds the memory that takes,
/// as [`OBJECT_BYTES_MAX`](crate::s3::OBJECT_BYTES_MAX) does for one.
const MOVES_AT_ONCE_MAX: usize = 4;

const NEVER_POISONED: &str = "nothing panics while it holds this lock";

/// Finds what AWS's names stand for on this node.
pub struct AwsCallees {
    account: Account,
    places: Places,
    /// Who may read items or write results now.
    moves: Arc<Semaphore>,
    door: Mutex<Door>,
}

/// Who does errands.
enum Door {
    /// Nobody yet: these wait. They are what a node asks for again when it starts.
    Closed(Vec<(Arc<TaskRequest>, TaskRef)>),
    /// Tasks of this runtime, which report to the node.
    Open(NodeHandle, tokio::runtime::Handle),
}

/// What the answer to a task is that has called a run. The log keeps these numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The payload of a Lambda function.
    Lambda = 1,
    /// The description of an execution, its output as a string.
    Execution = 2,
    /// The description of an execution, its output as JSON.
    ExecutionJson = 3,
}

impl Form {
    fn of(number: u8) -> Self {
        let others = [Self::Lambda, Self::ExecutionJson];
        others.into_iter().find(|form| *form as u8 == number).unwrap_or(Self::Execution)
    }
}

/// The run of an execution that a task starts.
struct CalledExecution {
    run: Box<CalledRun>,
    arn: String,
}

impl AwsCallees {
    /// Callees of a place. Errands wait for [`AwsCallees::attach`].
    pub fn new(account: Account) -> Self {
        let places = Places { files: None, region: account.region.to_string() };
        let moves = Arc::new(Semaphore::new(MOVES_AT_ONCE_MAX));
        Self { account, places, moves, door: Mutex::new(Door::Closed(Vec::new())) }
    }

    /// With a folder whose files workflows may read and write.
    pub fn with_files(mut self, folder: &Path) -> Self {
        self.places.files = Some(Files::of(folder));
        self
    }

    /// The node whose tasks these are, and what runs errands. To be called once, from within a tokio runtime.
    pub fn attach(&self, node: NodeHandle) {
        let opened = Door::Open(node, tokio::runtime::Handle::current());
        let before = std::mem::replace(&mut *self.door.lock().expect(NEVER_POISONED), opened);
        if let Door::Closed(waiting) = before {
            waiting.into_iter().for_each(|(request, task)| self.perform(request, task));
        }
    }

    fn invocation(
        &self,
        function: &str,
        payload: &Value,
        asynchronous: bool,
        task: TaskRef,
        directory: &dyn Directory,
    ) -> Result<Callee, Fault> {
        let waiting = if asynchronous { Waiting::Nobody } else { Waiting::Caller };
        let called = lambda::called(&self.account, function, payload, (task, waiting), directory)?;
        let called = Box::new(CalledRun { form: Form::Lambda as u8, ..called });
        Ok(if asynchronous { Callee::Started(called, Value::Null) } else { Callee::Run(called) })
    }

    /// An execution that a task starts and, depending on the form of the task, waits for.
    fn execution(
        &self,
        arguments: &Value,
        wait: Wait,
        task: TaskRef,
        directory: &dyn Directory,
    ) -> Result<Callee, Fault> {
        let called = self.start("StepFunctions", arguments, task, directory)?;
        let started = super::now_ms() as i64;
        Ok(match wait {
            Wait::None => Callee::Started(called.run, started_at(called.arn, Value::Int(started))),
            Wait::Sync => Callee::Run(called.run),
            Wait::Sync2 => {
                Callee::Run(Box::new(CalledRun { form: Form::ExecutionJson as u8, ..*called.run }))
            }
        })
    }

    /// An execution that a task starts through the SDK: by the node itself, so that a task which asks twice starts one.
    fn sdk_execution(
        &self,
        arguments: &Value,
        task: TaskRef,
        directory: &dyn Directory,
    ) -> Result<Callee, Fault> {
        let body = renamed(arguments, &uncapitalised).to_json();
        let parameters = serde_json::from_str(&body).map_err(|error| {
            Fault::new("Sfn.SerializationException", format!("the request cannot be read: {error}"))
        })?;
        constraint::check("StartExecution", &parameters).map_err(sdk_fault)?;
        let called = self.start("Sfn", &renamed(arguments, &capitalised), task, directory)?;
        let started = Value::Float(super::seconds(super::now_ms()));
        Ok(Callee::Started(called.run, started_at(called.arn, started)))
    }

    /// The execution that a task starts. `service` stands before the names of errors.
    fn start(
        &self,
        service: &str,
        arguments: &Value,
        task: TaskRef,
        directory: &dyn Directory,
    ) -> Result<CalledExecution, Fault> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let arn = text("StateMachineArn")
            .ok_or_else(|| Fault::new("States.Runtime", "The field \"StateMachineArn\" is required"))?;
        let named = |name: &str, message: String| Fault::new(format!("{service}.{name}Exception"), message);
        let (machine, qualifier) = machine_named(arn).map_err(|error| named("InvalidArn", error.message))?;
        let kept = directory.document(&arn::app_of(&machine), DOCUMENT);
        let record: Option<Record> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let missing = || named("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"));
        let record = record.filter(|record| !record.deleted).ok_or_else(missing)?;
        let id = derived::uuid(task);
        let (app_version, asked) =
            record.target(qualifier.as_deref(), id.as_u64_pair().1).ok_or_else(missing)?;
        let name = text("Name").map_or_else(|| id.to_string(), str::to_owned);
        arn::check_name(&name).map_err(|error| named("InvalidName", error.message))?;
        let target = Target::new(&self.account, record, app_version, asked, name, id.to_string());
        let arn = target.arn.clone();
        let request = executions::start_request(&self.account, target, input_of(arguments));
        let run = CalledRun {
            app: request.app,
            version: request.version,
            id: request.id,
            objects: Vec::new(),
            workflow: request.workflow,
            form: Form::Execution as u8,
            taken: named("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'")),
        };
        Ok(CalledExecution { run: Box::new(run), arn })
    }

    fn described(&self, view: &RunView, as_json: bool) -> Result<Value, Fault> {
        let Some(workflow) = &view.workflow else {
            return Err(Fault::new("States.Runtime", "not an execution"));
        };
        let settings = &workflow.settings;
        let input = String::from_utf8_lossy(&workflow.input).into_owned();
        let included = || Value::fields([("Included", Value::Bool(true))]);
        let form = |text: String| match as_json {
            true => Value::parse(text.as_bytes()).unwrap_or(Value::Null),
            false => Value::from(text),
        };
        let mut fields = vec![
            ("ExecutionArn", Value::String(settings.id.clone())),
            ("Input", form(input)),
            ("InputDetails", included()),
            ("Name", Value::String(settings.name.clone())),
        ];
        if let Some(output) = executions::output(view) {
            fields.extend([("Output", form(output)), ("OutputDetails", included())]);
        }
        let (error, cause) = executions::error_of(view);
        error.into_iter().for_each(|error| fields.push(("Error", Value::from(error))));
        cause.into_iter().for_each(|cause| fields.push(("Cause", Value::from(cause))));
        let status = executions::status(view);
        fields.extend([
            ("StartDate", Value::Int(view.started_ms as i64)),
            ("StateMachineArn", Value::String(settings.machine_id.clone())),
            ("Status", Value::from(status)),
            ("StopDate", Value::Int(view.ended_ms.unwrap_or_default() as i64)),
        ]);
        match status {
            "SUCCEEDED" => Ok(Value::fields(fields)),
            _ => Err(Fault::new("States.TaskFailed", Value::fields(fields).to_json())),
        }
    }
}

impl Default for AwsCallees {
    fn default() -> Self {
        Self::new(Account::default())
    }
}

impl std::fmt::Debug for AwsCallees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "callees of {:?}", self.account)
    }
}

impl Callees for AwsCallees {
    fn resolve(&self, request: &TaskRequest, task: TaskRef, directory: &dyn Directory) -> Callee {
        let found = match &request.work {
            Work::Lambda { function, payload, asynchronous, .. } => {
                self.invocation(function, payload, *asynchronous, task, directory)
            }
            Work::Activity { arn, .. } => match Resource::parse(arn) {
                Some(Resource::Activity(name)) if activities::exists(directory, &name) => {
                    Ok(Callee::Activity(name.into()))
                }
                _ => Err(Fault::new("States.Runtime", format!("The activity \"{arn}\" does not exist"))),
            },
            Work::StartExecution { arguments, wait } => self.execution(arguments, *wait, task, directory),
            Work::Service { service, action, arguments, .. }
                if &**service == OWN_SDK && &**action == "startExecution" =>
            {
                self.sdk_execution(arguments, task, directory)
            }
            Work::Service { service, .. } if &**service == OWN_SDK => Ok(Callee::Errand),
            Work::Service { service, action, .. } => Err(not_available(service, action)),
            Work::Function { name, .. } | Work::Workflow { name, .. } => {
                Err(Fault::new("States.Runtime", format!("there is no function {name}")))
            }
            Work::ReadItems { .. } | Work::WriteResults { .. } => Ok(Callee::Errand),
        };
        found.unwrap_or_else(Callee::Refused)
    }

    fn answer(&self, run: &RunView, form: u8, directory: &dyn Directory) -> Result<Value, Fault> {
        match Form::of(form) {
            Form::Lambda => lambda::answer(run, directory),
            form => self.described(run, form == Form::ExecutionJson),
        }
    }

    fn perform(&self, request: Arc<TaskRequest>, task: TaskRef) {
        let (node, runtime) = match &mut *self.door.lock().expect(NEVER_POISONED) {
            Door::Closed(waiting) => return waiting.push((request, task)),
            Door::Open(node, runtime) => (node.clone(), runtime.clone()),
        };
        let (account, places, moves) = (self.account.clone(), self.places.clone(), self.moves.clone());
        runtime.spawn(async move {
            let done = match &request.work {
                Work::ReadItems { .. } | Work::WriteResults { .. } => {
                    let _turn = moves.acquire_owned().await;
                    move_items(places, request.clone()).await
                }
                _ => errand(&node, &account, &request).await,
            };
            // The node asks for the errand again if this does not arrive.
            drop(node.report(task, ended(task.task, done)).await);
        });
    }
}

/// Reads the items or writes the results of a Map, on a thread of its own: nobody waits for it when the server stops, and
/// the next one does it again.
async fn move_items(places: Places, request: Arc<TaskRequest>) -> Result<Value, Fault> {
    let name = match request.work {
        Work::ReadItems { .. } => "States.ItemReaderFailed",
        _ => "States.ResultWriterFailed",
    };
    let (done, answer) = oneshot::channel();
    let work = move || {
        let moved = places.perform(&request.work).unwrap_or(Ok(Value::Null));
        // Nobody listens any more when the server stops.
        let _ = done.send(moved.map_err(|error| Fault::new(name, error.to_string())));
    };
    match std::thread::Builder::new().name("items".into()).spawn(work) {
        Ok(_) => answer.await.unwrap_or_else(|_| Err(Fault::new(name, "it could not be completed"))),
        Err(error) => Err(Fault::new(name, format!("cannot start a thread: {error}"))),
    }
}

/// Does the work of a task that is neither a run nor an activity.
///
/// # Errors
/// As AWS names them.
pub async fn errand(node: &NodeHandle, account: &Account, request: &TaskRequest) -> Result<Value, Fault> {
    match &request.work {
        Work::Service { service, action, arguments, .. } if &**service == OWN_SDK => {
            own_api(node, account, action, arguments).await
        }
        Work::StartExecution { arguments, wait: Wait::None } => {
            own_api(node, account, "startExecution", arguments).await
        }
        Work::Service { service, action, .. } => Err(not_available(service, action)),
        _ => Err(Fault::new("States.Runtime", "this errand is not known here")),
    }
}

fn not_available(service: &str, action: &str) -> Fault {
    Fault::new(
        "States.Runtime",
        format!("The integration {service}:{action} is not available on this server"),
    )
}

/// An action of Step Functions itself, by its SDK name.
async fn own_api(
    node: &NodeHandle,
    account: &Account,
    action: &str,
    arguments: &Value,
) -> Result<Value, Fault> {
    let name = capitalised(action);
    let body = renamed(arguments, &uncapitalised).to_json();
    let answer = match Call::new(node, account, &name, body.as_bytes()) {
        Ok(call) => call.answer().await,
        Err(fault) => Err(fault),
    };
    let answer = answer.map_err(sdk_fault)?;
    let answer = Value::parse(answer.to_string().as_bytes()).unwrap_or_default();
    Ok(renamed(&answer, &capitalised))
}

/// The same value with its field names changed.
fn renamed(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            Value::fields(fields.iter().map(|(name, value)| (change(name), renamed(value, change))))
        }
        Value::Array(items) => Value::array(items.iter().map(|item| renamed(item, change)).collect()),
        other => other.clone(),
    }
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn uncapitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The input of the execution that a task starts: a string that is JSON already, or JSON of what it gives.
fn input_of(arguments: &Value) -> String {
    match arguments.get("Input") {
        None => "{}".to_owned(),
        Some(Value::String(text)) if Value::parse(text.as_bytes()).is_ok() => text.to_string(),
        Some(other) => other.to_json(),
    }
}

/// What a task is told that has started an execution.
fn started_at(arn: String, at: Value) -> Value {
    Value::fields([("ExecutionArn", Value::from(arn)), ("StartDate", at)])
}

/// An error of the API as tasks of the SDK's integrations see it.
fn sdk_fault(error: super::Fault) -> Fault {
    Fault::new(format!("Sfn.{}Exception", error.name.trim_end_matches("Exception")), error.message)
}
