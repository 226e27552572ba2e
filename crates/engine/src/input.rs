//! The input alphabet: everything that can change the engine's state. One log record holds one `Input`.
//!
//! Time, ids and randomness are chosen by the runtime and arrive in here, so that replay computes the same state.
//! Each kind is applied by the file of its name in `inputs/`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Event, EventPack, InvocationId, Lsn, Object, Outcome, Problem, Program, Put, RunKey,
    TriggerIx, Version, WorkflowIx,
};
use std::sync::Arc;

/// One fact, at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Milliseconds since the Unix epoch; never less than in an earlier input.
    pub now_ms: u64,
    /// The fact.
    pub kind: InputKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputKind {
    /// A new version of an app.
    Deploy(Box<Deploy>),
    /// A new run.
    Start(Box<Start>),
    /// A client puts an object into a run.
    Put {
        /// The run.
        run: RunKey,
        /// The object.
        object: Object,
    },
    /// A client says that a run has all its inputs.
    Seal {
        /// The run.
        run: RunKey,
    },
    /// A function puts an object while it runs.
    Output {
        /// The invocation that puts.
        invocation: InvocationId,
        /// The attempt that puts.
        attempt: Attempt,
        /// The object.
        put: Put,
    },
    /// An attempt ended.
    Completed {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt that ended.
        attempt: Attempt,
        /// How.
        outcome: Outcome,
    },
    /// A run is to stop.
    Cancel {
        /// The run.
        run: RunKey,
        /// Who asked, or why.
        reason: String,
        /// The outbox entry that this acknowledges, of the workflow that had called the run.
        acknowledges: Option<OutboxId>,
    },
    /// Events arrived from outside, or from the outbox of a run.
    Events {
        /// The events, in order, duplicates already removed.
        events: EventPack,
        /// Apps that may see them.
        apps: Vec<AppKey>,
        /// Runs that may see them.
        runs: Vec<RunKey>,
        /// The outbox entry that this acknowledges.
        acknowledges: Option<OutboxId>,
    },
    /// An object crosses from a run to the app-scoped triggers of its app.
    Deliver {
        /// The app.
        app: AppKey,
        /// The version that the run keeps; it says which bucket the object is from.
        version: Version,
        /// The outbox entry that this acknowledges.
        from: OutboxId,
        /// The object, with a payload that the app owns from now on.
        object: Object,
    },
    /// A client puts an object into an app, for its app-scoped triggers.
    AppPut {
        /// The app.
        app: AppKey,
        /// The version whose buckets the object's bucket is one of.
        version: Version,
        /// The object.
        object: Object,
    },
    /// A cron trigger is due.
    Cron {
        /// The app.
        app: AppKey,
        /// The trigger.
        trigger: TriggerIx,
        /// When it was due, in milliseconds since the Unix epoch.
        due_ms: u64,
        /// The event that the function receives.
        event: Arc<Event>,
    },
    /// Timers are due; fires all with a deadline of at most `now_ms`, in (deadline, id) order.
    Timers,
    /// An express run ended in the express engine.
    ExpressEnded(Box<ExpressEnded>),
    /// An express run starts again after a crash.
    Reincarnate {
        /// The run.
        run: RunKey,
    },
    /// Applying the record at `lsn` panicked: on recovery it is skipped and the run fails.
    Quarantine {
        /// The record.
        lsn: Lsn,
        /// The run it was about.
        run: RunKey,
    },
    /// An ended run is forgotten, with all its objects.
    Forget {
        /// The run.
        run: RunKey,
    },
    /// A run needs no more the events that its app retained for it.
    Consumed {
        /// The app.
        app: AppKey,
        /// The firing that the run was started for.
        number: u64,
        /// The outbox entry that this acknowledges.
        from: OutboxId,
    },
    /// A function begins an object that others may read while it is written.
    Opened {
        /// The invocation that writes.
        invocation: InvocationId,
        /// The attempt that writes.
        attempt: Attempt,
        /// The object; its payload is open.
        put: Put,
    },
    /// An opened object is written to its end.
    Closed {
        /// The invocation that wrote.
        invocation: InvocationId,
        /// The attempt that wrote.
        attempt: Attempt,
        /// The object, whole.
        put: Put,
    },
    /// A document of an app is written or removed.
    Document {
        /// The app.
        app: AppKey,
        /// The document.
        name: Arc<str>,
        /// What it says from now on; `None` removes it.
        bytes: Option<Bytes>,
        /// The revision that it must have: 0 for a document that must not be there, `None` for whichever.
        expected: Option<u64>,
    },
    /// Something happened to the workflow of a run, or to one of its tasks.
    Workflow {
        /// The run.
        run: RunKey,
        /// What.
        event: Box<sluice_asl::execution::Event>,
        /// Which life of an express run it is about; 0 for all others.
        incarnation: u32,
        /// The outbox entry that this acknowledges, of this run or of the run that was the work of the task.
        acknowledges: Option<OutboxId>,
    },
    /// Somebody tells the code of a run's workflow something.
    Code {
        /// The run.
        run: RunKey,
        /// What.
        event: Box<sluice_flow::Event>,
        /// Which life of an express run it is about; 0 for all others.
        incarnation: u32,
    },
    /// A run has ended, or could not begin, that is an attempt at an invocation.
    Returned {
        /// The invocation.
        invocation: InvocationId,
        /// How it ended.
        outcome: Outcome,
        /// Which life of an express run it is about; 0 for all others.
        incarnation: u32,
        /// The outbox entry that this acknowledges, of the run that has ended or, if there is none, of that which called.
        from: OutboxId,
    },
    /// A call that left an express run has become a run of its own.
    Called {
        /// The outbox entry that this acknowledges.
        from: OutboxId,
        /// The run that it has become.
        child: RunKey,
    },
}

/// A new version of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// The app; a key not seen before makes a new app.
    pub app: AppKey,
    /// The version, one more than the last.
    pub version: Version,
    /// What it does.
    pub program: Arc<Program>,
    /// Digest of the code bundle, under which the runtime finds its files.
    pub bundle: u128,
    /// App-scoped triggers whose collected objects may be dropped.
    pub reset_triggers: Vec<Arc<str>>,
}

/// A new run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its key, never used before.
    pub run: RunKey,
    /// The namespace in which the id is unique.
    pub namespace: Arc<str>,
    /// Its id as users see it.
    pub id: Arc<str>,
    /// Its app.
    pub app: AppKey,
    /// The version of the app that it keeps.
    pub version: Version,
    /// Objects that the client puts at the start.
    pub objects: Vec<Object>,
    /// Events that only this run sees, at its start.
    pub events: Vec<Arc<Event>>,
    /// Whether those are all.
    pub seal: bool,
    /// Digest of the request, to tell a repeated request from a different one under the same id.
    pub request: u128,
    /// Seeds the jitter of retries.
    pub seed: u64,
    /// Which life of an express run this is; 0 for all others.
    pub incarnation: u32,
    /// What started it.
    pub origin: Origin,
    /// The workflow to start, and with what.
    pub workflow: Option<Box<WorkflowStart>>,
}

/// Starts a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowStart {
    /// Which of the app's.
    pub workflow: WorkflowIx,
    /// Its input, as JSON.
    pub input: Bytes,
    /// What it knows of itself.
    pub settings: sluice_asl::execution::Settings,
}

/// The task of a workflow that a run is the work of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The run whose workflow asks.
    pub run: RunKey,
    /// Which life of it, if it is express.
    pub incarnation: u32,
    /// The task.
    pub task: sluice_asl::execution::TaskId,
    /// How many calls deep the work is: 1 for what a run calls that nobody called.
    pub depth: u32,
    /// In what form it wants the answer; the runtime's to choose and to read.
    pub form: u8,
}

/// What started a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A client.
    Client,
    /// A firing of an app-scoped trigger.
    Firing {
        /// The trigger.
        trigger: TriggerIx,
        /// The firing's number in the app's outbox.
        number: u64,
        /// What the trigger's functions are called with.
        arguments: Arguments,
        /// The group it fired for.
        group: Option<Arc<str>>,
        /// How often the trigger had fired before.
        ordinal: u32,
    },
    /// A task of a workflow.
    Call {
        /// The outbox entry that this acknowledges.
        from: OutboxId,
        /// The task.
        caller: Caller,
    },
}

/// An entry in the outbox of a run, for what leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutboxId {
    /// The run that it leaves.
    pub run: RunKey,
    /// Position among all that ever left that run.
    pub seq: u32,
}

/// The end of an express run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpressEnded {
    /// The run.
    pub run: RunKey,
    /// Which life of it ended.
    pub incarnation: u32,
    /// Why it failed or was cancelled; `None` when it succeeded.
    pub error: Option<Problem>,
    /// Whether `error` is a cancellation.
    pub cancelled: bool,
    /// Its outputs, in the bucket `output`.
    pub outputs: Vec<Object>,
    /// Invocations by function, for the summary.
    pub tallies: Vec<crate::run::Tally>,
}
