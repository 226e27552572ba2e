//! Attempts on their way: what each still has to report.

use super::World;
use crate::behaviour::{Call, Reaction};
use bytes::Bytes;
use sluice_engine::InputKind;
use sluice_types::invocation::{Emission, ReturnValue};
use sluice_types::{
    Attempt, ContentType, Failure, FailureKind, Invocation, InvocationId, ObjectId, Outcome, Payload,
    Program, Put,
};
use std::sync::Arc;

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    attempt: Attempt,
    arguments: Vec<ObjectId>,
    stopped: bool,
    reaction: Reaction,
    reported: usize,
}

impl Flight {
    /// Whether it may still read the bytes of that object.
    pub fn uses(&self, id: ObjectId) -> bool {
        !self.stopped && self.arguments.contains(&id)
    }
}

impl World {
    pub(super) fn take_off(&mut self, invocation: Invocation) {
        let call = self.call(&invocation);
        let id = invocation.id;
        let known = self.calls.iter().rev().find(|(seen, _)| *seen == id);
        match known {
            None => self.calls.push((id, call.clone())),
            Some((_, before)) => {
                assert_eq!(
                    Call { attempt: before.attempt, ..call.clone() },
                    *before,
                    "an attempt sees what the first saw"
                );
            }
        }
        let body =
            self.functions.get(&call.function).unwrap_or_else(|| panic!("what does {} do?", call.function));
        let reaction = self.disturbed(&invocation, body.clone()(&call));
        let stored = |object: &sluice_types::Object| match object.payload {
            Payload::Stored { id, .. } => Some(id),
            Payload::Inline(_) | Payload::Open { .. } => None,
        };
        let arguments = invocation.arguments.objects().iter().filter_map(stored).collect();
        let flight = Flight { attempt: invocation.attempt, arguments, stopped: false, reaction, reported: 0 };
        if let Some(before) = self.flights.insert(id, flight) {
            assert!(before.stopped && before.attempt < invocation.attempt, "{id} is asked for while it runs");
        }
    }

    /// Perhaps crashes an attempt after some of its puts, if there is another one.
    fn disturbed(&mut self, invocation: &Invocation, mut reaction: Reaction) -> Reaction {
        let run = self.engine.run(invocation.id.run).expect("it was just asked for");
        let attempts = run.program().functions[invocation.function.index()].retry.attempts;
        if invocation.attempt.0 < attempts && self.rng.chance(self.faults.crash_attempts) {
            reaction.early.truncate(self.rng.below(reaction.early.len() + 1));
            reaction.fails = Some(FailureKind::Crashed);
        }
        reaction
    }

    pub(super) fn stop(&mut self, id: InvocationId, attempt: Attempt) {
        self.stopped.push(id);
        let flight = self.flights.get_mut(&id).filter(|flight| flight.attempt == attempt);
        if let Some(flight) = flight {
            assert!(!flight.stopped, "{id} is stopped twice");
            flight.stopped = true;
            if !self.rng.chance(self.faults.disobedience) {
                self.flights.remove(&id);
            }
        }
    }

    pub(super) fn landed(&mut self, id: InvocationId, attempt: Attempt) {
        if self.flights.get(&id).is_some_and(|flight| flight.attempt == attempt) {
            self.flights.remove(&id);
        }
    }

    /// The attempt reports the next thing that it does.
    pub(super) fn fly(&mut self, id: InvocationId) {
        let flight = self.flights.get_mut(&id).expect("the caller found it");
        let attempt = flight.attempt;
        if let Some(put) = flight.reaction.early.get(flight.reported).cloned() {
            flight.reported += 1;
            if let Some(put) = self.put(id, put) {
                self.submit(InputKind::Output { invocation: id, attempt, put });
            }
            return;
        }
        let reaction = flight.reaction.clone();
        let outcome = self.outcome(id, &reaction);
        self.submit(InputKind::Completed { invocation: id, attempt, outcome });
        if self.rng.chance(self.faults.duplicates) {
            let outcome = self.outcome(id, &reaction);
            let stale = Attempt(self.rng.between(1, attempt.0 as usize) as u32);
            self.submit_stale(id, stale, outcome);
        }
    }

    /// Submits a completion that cannot count any more.
    fn submit_stale(&mut self, id: InvocationId, attempt: Attempt, outcome: Outcome) {
        let before = self.flights.get(&id).map(|flight| flight.attempt);
        assert!(before.is_none_or(|current| current > attempt), "it is stale");
        self.submit(InputKind::Completed { invocation: id, attempt, outcome });
    }

    fn outcome(&mut self, id: InvocationId, reaction: &Reaction) -> Outcome {
        if let Some(kind) = reaction.fails {
            let (r#type, message, stack) = (format!("{kind:?}"), "on purpose".to_owned(), String::new());
            return Outcome::Failed(Failure { kind, r#type, message, stack });
        }
        let puts = reaction.late.iter().filter_map(|put| self.put(id, put.clone())).map(Box::new).collect();
        let value = reaction.value.clone().map(|bytes| {
            // What a workflow looks into comes with the record, as the runtime has it.
            let is_read = self.engine.run(id.run).is_some_and(|run| run.answers_to_steps(id.seq));
            let payload = if is_read { Payload::Inline(bytes) } else { self.payload(bytes) };
            ReturnValue { content_type: reaction.content_type.clone(), payload }
        });
        let emission = |name: &String| Emission {
            r#type: name.as_str().into(),
            subject: None,
            content_type: ContentType::Bytes,
            data: Bytes::new(),
        };
        Outcome::Succeeded { puts, value, emits: reaction.emits.iter().map(emission).collect() }
    }

    /// `None` when the run is gone: nobody could name its buckets.
    fn put(&mut self, id: InvocationId, put: (String, String, Bytes, Option<String>)) -> Option<Put> {
        let (bucket, key, bytes, group) = put;
        let program: Arc<Program> = self.engine.run(id.run)?.program().clone();
        let bucket = program.bucket(&bucket).unwrap_or_else(|| panic!("there is no bucket {bucket}"));
        let payload = self.payload(bytes);
        let (key, group) = (key.into(), group.map(Into::into));
        Some(Put { bucket, key, content_type: ContentType::Bytes, payload, group, meta: None })
    }
}
