//! Objects that clients and functions put into a run.

use super::{Cx, HistoryKind, Run};
use crate::effect::{Effect, Reply};
use crate::objects::{Owner, Present, Slot, same_bytes};
use sluice_types::{
    Attempt, BucketIx, Code, Failure, FailureKind, FunctionIx, InvocationId, Object, Payload, Problem,
    Program, Put, Visibility, limits,
};

/// What became of an object that an attempt brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Nobody sees anything new.
    Hidden,
    /// It is in this slot.
    Whole(u32),
    /// It is in this slot and still being written.
    Opened(u32),
    /// The object that was opened in this slot is whole.
    Closed(u32),
}

impl Run {
    /// A client puts an object.
    pub(crate) fn client_put(&mut self, cx: &mut Cx<'_>, object: Object) -> Reply {
        if let Some(problem) = self.refusal(&object) {
            discard(&object.payload, cx.effects);
            return Reply::Rejected(Box::new(problem));
        }
        match self.objects.present(Owner::Client, object.bucket, &object.key, &object.payload) {
            Present::Nothing => {
                let at = self.objects.push(Slot::new(object, Owner::Client, None, true));
                self.show(cx, Placed::Whole(at));
                self.settle(cx);
                Reply::Accepted
            }
            Present::Same { shares_payload } => {
                if !shares_payload {
                    discard(&object.payload, cx.effects);
                }
                Reply::Unchanged
            }
            Present::Differs | Present::Taken => {
                discard(&object.payload, cx.effects);
                Reply::Rejected(Box::new(Problem::new(
                    Code::OBJECT_CONFLICT,
                    "this key already holds another object of the run",
                    "objects are immutable: put under another key, or start another run",
                )))
            }
        }
    }

    /// A client puts too late. Of a run that has failed before it had all its inputs, it is to be told why.
    fn ended_before_put(&self) -> Problem {
        let (mut message, mut fix) =
            (format!("run {} has ended", self.id), "start another run for this object");
        if let Some(error) = self.error.as_deref().filter(|error| !error.fix.is_empty()) {
            message = format!("{message} before this object came: {}", error.message);
            fix = &*error.fix;
        }
        Problem::new(Code::RUN_ENDED, message, fix)
    }

    /// Why a client may not put this. What is here already may always be put again.
    fn refusal(&self, object: &Object) -> Option<Problem> {
        if self.objects.find(object.bucket, &object.key).is_some() {
            return None;
        }
        if !self.is_running() {
            return Some(self.ended_before_put());
        }
        if self.sealed {
            let message = format!("run {} is sealed: it has all its inputs", self.id);
            let fix = "start the run with \"seal\": false and seal it when the last object is in";
            return Some(Problem::new(Code::RUN_SEALED, message, fix));
        }
        if self.objects.slots().len() >= limits::RUN_OBJECTS_MAX {
            let message =
                format!("run {} holds {} objects, the most a run may", self.id, limits::RUN_OBJECTS_MAX);
            return Some(Problem::new(Code::LIMIT_EXCEEDED, message, "spread the objects over several runs"));
        }
        None
    }

    /// See [`crate::Engine::learn_payload`].
    pub(crate) fn learn_payload(&mut self, bucket: BucketIx, key: &str, payload: Payload) {
        self.objects.learn_payload(bucket, key, payload);
    }

    /// Takes an object that a firing brings into the run, held once by that firing. Nobody finds it by its key: it
    /// comes from another run, or is an event.
    pub(super) fn adopt(&mut self, object: Object) -> u32 {
        let at = self.objects.push(Slot::new(object, Owner::Firing, None, true));
        self.objects.hold(at, 1);
        at
    }

    /// An attempt puts an object while it runs.
    pub(crate) fn put_by(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, put: Put) {
        self.take_from(cx, seq, attempt, put, |run, cx, function, put| {
            if commits(cx, function) {
                run.pending.get_mut(seq).expect("it is current").held.push(Box::new(put));
                return Ok(Placed::Hidden);
            }
            Ok(run.place(cx, seq, function, put)?.map_or(Placed::Hidden, Placed::Whole))
        });
    }

    /// An attempt brings an object, whole or opened: `place` gives it its slot, and whoever waits for it sees it.
    pub(super) fn take_from(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        attempt: Attempt,
        put: Put,
        place: impl FnOnce(&mut Self, &mut Cx<'_>, FunctionIx, Put) -> Result<Placed, Failure>,
    ) {
        let current = self.pending.get(seq).filter(|pending| pending.is_current(attempt));
        let Some(function) = current.map(|pending| pending.function) else {
            discard(&put.payload, cx.effects);
            self.record(cx, HistoryKind::PutDiscarded { invocation: seq });
            return;
        };
        let placed = match self.check_put(cx, function, &put) {
            Ok(()) => place(self, cx, function, put),
            Err(failure) => {
                discard(&put.payload, cx.effects);
                Err(failure)
            }
        };
        match placed {
            Ok(placed) => {
                if let Placed::Whole(at) | Placed::Opened(at) = placed {
                    self.pending.get_mut(seq).expect("it is current").puts.push(at);
                }
                self.show(cx, placed);
            }
            Err(failure) => {
                cx.effects.push(Effect::Stop { invocation: InvocationId { run: self.key, seq }, attempt });
                let pending = self.pending.remove(seq).expect("it is current");
                self.failed(cx, seq, pending, failure);
            }
        }
        self.settle(cx);
    }

    /// Gives an object its slot, but does not show it to anybody yet. `None` when it had one already.
    pub(super) fn place(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        function: FunctionIx,
        put: Put,
    ) -> Result<Option<u32>, Failure> {
        let bucket = &cx.compiled.program.buckets[put.bucket.index()];
        let present = self.objects.present(Owner::Invocation(seq), put.bucket, &put.key, &put.payload);
        if !matches!(present, Present::Nothing | Present::Same { shares_payload: true }) {
            discard(&put.payload, cx.effects);
        }
        match present {
            Present::Nothing => {
                let keep = put.bucket == Program::OUTPUT || bucket.keep;
                let slot = Slot::new(put, Owner::Invocation(seq), Some(function), keep);
                Ok(Some(self.objects.push(slot)))
            }
            Present::Same { .. } => Ok(None),
            Present::Differs => Err(unrepeatable(&put.key, &bucket.name)),
            Present::Taken => Err(taken(&put.key, &bucket.name)),
        }
    }

    /// Whether a function may put this at all.
    pub(super) fn check_put(&self, cx: &Cx<'_>, function: FunctionIx, put: &Put) -> Result<(), Failure> {
        let program = cx.program();
        if put.bucket.index() >= program.buckets.len() {
            let message = "the worker named a bucket that is not there";
            return Err(failure(FailureKind::Protocol, "UnknownBucket", message));
        }
        if !cx.compiled.may_put(function, put.bucket) {
            let bucket = &program.buckets[put.bucket.index()].name;
            let name = &program.functions[function.index()].name;
            let message = format!(
                "function {name:?} put to bucket {bucket:?}, which its into= does not name; add it to into="
            );
            return Err(failure(FailureKind::UndeclaredPut, "UndeclaredPut", message));
        }
        if put.key.is_empty() || put.key.len() > limits::KEY_BYTES_MAX {
            let message =
                format!("a key has 1 to {} bytes, this one {}", limits::KEY_BYTES_MAX, put.key.len());
            return Err(failure(FailureKind::Limit, "KeyLength", message));
        }
        if self.objects.slots().len() >= limits::RUN_OBJECTS_MAX {
            let message = format!("a run holds at most {} objects", limits::RUN_OBJECTS_MAX);
            return Err(failure(FailureKind::Limit, "RunObjects", message));
        }
        Ok(())
    }

    /// Whether all that an attempt held back can become visible: all of it does, or nothing.
    pub(super) fn check_commit(&self, cx: &Cx<'_>, seq: u32, puts: &[Box<Put>]) -> Result<(), Failure> {
        let name = |put: &Put| &cx.compiled.program.buckets[put.bucket.index()].name;
        let mut sorted: Vec<&Put> = puts.iter().map(Box::as_ref).collect();
        sorted.sort_by(|a, b| (a.bucket, &a.key).cmp(&(b.bucket, &b.key)));
        for pair in sorted.windows(2) {
            let same_key = pair[0].bucket == pair[1].bucket && pair[0].key == pair[1].key;
            if same_key && !same_bytes(&pair[0].payload, &pair[1].payload) {
                return Err(unrepeatable(&pair[0].key, name(pair[0])));
            }
        }
        let foreign = |put: &&&Put| {
            let found = self.objects.find(put.bucket, &put.key);
            found.is_some_and(|at| self.objects.slot(at).owner != Owner::Invocation(seq))
        };
        sorted.iter().find(foreign).map_or(Ok(()), |put| Err(taken(&put.key, name(put))))
    }
}

/// Whether a function's puts stay hidden until the attempt succeeds.
pub(super) fn commits(cx: &Cx<'_>, function: FunctionIx) -> bool {
    cx.program().functions[function.index()].visibility == Visibility::Commit
}

fn unrepeatable(key: &str, bucket: &str) -> Failure {
    let message = format!(
        "output not repeatable: other bytes were put before under key {key:?} of bucket {bucket:?}; \
         make the function deterministic or give it visibility=\"commit\""
    );
    failure(FailureKind::Conflict, "OutputNotRepeatable", message)
}

fn taken(key: &str, bucket: &str) -> Failure {
    let message = format!(
        "key {key:?} of bucket {bucket:?} belongs to another invocation or to a client of this run; \
         put under a key of its own, for example one made from the input's key"
    );
    failure(FailureKind::Conflict, "OutputKeyTaken", message)
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
