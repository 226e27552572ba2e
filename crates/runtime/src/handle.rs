//! The door to a node: a cheap handle that any thread or task may use.
//!
//! Every call becomes a [`Command`] on the shard's queue; the answer comes once what it tells is durable.

use crate::api::{
    ActivityTask, AppView, CheckReport, CodeValue, DeployRequest, DocumentView, DocumentsRequest,
    EventsReply, ForkRequest, HistoryPage, HistoryRequest, HistoryView, ListRequest, LogLine, MoveRequest,
    NewObject, NodeStats, ObjectView, PutReply, RunView, StartRequest, Started, UpdateReply,
};
use crate::callees::TaskRef;
use bytes::Bytes;
use sluice_asl::execution::Event;
use sluice_expression::Value;
use sluice_types::{Code, EventPack, Lsn, Problem, Program};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where an answer goes.
pub type Answer<T> = oneshot::Sender<Result<T, Problem>>;

/// What the holder of a token reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenEvent {
    /// The task is done, with this output.
    Succeeded(Value),
    /// The task failed.
    Failed {
        /// Its error.
        error: Arc<str>,
        /// Its cause.
        cause: Arc<str>,
    },
    /// The task goes on.
    Heartbeat,
}

/// One request to the shard. `Answer` is dropped unanswered only when the node stops.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the method of its name on `NodeHandle`")]
pub enum Command {
    Deploy(Box<DeployRequest>, Answer<AppView>),
    Check(Box<DeployRequest>, Answer<CheckReport>),
    Move(MoveRequest, Answer<CheckReport>),
    Apps(Answer<Vec<AppView>>),
    App(String, Answer<(AppView, Arc<Program>, Bytes)>),
    Program {
        app: String,
        version: Option<u32>,
        answer: Answer<Arc<Program>>,
    },
    Start(Box<StartRequest>, Answer<Started>),
    Put {
        run: Option<String>,
        app: String,
        object: NewObject,
        answer: Answer<PutReply>,
    },
    Seal(String, Answer<()>),
    Cancel {
        run: String,
        reason: String,
        answer: Answer<()>,
    },
    Retry(String, Answer<Started>),
    Fork(ForkRequest, Answer<Started>),
    Run(String, Answer<RunView>),
    RunAt {
        run: String,
        at: Lsn,
        answer: Answer<RunView>,
    },
    Wait(String, Answer<RunView>),
    List(ListRequest, Answer<Vec<RunView>>),
    History {
        run: String,
        after: u64,
        limit: usize,
        answer: Answer<Vec<HistoryView>>,
    },
    Logs {
        run: String,
        answer: Answer<Vec<LogLine>>,
    },
    Object {
        run: Option<String>,
        app: String,
        bucket: String,
        key: String,
        answer: Answer<ObjectView>,
    },
    Events(EventPack, Answer<EventsReply>),
    WriteDocument {
        app: String,
        name: String,
        bytes: Option<Bytes>,
        expected: Option<u64>,
        answer: Answer<u64>,
    },
    Report {
        task: TaskRef,
        event: Event,
        answer: Answer<()>,
    },
    ReportByToken {
        token: String,
        event: TokenEvent,
        answer: Answer<()>,
    },
    ChangeWorkflow {
        run: String,
        event: Event,
        answer: Answer<()>,
    },
    /// Asks the code of a workflow something that changes nothing.
    AskCode {
        run: String,
        name: String,
        value: CodeValue,
        answer: Answer<Option<CodeValue>>,
    },
    /// Asks the code of a workflow to do something.
    Update {
        run: String,
        id: String,
        name: String,
        value: CodeValue,
        answer: Answer<()>,
    },
    AwaitUpdate {
        run: String,
        id: String,
        answer: Answer<UpdateReply>,
    },
    WorkflowHistory(HistoryRequest, Answer<HistoryPage>),
    AskForTask {
        activity: String,
        worker: Option<String>,
        answer: Answer<Option<ActivityTask>>,
    },
    Documents(DocumentsRequest, Answer<Vec<DocumentView>>),
    Stats(Answer<NodeStats>),
    Shutdown,
}

impl Command {
    /// Answers with a problem.
    pub fn refuse(self, problem: &Problem) {
        fn no<T>(answer: Answer<T>, problem: &Problem) {
            // A receiver that has gone away wants no answer.
            drop(answer.send(Err(problem.clone())));
        }
        match self {
            Self::Deploy(_, answer) => no(answer, problem),
            Self::Check(_, answer) | Self::Move(_, answer) => no(answer, problem),
            Self::Apps(answer) => no(answer, problem),
            Self::App(_, answer) => no(answer, problem),
            Self::Program { answer, .. } => no(answer, problem),
            Self::Start(_, answer) | Self::Retry(_, answer) | Self::Fork(_, answer) => no(answer, problem),
            Self::RunAt { answer, .. } => no(answer, problem),
            Self::Put { answer, .. } => no(answer, problem),
            Self::Seal(_, answer) | Self::Cancel { answer, .. } => no(answer, problem),
            Self::Run(_, answer) | Self::Wait(_, answer) => no(answer, problem),
            Self::List(_, answer) => no(answer, problem),
            Self::History { answer, .. } => no(answer, problem),
            Self::Logs { answer, .. } => no(answer, problem),
            Self::Object { answer, .. } => no(answer, problem),
            Self::Events(_, answer) => no(answer, problem),
            Self::WriteDocument { answer, .. } => no(answer, problem),
            Self::Report { answer, .. }
            | Self::ReportByToken { answer, .. }
            | Self::ChangeWorkflow { answer, .. } => no(answer, problem),
            Self::AskCode { answer, .. } => no(answer, problem),
            Self::Update { answer, .. } => no(answer, problem),
            Self::AwaitUpdate { answer, .. } => no(answer, problem),
            Self::WorkflowHistory(_, answer) => no(answer, problem),
            Self::AskForTask { answer, .. } => no(answer, problem),
            Self::Documents(_, answer) => no(answer, problem),
            Self::Stats(answer) => no(answer, problem),
            Self::Shutdown => {}
        }
    }
}

/// How commands reach the shard: the queue and what wakes it.
pub trait Submit: Send + Sync {
    /// Queues a command and wakes the shard. False when the node is gone.
    fn submit(&self, command: Command) -> bool;
}

/// The door to a node.
#[derive(Clone)]
pub struct NodeHandle {
    submit: Arc<dyn Submit>,
}

impl NodeHandle {
    /// A handle over a queue.
    pub fn new(submit: Arc<dyn Submit>) -> Self {
        Self { submit }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        if !self.submit.submit(command(answer)) {
            return Err(gone());
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Deploys a new version of an app; the same program and files again change nothing.
    pub async fn deploy(&self, request: DeployRequest) -> Result<AppView, Problem> {
        self.ask(|answer| Command::Deploy(Box::new(request), answer)).await
    }

    /// Whether the workflows of a version that is not deployed could go on with the runs that are under way.
    pub async fn check(&self, request: DeployRequest) -> Result<CheckReport, Problem> {
        self.ask(|answer| Command::Check(Box::new(request), answer)).await
    }

    /// Has runs that are under way go on on another version, those whose workflows, which are code, can. Answers once that is
    /// durable.
    pub async fn move_runs(&self, request: MoveRequest) -> Result<CheckReport, Problem> {
        self.ask(|answer| Command::Move(request, answer)).await
    }

    /// The newest version of every app.
    pub async fn apps(&self) -> Result<Vec<AppView>, Problem> {
        self.ask(Command::Apps).await
    }

    /// The newest version of one app, its program, and its definition as JSON.
    pub async fn app(&self, app: &str) -> Result<(AppView, Arc<Program>, Bytes), Problem> {
        self.ask(|answer| Command::App(app.into(), answer)).await
    }

    /// The program of a version of an app; of the newest when `None`.
    pub async fn program(&self, app: &str, version: Option<u32>) -> Result<Arc<Program>, Problem> {
        let app = app.to_owned();
        self.ask(|answer| Command::Program { app, version, answer }).await
    }

    /// Starts a run. Answers once the start is durable.
    pub async fn start(&self, request: StartRequest) -> Result<Started, Problem> {
        self.ask(|answer| Command::Start(Box::new(request), answer)).await
    }

    /// Puts an object into a run, or into the app when `run` is `None`.
    pub async fn put(&self, app: &str, run: Option<&str>, object: NewObject) -> Result<PutReply, Problem> {
        let (app, run) = (app.to_owned(), run.map(str::to_owned));
        self.ask(|answer| Command::Put { run, app, object, answer }).await
    }

    /// Says that a run has all its inputs.
    pub async fn seal(&self, run: &str) -> Result<(), Problem> {
        self.ask(|answer| Command::Seal(run.into(), answer)).await
    }

    /// Cancels a run. One that has ended stays as it is.
    pub async fn cancel(&self, run: &str, reason: &str) -> Result<(), Problem> {
        let (run, reason) = (run.to_owned(), reason.to_owned());
        self.ask(|answer| Command::Cancel { run, reason, answer }).await
    }

    /// Starts a new run with the inputs of an ended one.
    pub async fn retry(&self, run: &str) -> Result<Started, Problem> {
        self.ask(|answer| Command::Retry(run.into(), answer)).await
    }

    /// Starts a new run whose workflow's past is that of another one. Answers once it is durable.
    pub async fn fork(&self, request: ForkRequest) -> Result<Started, Problem> {
        self.ask(|answer| Command::Fork(request, answer)).await
    }

    /// A run as it was right after a record.
    pub async fn run_at(&self, run: &str, at: Lsn) -> Result<RunView, Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::RunAt { run, at, answer }).await
    }

    /// A run as it stands.
    pub async fn run(&self, run: &str) -> Result<RunView, Problem> {
        self.ask(|answer| Command::Run(run.into(), answer)).await
    }

    /// A run once it has ended, or as it stands when `patience` is over.
    pub async fn wait(&self, run: &str, patience: Duration) -> Result<RunView, Problem> {
        let ended = self.ask(|answer| Command::Wait(run.into(), answer));
        match tokio::time::timeout(patience, ended).await {
            Ok(view) => view,
            Err(_) => self.run(run).await,
        }
    }

    /// Runs, newest first, without their outputs.
    pub async fn list(&self, request: ListRequest) -> Result<Vec<RunView>, Problem> {
        self.ask(|answer| Command::List(request, answer)).await
    }

    /// Lines of a run's history after position `after` (0 for all).
    pub async fn history(&self, run: &str, after: u64, limit: usize) -> Result<Vec<HistoryView>, Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::History { run, after, limit, answer }).await
    }

    /// What the attempts of a run wrote, as far as it is still kept.
    pub async fn logs(&self, run: &str) -> Result<Vec<LogLine>, Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::Logs { run, answer }).await
    }

    /// An object of a run, or of the app when `run` is `None`.
    pub async fn object(
        &self,
        app: &str,
        run: Option<&str>,
        bucket: &str,
        key: &str,
    ) -> Result<ObjectView, Problem> {
        let (app, run) = (app.to_owned(), run.map(str::to_owned));
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.ask(|answer| Command::Object { run, app, bucket, key, answer }).await
    }

    /// Takes events in. Answers once they are durable.
    pub async fn events(&self, events: impl Into<EventPack>) -> Result<EventsReply, Problem> {
        let events = events.into();
        self.ask(|answer| Command::Events(events, answer)).await
    }

    /// Writes a document about an app, or removes it. `expected` is the revision that it must have: 0 for a document that
    /// must not be there, `None` for whichever. Answers with the new revision once it is durable.
    pub async fn set_document(
        &self,
        app: &str,
        name: &str,
        bytes: Option<Bytes>,
        expected: Option<u64>,
    ) -> Result<u64, Problem> {
        let (app, name) = (app.to_owned(), name.to_owned());
        self.ask(|answer| Command::WriteDocument { app, name, bytes, expected, answer }).await
    }

    /// Documents about apps, by app and name.
    pub async fn documents(&self, request: DocumentsRequest) -> Result<Vec<DocumentView>, Problem> {
        self.ask(|answer| Command::Documents(request, answer)).await
    }

    /// Reports on a task that was handed to [`crate::callees::Callees::perform`]. Answers once it is durable.
    pub async fn report(&self, task: TaskRef, event: Event) -> Result<(), Problem> {
        self.ask(|answer| Command::Report { task, event, answer }).await
    }

    /// Reports on the task of a token. Answers once it is durable.
    pub async fn report_by_token(&self, token: &str, event: TokenEvent) -> Result<(), Problem> {
        let token = token.to_owned();
        self.ask(|answer| Command::ReportByToken { token, event, answer }).await
    }

    /// Stops the workflow of a run.
    pub async fn stop_workflow(
        &self,
        run: &str,
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    ) -> Result<(), Problem> {
        let (run, event) = (run.to_owned(), Event::Stop { error, cause });
        self.ask(|answer| Command::ChangeWorkflow { run, event, answer }).await
    }

    /// Takes a failed workflow up again where it failed.
    pub async fn redrive_workflow(&self, run: &str) -> Result<(), Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::ChangeWorkflow { run, event: Event::Redrive, answer }).await
    }

    /// Changes a map run of the workflow of a run, by [`Event::UpdateMapRun`].
    pub async fn update_map_run(&self, run: &str, event: Event) -> Result<(), Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::ChangeWorkflow { run, event, answer }).await
    }

    /// Asks the code of a run's workflow something that changes nothing.
    pub async fn ask_code(
        &self,
        run: &str,
        name: &str,
        value: CodeValue,
    ) -> Result<Option<CodeValue>, Problem> {
        let (run, name) = (run.to_owned(), name.to_owned());
        self.ask(|answer| Command::AskCode { run, name, value, answer }).await
    }

    /// Asks the code of a run's workflow to do something. The same `id` again asks nothing new. Answers once it is durable.
    pub async fn update(&self, run: &str, id: &str, name: &str, value: CodeValue) -> Result<(), Problem> {
        let (run, id, name) = (run.to_owned(), id.to_owned(), name.to_owned());
        self.ask(|answer| Command::Update { run, id, name, value, answer }).await
    }

    /// The answer to an update; `None` when patience is over before there is one.
    pub async fn update_reply(
        &self,
        run: &str,
        id: &str,
        patience: Duration,
    ) -> Result<Option<UpdateReply>, Problem> {
        let (run, id) = (run.to_owned(), id.to_owned());
        let reply = self.ask(|answer| Command::AwaitUpdate { run, id, answer });
        tokio::time::timeout(patience, reply).await.ok().transpose()
    }

    /// What the workflow of a run did.
    pub async fn workflow_history(&self, request: HistoryRequest) -> Result<HistoryPage, Problem> {
        self.ask(|answer| Command::WorkflowHistory(request, answer)).await
    }

    /// Asks for a task of an activity. `None` when none came within `patience`.
    pub async fn ask_for_task(
        &self,
        activity: &str,
        worker: Option<String>,
        patience: Duration,
    ) -> Result<Option<ActivityTask>, Problem> {
        let activity = activity.to_owned();
        let asked = self.ask(|answer| Command::AskForTask { activity, worker, answer });
        tokio::time::timeout(patience, asked).await.unwrap_or(Ok(None))
    }

    /// Numbers about the node.
    pub async fn stats(&self) -> Result<NodeStats, Problem> {
        self.ask(Command::Stats).await
    }

    /// Asks the node to stop: what runs is drained within a limit, then the log is closed.
    pub fn shutdown(&self) {
        self.submit.submit(Command::Shutdown);
    }
}

fn gone() -> Problem {
    Problem::new(Code::SHUTTING_DOWN, "the node is shutting down", "send the request again once it is back")
}
