//! What can be asked of a node, and what it answers. Plain data; the HTTP front and the command line print it.

mod check;

pub use check::{CheckReport, FINDING_RUNS_MAX, FINDINGS_MAX, Finding, Reason, Unreplayable};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_asl::execution::{ChildId, HistoryEvent, HistoryKind, MapRun, Settings};
use sluice_engine::{Status, Tally};
use sluice_types::{ContentType, Event, Failure, Lsn, Problem, Program, RunKey, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Deploys a new version of an app.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// What it does.
    pub program: Arc<Program>,
    /// The definition it was lowered from, as JSON, kept to be shown.
    pub definition: Bytes,
    /// Its files: paths relative to the bundle, `/` as separator, and their bytes.
    pub files: BTreeMap<String, Bytes>,
    /// App-scoped triggers whose collected objects may be dropped.
    pub reset_triggers: Vec<String>,
}

/// A version of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// Its name.
    pub app: String,
    /// The version: 1 for the first, then counting up.
    pub version: u32,
    /// When it was deployed, in milliseconds since the Unix epoch.
    pub deployed_ms: u64,
    /// Whether the deploy that is answered made a new version; deploying the same again does not.
    pub changed: bool,
}

/// An object as a client gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewObject {
    /// Name of the bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The bytes.
    pub bytes: Bytes,
}

/// Starts a run.
#[derive(Clone, Debug, Default)]
pub struct StartRequest {
    /// The app.
    pub app: String,
    /// The run's id; made by the node when `None`.
    pub id: Option<String>,
    /// Objects put at the start. Object `input` of bucket `input` is the run's input.
    pub objects: Vec<NewObject>,
    /// An event that only this run sees, delivered at its start.
    pub event: Option<Event>,
    /// The workflow to start. An app that is nothing but one workflow starts it without being told.
    pub workflow: Option<WorkflowRequest>,
    /// The version of the app; the newest when `None`.
    pub version: Option<Version>,
    /// Whether those objects are all.
    pub seal: bool,
}

/// Starts a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowRequest {
    /// Its name in the app.
    pub name: String,
    /// Its input, as JSON; `{}` when `None`.
    pub input: Option<Bytes>,
    /// What it knows of itself, where that is not what the node would say.
    pub execution: Option<ExecutionFacts>,
}

/// What an execution of a state machine sees of itself in its context object. Empty means: as the node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFacts {
    /// `Execution.Id`.
    pub id: String,
    /// `Execution.Name`.
    pub name: String,
    /// `Execution.RoleArn`.
    pub role: String,
    /// `StateMachine.Id`.
    pub machine_id: String,
    /// By which version or alias of the state machine it was asked for. The context object does not show it.
    pub machine_qualifier: String,
    /// `StateMachine.Name`.
    pub machine_name: String,
}

/// A workflow of a run, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowView {
    /// Its name in the app.
    pub name: Arc<str>,
    /// Its input, as JSON.
    pub input: Bytes,
    /// What it knows of itself.
    pub settings: Settings,
    /// How often it was taken up again after a failure.
    pub redrives: u32,
    /// When that was last, in milliseconds since the Unix epoch.
    pub redriven_ms: Option<u64>,
    /// Its map runs, in the order in which they began.
    pub map_runs: Vec<MapRun>,
}

/// Which events of a workflow to read.
#[derive(Clone, Debug, Default)]
pub struct HistoryRequest {
    /// The run.
    pub run: String,
    /// Where the page before ended.
    pub cursor: Option<u64>,
    /// Most events in the answer.
    pub limit: usize,
    /// Whether to go backwards.
    pub newest_first: bool,
    /// Whose events.
    pub scope: HistoryScope,
}

/// Whose events of a workflow to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistoryScope {
    /// Its own.
    #[default]
    Own,
    /// Those of one child execution.
    Child(ChildId),
    /// Beginnings and ends of the child executions of the map run of this number.
    Children(u32),
}

impl HistoryScope {
    /// Whether it takes an event in.
    pub fn has(&self, event: &HistoryEvent) -> bool {
        match *self {
            Self::Own => event.child.is_none(),
            Self::Child(child) => event.child == Some(child),
            Self::Children(run) => {
                event.child.is_some_and(|child| child.run == run)
                    && matches!(event.kind, HistoryKind::Execution(_))
            }
        }
    }
}

/// Most lines of a run's history that are looked at for one page; the page ends there, full or not.
pub const HISTORY_LINES_MAX: usize = 10_000;

/// Events of a workflow.
#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// In the order asked for.
    pub events: Vec<HistoryEvent>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<u64>,
}

/// A task that somebody who asked for it is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityTask {
    /// What reports on it name.
    pub token: Arc<str>,
    /// Its input, as JSON.
    pub input: String,
}

/// A run that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id.
    pub run: String,
    /// Whether the same request had started it before.
    pub existing: bool,
}

/// An object's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectView {
    /// Name of the bucket.
    pub bucket: Arc<str>,
    /// Its key.
    pub key: Arc<str>,
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The bytes.
    pub bytes: Bytes,
}

/// Invocations of one function of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionView {
    /// The function.
    pub function: Arc<str>,
    /// Created, succeeded, failed, cancelled, retried.
    #[serde(flatten)]
    pub tally: Tally,
    /// Attempts in a sandbox now.
    pub running: u32,
    /// Invocations that wait for a sandbox or for their next attempt.
    pub queued: u32,
}

/// A run, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Under which the log knows it; the cursor of listings.
    pub key: RunKey,
    /// Its id.
    pub run: Arc<str>,
    /// Its app.
    pub app: Arc<str>,
    /// The version it keeps.
    pub version: u32,
    /// Where it is in its life.
    pub status: Status,
    /// Whether clients may put no more.
    pub sealed: bool,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Which life of an express run this is.
    pub incarnation: u32,
    /// Its outputs, once it has ended.
    pub outputs: Vec<ObjectView>,
    /// Why it failed or was cancelled.
    pub error: Option<Problem>,
    /// Its functions, in the program's order; those whose calls are turns of workflows are left out.
    pub functions: Vec<FunctionView>,
    /// Calls and turns that failed and are tried again, the first [`RETRYING_MAX`] of them.
    pub retrying: Vec<RetryView>,
    /// Its workflow, if it was started with one.
    pub workflow: Option<WorkflowView>,
    /// The run whose past its workflow has, and the last record of that past.
    pub forked_from: Option<(Arc<str>, Lsn)>,
    /// What was under way, in a view of how it was at a record.
    pub at: Option<Box<AtView>>,
}

/// What was under way in a run right after a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtView {
    /// The record that was asked for.
    pub lsn: Lsn,
    /// How many lines its history had.
    pub lines: u64,
    /// When the last of them came to be, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How many objects there were.
    pub objects: u64,
    /// Calls that were not done, the first [`AT_ITEMS_MAX`] of them.
    pub calls: Vec<CallAt>,
    /// Its workflow, if that is code.
    pub code: Option<CodeAt>,
    /// The states of a state machine that it was in, the first [`AT_ITEMS_MAX`] of them, and since when, in milliseconds
    /// since the Unix epoch.
    pub states: Vec<(Arc<str>, u64)>,
    /// The tasks of a DAG, and the last that had happened to each.
    pub tasks: Vec<(Arc<str>, &'static str)>,
}

/// Most calls, commands, entries and states that a view of how a run was tells of, each.
pub const AT_ITEMS_MAX: usize = 1_000;

/// A call that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAt {
    /// Its number in the run.
    pub invocation: u32,
    /// The function.
    pub function: Arc<str>,
    /// Attempts that had failed.
    pub failed: u32,
    /// When the next one was due, in milliseconds since the Unix epoch; `None` when it was under way.
    pub next_ms: Option<u64>,
}

/// Where code was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeAt {
    /// Commands so far.
    pub commands: u64,
    /// Commands that were not done: number, what was wanted, since when, and when it was due by itself, in milliseconds since
    /// the Unix epoch.
    pub waiting: Vec<(u64, String, u64, Option<u64>)>,
    /// What had happened since the code was last told something that made it want anything: when, in milliseconds since the
    /// Unix epoch, and what.
    pub news: Vec<(u64, String)>,
    /// Updates without an answer.
    pub updates: Vec<Arc<str>>,
    /// How it had ended.
    pub end: Option<String>,
}

/// Most calls that a view of a run tells of as failed and tried again.
pub const RETRYING_MAX: usize = 20;

/// A call, or a turn of a workflow, that failed and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryView {
    /// The function or the workflow.
    pub function: Arc<str>,
    /// Its number in the run.
    pub invocation: u32,
    /// Attempts that failed.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since the Unix epoch; `None` when it is under way.
    pub next_ms: Option<u64>,
    /// Why the last one failed.
    pub failure: Failure,
}

/// A position in the log, as histories print it.
pub fn lsn_text(lsn: Lsn) -> String {
    format!("{:016x}", lsn.0)
}

/// The position in the log that [`lsn_text`] printed.
pub fn lsn_of(text: &str) -> Option<Lsn> {
    u64::from_str_radix(text, 16).ok().map(Lsn)
}

/// Starts a new run with the past of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForkRequest {
    /// The other run.
    pub run: String,
    /// The last record of that past; where the run ended or failed when `None`.
    pub at: Option<Lsn>,
    /// The new run's id; made by the node when `None`.
    pub id: Option<String>,
    /// The version of the app; the newest when `None`.
    pub version: Option<Version>,
}

/// What comes with a question to the code of a workflow, or its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeValue {
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The bytes; none for nothing.
    pub bytes: Bytes,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateReply {
    /// This.
    Done(Option<CodeValue>),
    /// The code raised what the value tells, as JSON.
    Refused(Option<CodeValue>),
    /// The workflow ended before.
    Ended,
}

/// Has runs go on on another version of their app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRequest {
    /// Which.
    pub runs: Movable,
    /// The version; the newest when `None`.
    pub version: Option<Version>,
}

/// Runs that may go on on another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movable {
    /// This one.
    One(String),
    /// All of this app that are under way.
    All(String),
}

/// Which runs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Only those of this app.
    pub app: Option<String>,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Most runs in the answer.
    pub limit: usize,
    /// Only runs older than this one.
    pub before: Option<RunKey>,
}

/// One line of a run's history, as `GET /v1/runs/{id}/history` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Position in this history, from 1.
    pub seq: u64,
    /// Opaque position in the log.
    pub lsn: String,
    /// RFC 3339, in UTC, with milliseconds.
    pub time: String,
    /// What happened, for example `ObjectPut`.
    pub r#type: String,
    /// Details by name.
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// What an attempt wrote to stdout, stderr or `ctx.log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The function.
    pub function: Arc<str>,
    /// The invocation's number in its run.
    pub invocation: u32,
    /// The attempt.
    pub attempt: u32,
    /// `stdout`, `stderr` or `log`.
    pub stream: Arc<str>,
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// A document that a front end keeps about an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentView {
    /// The app.
    pub app: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Changes with every write; never 0.
    pub revision: u64,
    /// What it says.
    pub bytes: Bytes,
}

/// Which documents to read.
#[derive(Clone, Debug, Default)]
pub struct DocumentsRequest {
    /// Only those of this app.
    pub app: Option<String>,
    /// Only those whose names begin so.
    pub prefix: String,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutReply {
    /// A new object.
    Created,
    /// The same bytes were there.
    Unchanged,
}

/// What became of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsReply {
    /// Events taken in.
    pub accepted: usize,
    /// Events known already, by source and id.
    pub duplicates: usize,
}

/// Numbers for `/metrics` and `/healthz`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeStats {
    /// Records appended to the log since start.
    pub records: u64,
    /// Syncs of the log since start.
    pub syncs: u64,
    /// Runs started since start.
    pub runs_started: u64,
    /// Runs ended since start, by status: succeeded, failed, cancelled.
    pub runs_ended: [u64; 3],
    /// Runs in memory.
    pub runs_loaded: u64,
    /// Attempts handed to sandboxes since start.
    pub attempts: u64,
    /// Attempts that failed since start.
    pub attempts_failed: u64,
    /// Attempts in sandboxes now.
    pub attempts_running: u64,
    /// Objects in shared memory now, in bytes.
    pub object_bytes: u64,
    /// Lines of histories that the node itself has read since start: to tell code its journal again (a worker that had lost the
    /// workflow, a question, a check), for forks, and to see how a run was. Pages of histories that clients ask for do not
    /// count.
    pub history_lines_read: u64,
    /// Time since the shard last went round its loop, in milliseconds: large when it is stuck.
    pub stalled_ms: u64,
    /// Whether the log refuses new work (full disk, failed sync).
    pub refusing: bool,
}
