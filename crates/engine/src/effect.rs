//! The output alphabet: everything the engine asks the runtime to do. Effects are released once the record that
//! caused them is durable; what must survive a crash stays in the state until an input acknowledges it.

use crate::input::{Caller, Origin, OutboxId};
use sluice_asl::execution::TaskRequest;
use sluice_types::{
    AppKey, Attempt, BucketIx, Event, Invocation, InvocationId, Object, ObjectId, Problem, RunKey, Version,
};
use std::sync::Arc;

/// One request to the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Place this attempt in a sandbox. Acknowledged by `Completed`.
    Invoke(Box<Invocation>),
    /// Stop an attempt; its completion will be ignored.
    Stop {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
    },
    /// The bytes of this object are no longer needed.
    Release(ObjectId),
    /// An opened object will never be finished: nobody needs what was written of it.
    Abandon {
        /// The run.
        run: RunKey,
        /// The bucket.
        bucket: BucketIx,
        /// The key.
        key: Arc<str>,
    },
    /// Tell whoever submitted the input.
    Reply(Reply),
    /// A run ended; tell whoever waits for it.
    Ended(RunKey),
    /// An object crosses to the app-scoped triggers of its app. Acknowledged by `Deliver`.
    Deliver {
        /// The outbox entry.
        from: OutboxId,
        /// The app.
        app: AppKey,
        /// The version that the run keeps.
        version: Version,
        /// The object; its payload still belongs to the run.
        object: Box<Object>,
    },
    /// A run needs no more the events of the firing that started it. Acknowledged by `Consumed`.
    Consume {
        /// The outbox entry.
        from: OutboxId,
        /// The app.
        app: AppKey,
        /// The firing.
        number: u64,
    },
    /// An event leaves a run. Acknowledged by `Events`.
    Emit {
        /// The outbox entry.
        from: OutboxId,
        /// The app of the run.
        app: AppKey,
        /// The event.
        event: Arc<Event>,
    },
    /// An app-scoped trigger fired: start a run for it. Acknowledged by `Start` with this origin.
    Launch {
        /// The app.
        app: AppKey,
        /// The version that fires.
        version: Version,
        /// What `Start` is to carry, with payloads of the new run's own: these belong to the app.
        origin: Box<Origin>,
    },
    /// An express run is to be (re)started in the express engine. Acknowledged by `ExpressEnded`.
    Express(RunKey),
    /// A workflow asks for something outside of its run. Acknowledged by `Start` with this origin, by `Called`, or by
    /// `Workflow`.
    Task {
        /// The outbox entry.
        from: OutboxId,
        /// The task.
        caller: Caller,
        /// What is to be done.
        request: Arc<TaskRequest>,
    },
    /// The work of a task has ended: tell the workflow that asked for it. Acknowledged by `Workflow` or `Returned`.
    Return {
        /// The outbox entry of the run that has ended.
        from: OutboxId,
        /// Who asked.
        to: Caller,
    },
    /// A workflow needs no more the run that it had called. Acknowledged by `Cancel`.
    CancelChild {
        /// The outbox entry.
        from: OutboxId,
        /// The run that was called.
        child: RunKey,
    },
    /// An attempt is to become a run of the workflow that its function is. Acknowledged by `Start` with this origin, by
    /// `Called`, or by `Returned`.
    Call {
        /// The outbox entry.
        from: OutboxId,
        /// Who is to be told of its end; the task is the invocation's number.
        caller: Caller,
        /// The attempt.
        invocation: Box<Invocation>,
    },
    /// An update of the code of a run's workflow has its answer; tell whoever waits for it.
    Answered {
        /// The run.
        run: RunKey,
        /// The update.
        update: Arc<str>,
    },
    /// A run is gone; drop everything kept about it.
    Forgotten(RunKey),
}

/// What became of an input that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Accepted,
    /// A put of the same bytes under the same key: nothing changed.
    Unchanged,
    /// Refused; nothing changed.
    Rejected(Box<Problem>),
}
