//! Objects that are read while they are written: their beginning and their end are inputs, what is between is not.

use super::Shard;
use super::reports::unkept;
use crate::ports::{Objects, Ports, Report, Sandboxes};
use sluice_engine::{InputKind, Run};
use sluice_storage::log::Priority;
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, Invocation, InvocationId, Object, Outcome, Problem, Put, RunKey};

impl<P: Ports> Shard<P> {
    pub(super) fn opened(&mut self, invocation: InvocationId, attempt: Attempt, put: Put) {
        if self.executed(invocation.run).is_none_or(|run| run.ended_ms().is_some()) {
            return self.objects.abandon(invocation.run);
        }
        self.saves.opened = true;
        self.take_stream(invocation, InputKind::Opened { invocation, attempt, put });
    }

    /// What was written piece by piece is the object's from now on.
    pub(super) fn end_stream(&mut self, of: InvocationId, report: &mut Report) -> Result<(), Problem> {
        let Report::Closed { put, .. } = report else { return Ok(()) };
        let app = self.executed(of.run).filter(|run| run.ended_ms().is_none()).map(Run::app);
        match app.filter(|_| put.payload.is_open()) {
            Some(app) => self.objects.close(app, of.run, put),
            None => Ok(()),
        }
    }

    pub(super) fn closed(&mut self, invocation: InvocationId, attempt: Attempt, mut put: Put) {
        let Some(run) = self.executed(invocation.run) else { return };
        let app = (run.app(), run.version());
        if let Err(problem) = self.make_comparable(invocation, &mut put) {
            return self.completed(invocation, attempt, Outcome::Failed(unkept(&problem)));
        }
        let (bucket, key) = (put.bucket, put.key.clone());
        self.take_stream(invocation, InputKind::Closed { invocation, attempt, put });
        let slot = self.executed(invocation.run).and_then(|run| run.object(bucket, &key));
        if let Some(object) = slot.filter(|slot| !slot.released && !slot.object.payload.is_open()) {
            let object = object.object.clone();
            self.sandboxes.closed(app, invocation.run, &object, &mut self.objects);
        }
        self.release_readers();
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

    /// A run as the engine that executes it knows it.
    fn executed(&self, run: RunKey) -> Option<&Run> {
        self.express.run(run).or_else(|| self.durable.run(run))
    }
}
