//! Objects that are read while they are written: their beginning and their end are inputs, what is between is not.

use super::Shard;
use super::saves::stored;
use crate::ports::{Objects, Ports, Report, Sandboxes};
use sluice_engine::{InputKind, Run};
use sluice_storage::log::Priority;
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, BucketIx, Invocation, InvocationId, Object, Outcome, Problem, Put, RunKey};

/// What is known of open objects beside the engine.
#[derive(Default)]
pub(super) struct Streams {
    /// Whether anything was opened in this life of the shard.
    opened: bool,
    /// Readers that have ended before the record that ends what they read.
    early: Vec<InvocationId>,
}

impl Streams {
    /// Whether a report may have to wait for another.
    pub fn concern(&self) -> bool {
        self.opened
    }
}

impl<P: Ports> Shard<P> {
    pub(super) fn opened(&mut self, invocation: InvocationId, attempt: Attempt, put: Put) {
        if self.executed(invocation.run).is_none_or(|run| run.ended_ms().is_some()) {
            return self.objects.abandon(invocation.run);
        }
        self.streams.opened = true;
        self.take_stream(invocation, InputKind::Opened { invocation, attempt, put });
    }

    /// What was written piece by piece is the object's from now on, if it is the current attempt that says so: another
    /// would end what its successor writes.
    pub(super) fn end_stream(&mut self, report: &mut Report) -> Result<(), Problem> {
        let Report::Closed { invocation, attempt, put } = report else { return Ok(()) };
        let run = self.executed(invocation.run).filter(|run| run.is_current(invocation.seq, *attempt));
        match run.map(Run::app).filter(|_| put.payload.is_open()) {
            Some(app) => self.objects.close(app, invocation.run, put),
            None => Ok(()),
        }
    }

    pub(super) fn closed(&mut self, invocation: InvocationId, attempt: Attempt, mut put: Put) {
        if let Err(problem) = self.make_comparable(invocation, &mut put) {
            return self.fail_attempt(invocation, attempt, stored(&put.payload), &problem);
        }
        let (run, bucket, key) = (invocation.run, put.bucket, put.key.clone());
        let is_current = self.executed(run).is_some_and(|run| run.is_current(invocation.seq, attempt));
        self.take_stream(invocation, InputKind::Closed { invocation, attempt, put });
        self.tell_readers(run, bucket, &key);
        if is_current {
            self.objects.let_go(run, bucket, &key);
        }
        self.release_readers();
    }

    /// Those that read an object while it was written, or wait for a place to do so, are given the whole.
    fn tell_readers(&mut self, key: RunKey, bucket: BucketIx, name: &str) {
        let Some(run) = self.executed(key) else { return };
        let app = (run.app(), run.version());
        let slot = run.object(bucket, name);
        if let Some(slot) = slot.filter(|slot| !slot.released && !slot.object.payload.is_open()) {
            let object = slot.object.clone();
            self.sandboxes.closed(app, key, &object, &mut self.objects);
        }
    }

    /// The reader that a report is of, if it has to wait: its end must not be in the log before the end of what it has
    /// read, which may still be on its way to disk.
    pub(super) fn ends_too_early(&mut self, report: &Report) -> Option<InvocationId> {
        let Report::Completed { invocation, outcome: Outcome::Succeeded { .. }, .. } = report else {
            return None;
        };
        let run = self.durable.run(invocation.run).filter(|_| self.streams.opened)?;
        let is_early = run.reads_open(invocation.seq);
        self.streams.early.extend(is_early.then_some(*invocation));
        is_early.then_some(*invocation)
    }

    /// Something was closed, or an attempt was stopped: readers that waited for it have ended.
    pub(super) fn release_readers(&mut self) {
        std::mem::take(&mut self.streams.early).into_iter().for_each(|of| self.go_on(of, None));
    }

    /// What an attempt is called with, as it is now: an object that was open when the engine asked for the attempt may
    /// have been closed since.
    pub(super) fn refresh(&self, invocation: &mut Invocation) {
        let Arguments::One(object) = &mut invocation.arguments else { return };
        if !object.payload.is_open() {
            return;
        }
        let slot = self.executed(invocation.id.run).and_then(|run| run.object(object.bucket, &object.key));
        // It is released when nobody is to read it any more: then this attempt is about to be stopped.
        if let Some(slot) = slot.filter(|slot| !slot.released) {
            *object = Object::clone(&slot.object);
        }
    }

    fn take_stream(&mut self, invocation: InvocationId, kind: InputKind) {
        match self.express.run(invocation.run).is_some() {
            true => self.apply_express(kind),
            // Refused only when the log is; after recovery the attempt is made again.
            false => drop(self.submit(kind, Priority::Progress)),
        }
    }
}
