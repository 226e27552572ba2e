//! What a shard needs from the world, as traits: real ones in a node, fake ones in the simulator.

use bytes::Bytes;
use sluice_types::{
    AppKey, Attempt, BucketIx, Invocation, InvocationId, Object, ObjectId, Outcome, Payload, Problem,
    Program, Put, RunKey, Version,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Everything a shard needs, chosen at compile time.
pub trait Ports {
    /// Where the log lies.
    type Disk: sluice_storage::disk::Disk;
    /// What executes attempts.
    type Sandboxes: Sandboxes<Self::Objects>;
    /// Where large objects lie.
    type Objects: Objects;
    /// Time and chance.
    type World: World;
    /// Where slow work is done.
    type Background: Background;
}

/// Work that the shard does not wait for.
pub type Work = Box<dyn FnOnce() + Send>;

/// Does slow work beside the shard.
pub trait Background {
    /// Takes a piece of work. It ends before this value is dropped, unless the whole process goes.
    fn start(&mut self, work: Work);
    /// Whether everything taken has ended. When that changes, the shard is woken up.
    fn is_done(&mut self) -> bool;
    /// Waits until everything taken has ended.
    fn finish(&mut self);
}

/// Does all work at once: for where nobody waits for the shard.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce;

impl Background for AtOnce {
    fn start(&mut self, work: Work) {
        work();
    }

    fn is_done(&mut self) -> bool {
        true
    }

    fn finish(&mut self) {}
}

/// Time and chance. What it gives becomes part of logged inputs.
pub trait World {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&mut self) -> u64;
    /// Microseconds since some time, for durations. Nothing that is logged follows from it.
    fn now_us(&mut self) -> u64;
    /// 64 random bits.
    fn random(&mut self) -> u64;
}

/// An attempt to execute, and what its sandbox may know about it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The attempt.
    pub invocation: Box<Invocation>,
    /// The app.
    pub app: AppKey,
    /// The version whose code runs.
    pub version: Version,
    /// The run's id as users see it.
    pub run_id: Arc<str>,
}

/// What a sandbox reports.
#[derive(Clone, Debug)]
pub enum Report {
    /// An attempt has left the queue and runs.
    Started {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
    },
    /// It is to become a run after all; of a function that is a workflow, if [`Sandboxes::takes_runs`].
    Passed {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
    },
    /// It put an object.
    Put {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
        /// The object.
        put: Put,
    },
    /// It began an object that others may read while it is written.
    Opened {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
        /// The object; its payload is open.
        put: Put,
    },
    /// It has written such an object to its end. The bytes become the object's at [`Objects::close`].
    Closed {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
        /// The object; its payload is open and says how many bytes were written.
        put: Put,
    },
    /// It wrote something.
    Log {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
        /// `stdout`, `stderr` or `log`.
        stream: &'static str,
        /// What.
        bytes: Bytes,
    },
    /// It ended.
    Completed {
        /// The invocation.
        invocation: InvocationId,
        /// The attempt.
        attempt: Attempt,
        /// How.
        outcome: Outcome,
    },
}

/// Executes attempts. No method blocks.
pub trait Sandboxes<O> {
    /// Makes the code of an app version ready to run. `bundle` holds its files.
    fn add_app(
        &mut self,
        app: AppKey,
        version: Version,
        program: &Arc<Program>,
        bundle: &Path,
    ) -> Result<(), Problem>;
    /// Forgets an app version, and stops what runs of it.
    fn forget_app(&mut self, app: AppKey, version: Version);
    /// Whether a function can only put and get, or say what it wants, so that it may run before its cause is durable.
    fn is_pure(&self, program: &Program, function: sluice_types::FunctionIx) -> bool;
    /// Whether attempts at functions that are workflows are started here, too, before they become runs: each either ends in
    /// the place of the run or is [`Report::Passed`] on. Only tests of apps have that.
    fn takes_runs(&self) -> bool {
        false
    }
    /// Takes an attempt; it may end at once, and then its reports are appended.
    fn start(&mut self, call: Call, objects: &mut O, reports: &mut Vec<Report>);
    /// Stops an attempt. Reports about it may still come, and are ignored by the engine.
    fn stop(&mut self, invocation: InvocationId, attempt: Attempt);
    /// An object of a run that attempts were started with while it was open is closed now.
    fn closed(&mut self, app: (AppKey, Version), run: RunKey, object: &Object, objects: &mut O);
    /// Appends what happened since the last call.
    fn poll(&mut self, objects: &mut O, reports: &mut Vec<Report>);
    /// When `poll` has something to do without anybody saying so, in milliseconds from now; `None` for never.
    fn next_poll_ms(&self) -> Option<u64>;
    /// Attempts that are queued or running.
    fn load(&self) -> usize;
    /// Whether attempts wait for workers that are busy with others: more will soon be reported.
    fn has_backlog(&self) -> bool;
}

/// The bytes of objects. Ids are never reused.
pub trait Objects {
    /// Keeps bytes for an app: in the payload itself when small, else outside.
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem>;
    /// Keeps bytes for an app outside the payload, however few they are.
    fn store_apart(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem>;
    /// The bytes of a payload.
    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem>;
    /// Puts a payload on disk, so that a record may name it, and computes its digest.
    fn persist(&mut self, payload: &mut Payload) -> Result<(), Problem>;
    /// As `persist`, beside the shard where that takes long: whether it is done. If not, its outcome comes from `saved`,
    /// and then another call with the payload is done at once.
    fn save(&mut self, payload: &mut Payload) -> Result<bool, Problem>;
    /// An object that is now on disk, or could not be put there. When there is one, the shard is woken up.
    fn saved(&mut self) -> Option<(ObjectId, Result<(), Problem>)>;
    /// Computes the digest of a payload that lacks one.
    fn digest(&mut self, payload: &mut Payload) -> Result<(), Problem>;
    /// The same bytes under an id of their own, for another owner, on disk so that a record may name them.
    fn duplicate(&mut self, app: AppKey, payload: &Payload) -> Result<Payload, Problem>;
    /// Makes what was written of an open object of a run its bytes, for good, and sets its payload to them. Should these
    /// be lost before a record names them, it can be closed again, until [`Objects::let_go`].
    fn close(&mut self, app: AppKey, run: RunKey, put: &mut Put) -> Result<(), Problem>;
    /// Lets go of what was written of an open object of a run: a record names the whole, or there will never be one.
    fn let_go(&mut self, run: RunKey, bucket: BucketIx, key: &Arc<str>);
    /// Frees what is open of a run.
    fn abandon(&mut self, run: RunKey);
    /// Frees bytes. Freeing what is gone changes nothing.
    fn release(&mut self, id: ObjectId);
    /// Frees what earlier lives left from this id on and no record has `named`. Called once, before anything is stored.
    fn sweep(&mut self, from: ObjectId, named: &BTreeSet<ObjectId>);
    /// The next id that will be given.
    fn next_id(&self) -> ObjectId;
    /// Makes sure that ids below this one are not given again.
    fn skip_to(&mut self, id: ObjectId);
    /// Bytes in memory now.
    fn resident_bytes(&self) -> u64;
}
