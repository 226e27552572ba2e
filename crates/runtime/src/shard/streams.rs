//! Objects that are read while they are written: their beginning and their end are inputs, what is between is not.

use super::Shard;
use super::reports::unkept;
use crate::ports::{Objects, Ports, Sandboxes};
use sluice_engine::{InputKind, Run};
use sluice_storage::log::Priority;
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, Invocation, InvocationId, Outcome, Put, RunKey};

impl<P: Ports> Shard<P> {
    pub(super) fn opened(&mut self, invocation: InvocationId, attempt: Attempt, put: Put) {
        if self.executed(invocation.run).is_none_or(|run| run.ended_ms().is_some()) {
            return self.objects.abandon(invocation.run);
        }
        self.take_stream(invocation, InputKind::Opened { invocation, attempt, put });
    }

    pub(super) fn closed(&mut self, invocation: InvocationId, attempt: Attempt, mut put: Put) {
        let run = self.executed(invocation.run).filter(|run| run.ended_ms().is_none());
        let Some(run) = run else { return self.objects.abandon(invocation.run) };
        let app = (run.app(), run.version());
        let kept = self.objects.close(app.0, invocation.run, &mut put).and_then(|()| {
            match self.express.run(invocation.run).is_some() {
                true => self.make_comparable(invocation, &mut put),
                false => self.objects.persist(&mut put.payload),
            }
        });
        if let Err(problem) = kept {
            return self.completed(invocation, attempt, Outcome::Failed(unkept(&problem)));
        }
        let (bucket, key) = (put.bucket, put.key.clone());
        self.take_stream(invocation, InputKind::Closed { invocation, attempt, put });
        let executed = self.express.run(invocation.run).or_else(|| self.durable.run(invocation.run));
        let slot = executed.and_then(|run| run.object(bucket, &key));
        if let Some(slot) = slot.filter(|slot| !slot.released && !slot.object.payload.is_open()) {
            self.sandboxes.closed(app, invocation.run, &slot.object, &mut self.objects);
        }
    }

    /// What an attempt is called with, as it is now: an object that was open when the engine asked for the attempt may
    /// have been closed since.
    pub(super) fn refresh(&self, invocation: &mut Invocation) {
        let Arguments::One(object) = &mut invocation.arguments else { return };
        if object.payload.is_open()
            && let Some(slot) =
                self.executed(invocation.id.run).and_then(|run| run.object(object.bucket, &object.key))
        {
            *object = slot.object.clone();
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
