//! Objects that others read while they are written.
//!
//! An opened object has its slot, and its key is taken; who takes it early is started on it. Everybody else sees it when
//! it is closed. A further attempt of the function that opened it goes on with the same object: its bytes so far must be
//! repeated, which the writer checks. When there is no further attempt, those that read it fail.

use super::pending::Pending;
use super::put::{Placed, commits, failure};
use super::{Cx, Run};
use crate::effect::Effect;
use crate::objects::Owner;
use sluice_types::{Attempt, Failure, FailureKind, Put};

impl Run {
    /// An attempt opens an object. Of one that it has opened or put before nothing is to be seen.
    pub(crate) fn open_by(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, put: Put) {
        self.take_from(cx, seq, attempt, put, |run, cx, function, put| {
            let found = run.objects.find(put.bucket, &put.key).map(|at| run.objects.slot(at).owner);
            if commits(cx, function) || found == Some(Owner::Invocation(seq)) {
                return Ok(Placed::Hidden);
            }
            Ok(run.place(cx, seq, function, put)?.map_or(Placed::Hidden, Placed::Opened))
        });
    }

    /// An attempt has written an object to its end.
    pub(crate) fn close_by(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, put: Put) {
        let opened = self.objects.find(put.bucket, &put.key).filter(|at| {
            let slot = self.objects.slot(*at);
            slot.owner == Owner::Invocation(seq) && slot.object.payload.is_open()
        });
        let Some(at) = opened else { return self.put_by(cx, seq, attempt, put) };
        self.take_from(cx, seq, attempt, put, |run, _, _, put| {
            run.objects.close(at, put);
            Ok(Placed::Closed(at))
        });
    }

    /// Whether an invocation was started on an object that is still being written.
    pub fn reads_open(&self, seq: u32) -> bool {
        let mut reads = false;
        if let Some(pending) = self.pending.get(seq) {
            pending.items.each(&mut |at| reads |= self.objects.slot(at).object.payload.is_open());
        }
        reads
    }

    /// Whether this is the attempt of an invocation that the runtime has: what others report is discarded.
    pub fn is_current(&self, seq: u32, attempt: Attempt) -> bool {
        self.pending.get(seq).is_some_and(|pending| pending.is_current(attempt))
    }

    /// Whether an attempt that succeeded has closed what it opened.
    pub(super) fn check_closed(&self, pending: &Pending) -> Result<(), Failure> {
        let mut slots = pending.puts.iter().map(|at| &self.objects.slot(*at).object);
        slots.find(|object| object.payload.is_open()).map_or(Ok(()), |object| {
            let message =
                format!("the function ended without closing the object {:?} that it opened", object.key);
            Err(failure(FailureKind::Raised, "StreamNotClosed", message))
        })
    }

    /// Of an object that its function will not close nothing is needed any more.
    pub(super) fn abandon(&self, cx: &mut Cx<'_>, at: u32) {
        let object = &self.objects.slot(at).object;
        if object.payload.is_open() {
            let (bucket, key) = (object.bucket, object.key.clone());
            cx.effects.push(Effect::Abandon { run: self.key, bucket, key });
        }
    }

    /// What a function opened and will never close, because of `cause`: those that read it fail.
    pub(super) fn break_streams(&mut self, cx: &mut Cx<'_>, pending: &Pending, cause: &str) {
        for &at in pending.puts.iter() {
            if !self.objects.slot(at).object.payload.is_open() {
                continue;
            }
            let reads = |(_, reader): &(u32, &Pending)| {
                let mut reads = false;
                reader.items.each(&mut |item| reads |= item == at);
                reads
            };
            for seq in self.pending.iter().filter(reads).map(|(seq, _)| seq).collect::<Vec<_>>() {
                self.break_reader(cx, seq, at, cause);
            }
        }
    }

    fn break_reader(&mut self, cx: &mut Cx<'_>, seq: u32, at: u32, cause: &str) {
        // The failure of one reader may have ended the run, or another.
        let Some(reader) = self.pending.remove(seq) else { return };
        self.take_back(cx, seq, &reader);
        let key = &self.objects.slot(at).object.key;
        let message = format!("the object {key:?} that it reads will not be finished: {cause}");
        self.exhausted(cx, seq, reader, failure(FailureKind::Raised, "StreamBroken", message));
    }
}
