//! Objects arriving in a run.

use super::{Cx, HistoryKind, Outgoing, Pending, Run};
use crate::condition::{Arrival, Firings};
use crate::effect::{Effect, Reply};
use crate::objects::{Inserted, Owner, Slot};
use sluice_types::{
    Code, Failure, FailureKind, FunctionIx, Object, Payload, Problem, Program, Put, Scope, Visibility, limits,
};

impl Run {
    /// A client puts an object.
    pub(crate) fn client_put(&mut self, cx: &mut Cx<'_>, object: Object) -> Reply {
        if let Err(problem) = self.accepts_puts(&object) {
            discard(&object.payload, cx.effects);
            return Reply::Rejected(problem);
        }
        let payload = object.payload.clone();
        let slot = Slot { object, owner: Owner::Client, function: None, uses: 0, keep: true, released: false };
        match self.objects.insert(slot) {
            Inserted::New(at) => {
                self.arrived(cx, at);
                self.settle(cx);
                Reply::Accepted
            }
            Inserted::Same => {
                discard(&payload, cx.effects);
                Reply::Unchanged
            }
            Inserted::Differs | Inserted::Taken => {
                discard(&payload, cx.effects);
                Reply::Rejected(Problem::new(
                    Code::OBJECT_CONFLICT,
                    "this key already holds another object of the run",
                    "objects are immutable: put under another key, or start another run",
                ))
            }
        }
    }

    fn accepts_puts(&self, object: &Object) -> Result<(), Problem> {
        if self.sealed && self.objects.find(object.bucket, &object.key).is_none() {
            return Err(match self.is_running() {
                true => Problem::new(
                    Code::RUN_SEALED,
                    format!("run {} is sealed: it has all its inputs", self.id),
                    "start the run with \"seal\": false and seal it when the last object is in",
                ),
                false => Problem::new(
                    Code::RUN_ENDED,
                    format!("run {} has ended", self.id),
                    "start another run for this object",
                ),
            });
        }
        Ok(())
    }

    /// Takes an object as an input of the run, without asking whether its key is free.
    pub(super) fn adopt(&mut self, object: Object) -> u32 {
        self.objects.push(Slot {
            object,
            owner: Owner::Client,
            function: None,
            uses: 0,
            keep: true,
            released: false,
        })
    }

    /// An invocation puts an object. A failure is about the invocation and final.
    pub(super) fn output(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        pending: &mut Pending,
        put: Put,
    ) -> Result<(), Failure> {
        let function = pending.function;
        let checked = check_put(cx, function, &put);
        if checked.is_err() {
            discard(&put.payload, cx.effects);
            return checked;
        }
        if cx.program().functions[function.index()].visibility == Visibility::Commit {
            pending.held.push(put);
            return Ok(());
        }
        self.publish(cx, seq, pending, put)
    }

    /// Makes a put visible.
    pub(super) fn publish(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        pending: &mut Pending,
        put: Put,
    ) -> Result<(), Failure> {
        let (bucket, key, payload) = (put.bucket, put.key.clone(), put.payload.clone());
        let keep = bucket == Program::OUTPUT || cx.program().buckets[bucket.index()].keep;
        let inserted = self.objects.insert(Slot {
            object: put.into(),
            owner: Owner::Invocation(seq),
            function: Some(pending.function),
            uses: 0,
            keep,
            released: false,
        });
        match inserted {
            Inserted::New(at) => {
                pending.puts.push(at);
                self.arrived(cx, at);
                return Ok(());
            }
            Inserted::Same => {
                discard(&payload, cx.effects);
                return Ok(());
            }
            Inserted::Differs | Inserted::Taken => discard(&payload, cx.effects),
        }
        let bucket = &cx.program().buckets[bucket.index()].name;
        let message = match inserted {
            Inserted::Differs => format!(
                "output not repeatable: an earlier attempt put other bytes under key {key:?} of bucket {bucket:?}; \
                 make the function deterministic or give it visibility=\"commit\""
            ),
            _ => format!(
                "key {key:?} of bucket {bucket:?} belongs to another invocation of this run; \
                 put under a key of its own, for example one made from the input's key"
            ),
        };
        Err(failure(FailureKind::Conflict, "OutputConflict", message))
    }

    /// Shows an object that has just got its slot to everything that listens to its bucket.
    pub(super) fn arrived(&mut self, cx: &mut Cx<'_>, at: u32) {
        if self.delegated {
            return;
        }
        self.record(cx, HistoryKind::ObjectPut { slot: at });
        let bucket = self.objects.slot(at).object.bucket;
        if !cx.compiled.listeners(Scope::App, bucket).is_empty() {
            self.objects.hold(at);
            self.send(cx, Outgoing::Object(at));
        }
        for index in 0..cx.compiled.listeners(Scope::Run, bucket).len() {
            let trigger_ix = cx.compiled.listeners(Scope::Run, bucket)[index];
            let condition = &cx.compiled.program.triggers[trigger_ix.index()].condition;
            let slot = self.objects.slot(at);
            let arrival = Arrival {
                item: at,
                object: &slot.object,
                bucket_name: &cx.compiled.program.buckets[bucket.index()].name,
                from: slot.function,
                now_ms: cx.now_ms,
                scope: Scope::Run,
            };
            let mut firings = Firings::new();
            let state = &mut self.triggers[trigger_ix.index()].state;
            let held = state.arrive(condition, &arrival, cx.eval, &mut firings);
            (0..held).for_each(|_| self.objects.hold(at));
            self.fire_all(cx, trigger_ix, firings);
        }
    }
}

fn check_put(cx: &Cx<'_>, function: FunctionIx, put: &Put) -> Result<(), Failure> {
    let program = cx.program();
    let name = &program.functions[function.index()].name;
    if put.bucket.index() >= program.buckets.len() {
        return Err(failure(FailureKind::Protocol, "UnknownBucket", "the worker named a bucket that is not there"));
    }
    if !cx.compiled.may_put(function, put.bucket) {
        let bucket = &program.buckets[put.bucket.index()].name;
        return Err(failure(
            FailureKind::UndeclaredPut,
            "UndeclaredPut",
            format!("function {name:?} put to bucket {bucket:?}, which its into= does not name; add it to into="),
        ));
    }
    if put.key.is_empty() || put.key.len() > limits::KEY_BYTES_MAX {
        return Err(failure(
            FailureKind::Limit,
            "KeyLength",
            format!("a key has 1 to {} bytes, this one {}", limits::KEY_BYTES_MAX, put.key.len()),
        ));
    }
    Ok(())
}

pub(super) fn failure(kind: FailureKind, r#type: &str, message: impl Into<String>) -> Failure {
    Failure { kind, r#type: r#type.into(), message: message.into(), stack: String::new() }
}

/// Lets the runtime free bytes that no object took.
pub(crate) fn discard(payload: &Payload, effects: &mut Vec<Effect>) {
    if let Payload::Stored { id, .. } = payload {
        effects.push(Effect::Release(*id));
    }
}
