//! Objects that are read while they are written: who writes, who waits, and who may begin to read.
//!
//! Readers look at the shared file themselves; the pool only wakes them. A writer says that it has grown when somebody
//! waits, and only then.
//!
//! Invariant: a worker is always left for those who do not wait for others: the attempt that a reader waits for may
//! need it.

use crate::bell::WakeBell;
use crate::pool::{AppId, Pool};
use crate::queue::Waiting;
use crate::seat::Seat;
use crate::wire::AWAITED_AT;
use sluice_objects::{ExtentId, Memory, StreamName};
use sluice_types::invocation::Arguments;
use sluice_types::{Invocation, Object, RunKey};
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

/// What a worker does with open objects.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// It writes this one from now on.
    Writes(StreamName),
    /// What it writes has grown.
    Grown,
    /// It has read so many bytes of this one and wants more.
    Awaits(ExtentId, u64),
}

/// An open object that the call of a seat reads.
#[derive(Debug)]
pub(crate) struct Reading {
    pub name: StreamName,
    pub bell: WakeBell,
    pub waits: bool,
}

/// The open object that an invocation is called with.
pub(crate) fn open_input(invocation: &Invocation) -> Option<StreamName> {
    match &invocation.arguments {
        Arguments::One(object) if object.payload.is_open() => Some(name_of(invocation.id.run, object)),
        _ => None,
    }
}

fn name_of(run: RunKey, object: &Object) -> StreamName {
    StreamName { run, bucket: object.bucket, key: object.key.clone() }
}

impl Pool {
    /// An object that calls were made with while it was open is closed: those that read it see its end, those that
    /// wait for a worker start with the whole of it.
    pub fn closed(&mut self, id: AppId, run: RunKey, object: &Object, memory: &mut Memory) {
        let name = name_of(run, object);
        for seat in self.seats.values_mut() {
            seat.wake_readers(|reading| *reading == name);
        }
        let Some(app) = self.apps.get_mut(&id) else { return };
        let whole = |waiting: &mut Waiting| {
            if open_input(&waiting.invocation).as_ref() == Some(&name) {
                waiting.invocation.arguments = Arguments::One(object.clone());
            }
        };
        let streams = app.program.functions.iter().enumerate().filter(|(_, function)| function.streams);
        for (function, _) in streams {
            app.queue.line_mut(function).for_each(whole);
        }
        let (ready, later): (Vec<_>, Vec<_>) = std::mem::take(&mut app.held_back)
            .into_iter()
            .partition(|(invocation, _)| open_input(invocation).as_ref() == Some(&name));
        app.held_back = later;
        for (mut invocation, run) in ready {
            invocation.arguments = Arguments::One(object.clone());
            app.queue.push(invocation, run);
        }
        self.take_turn(id);
        self.dispatch(memory, Instant::now());
    }

    /// Whether one more call may begin to read an object that is still being written.
    pub(crate) fn may_read_early(&self, id: AppId, function: usize) -> bool {
        let reading = self.seats.values().filter(|seat| !seat.reading.is_empty()).count();
        let queued: usize = self.apps.values().map(|app| app.queue.early_readers()).sum();
        let app = &self.apps[&id];
        let room = app.room(function) as usize;
        reading + queued + 2 <= self.options.workers_max
            && room.saturating_sub(app.queue.waiting(function)) > 1
    }

    /// Does what a worker has said about open objects.
    pub(crate) fn heed(&mut self, key: u32, memory: &Memory) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        for word in std::mem::take(&mut seat.words) {
            match word {
                Word::Writes(name) => {
                    let waits = |reading: &Reading| reading.waits && reading.name == name;
                    let is_awaited = self.seats.values().any(|seat| seat.reading.values().any(waits));
                    if let Some(seat) = self.seats.get(&key).filter(|_| is_awaited) {
                        seat.slot.set_number(AWAITED_AT, 1);
                    }
                }
                Word::Grown => self.grown(key),
                Word::Awaits(extent, seen) => self.awaits(key, extent, seen, memory),
            }
        }
    }

    fn grown(&mut self, writer: u32) {
        let Some(seat) = self.seats.get_mut(&writer) else { return };
        // Whoever waits from now on asks anew.
        seat.slot.set_number(AWAITED_AT, 0);
        let written = std::mem::take(&mut seat.writing);
        for seat in self.seats.values_mut() {
            seat.wake_readers(|reading| written.values().any(|name| name == reading));
        }
        if let Some(seat) = self.seats.get_mut(&writer) {
            seat.writing = written;
        }
    }

    fn awaits(&mut self, reader: u32, extent: ExtentId, seen: u64, memory: &Memory) {
        let Some(seat) = self.seats.get_mut(&reader) else { return };
        let Some(reading) = seat.reading.get_mut(&extent) else { return };
        reading.waits = true;
        let name = reading.name.clone();
        let writes = |seat: &&Seat| seat.writing.values().any(|written| *written == name);
        if let Some(writer) = self.seats.values().find(writes) {
            writer.slot.set_number(AWAITED_AT, 1);
        }
        // The writer grows the file before it looks whether it is awaited; we look at the file after saying so.
        fence(Ordering::SeqCst);
        let there = memory.stream_len(&name).ok().flatten();
        let Some(seat) = self.seats.get_mut(&reader) else { return };
        // Whoever is cancelled between two waits finds out by the second, which nothing else might end.
        let is_cancelled = seat.current.as_ref().is_some_and(|current| current.cancelled);
        if is_cancelled || there.is_none_or(|len| len > seen) {
            seat.wake_readers(|reading| *reading == name);
        }
    }
}

impl Seat {
    /// Wakes the call where it waits for open objects whose name `matches`.
    pub fn wake_readers(&mut self, matches: impl Fn(&StreamName) -> bool) {
        for reading in self.reading.values_mut().filter(|reading| reading.waits && matches(&reading.name)) {
            reading.waits = false;
            // It fails only for a worker that has filled up its own bell, and that need not wait for it.
            let _ = reading.bell.ring(1);
        }
    }
}
