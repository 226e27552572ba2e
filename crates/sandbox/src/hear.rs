//! What workers say, and what follows from it.

use crate::affinity::Cores;
use crate::current::conclude;
use crate::event::{SandboxEvent, Stream};
use crate::failure::protocol;
use crate::inbox::{self, Message};
use crate::limits::{EMITS_MAX, SHORT_CALL};
use crate::pool::{Pool, Tick};
use crate::record::{Place, Record};
use crate::seat::{Seat, State, unpin};
use crate::streams::Word;
use crate::wire::{ANNOUNCED_AT, FLUSHED, HURRY_AT, MESSAGES_AT, MESSAGES_BYTES, NO_BUCKET, RUNG_AT};
use bytes::Bytes;
use sluice_objects::{Memory, StreamName};
use sluice_types::invocation::Emission;
use sluice_types::limits::{INLINE_BYTES_MAX, KEY_BYTES_MAX};
use sluice_types::object::Meta;
use sluice_types::{BucketIx, Failure, Outcome, Payload, Program, Put, ReturnValue};
use smallvec::SmallVec;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How many bells may come late once something was heard before its own: one that was found with others and is not
/// attended to yet, and one rung since.
const LATE_BELLS_MAX: u8 = 2;
const TOO_FAR: &str = "it signalled more than its message area holds";

impl Pool {
    /// Reads all that a worker has signalled.
    pub(crate) fn hear_seat(&mut self, key: u32, tick: &mut Tick<'_>) {
        self.hear_call(key, tick);
        // What follows is of the calls that it was given ahead.
        while self.seats.get(&key).is_some_and(|seat| !seat.unread.is_empty()) {
            self.hear_call(key, tick);
        }
    }

    /// Reads all that a worker has signalled, now that its bell was found rung.
    pub(crate) fn hear_bell(&mut self, key: u32, tick: &mut Tick<'_>) {
        self.hear_seat(key, tick);
        if let Some(seat) = self.seats.get_mut(&key) {
            seat.late_bells = seat.late_bells.saturating_sub(1);
        }
    }

    /// Reads what a worker has signalled of the call that runs.
    fn hear_call(&mut self, key: u32, tick: &mut Tick<'_>) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        if seat.is_dying() && seat.current.is_none() {
            // Nobody is interested any more.
            seat.unread.clear();
            let _ = seat.reply_bell.take();
            return;
        }
        let program = self.apps.get(&seat.app).map(|app| Arc::clone(&app.program));
        let heard = program
            .ok_or("its app is gone")
            .and_then(|program| seat.hear(&program, tick.memory, tick.events));
        self.heed(key, tick.memory);
        match heard {
            Ok(None) => {}
            Ok(Some(outcome)) => {
                // Output that was written before the signal that is attended to is ready with it and was read before it.
                // Otherwise, or with more descriptors ready than fit one look, it may still be in the pipes; but a worker
                // that was given more has seen to it that what this call printed was read.
                let lags =
                    |seat: &Seat| seat.ahead.is_empty() && (seat.late_bells > 0 || self.ready.was_full);
                if self.seats.get(&key).is_some_and(lags) {
                    self.hear_output(key, Stream::Stdout, tick);
                    self.hear_output(key, Stream::Stderr, tick);
                }
                self.call_ended(key, outcome, tick);
            }
            Err(what) => {
                if let Some(seat) = self.seats.get_mut(&key) {
                    seat.condemn(protocol(what), tick.now);
                }
            }
        }
    }

    /// Hears what calls have put without ringing for it that run longer than short ones do, and lets them use all cores
    /// if there are others.
    pub(crate) fn look_after_long_calls(&mut self, tick: &mut Tick<'_>) {
        let is_due = |seat: &Seat| {
            // What it has announced is heard before it is late.
            seat.state == State::Busy && seat.deadline().is_some_and(|at| tick.now >= at)
        };
        let due: Vec<u32> = self.seats.iter().filter(|(_, seat)| is_due(seat)).map(|(key, _)| *key).collect();
        for key in due {
            let is_busy = |(other, seat): (&u32, &Seat)| *other != key && seat.state == State::Busy;
            let is_alone = !self.seats.iter().any(is_busy);
            let seat = self.seats.get_mut(&key).expect("it was just found");
            if !is_alone {
                seat.run_on(Cores::All);
            }
            seat.look_after(tick.now);
            self.hear_announced(key, tick);
            if self.seats.get(&key).is_some_and(|seat| seat.current.as_ref().is_some_and(|call| call.is_long))
            {
                self.take_back(key, tick.now);
            }
        }
    }

    /// Reads all that a worker has signalled, and what it has announced only.
    pub(crate) fn hear_announced(&mut self, key: u32, tick: &mut Tick<'_>) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        seat.late_bells = LATE_BELLS_MAX;
        self.hear_seat(key, tick);
        let Some(seat) = self.seats.get_mut(&key) else { return };
        if let Err(what) = seat.take_announced() {
            return seat.condemn(protocol(what), tick.now);
        }
        if !seat.unread.is_empty() {
            self.hear_seat(key, tick);
        }
    }

    /// A worker has finished its call and is free for another.
    fn call_ended(&mut self, key: u32, outcome: Outcome, tick: &mut Tick<'_>) {
        let seat = self.seats.get_mut(&key).expect("the call ended in it");
        let Some(current) = seat.take_current(tick.memory) else { return };
        let outcome = match (current.verdict.clone(), current.cancelled) {
            (_, true) => Outcome::Cancelled,
            (Some(failure), _) => Outcome::Failed(failure),
            (None, false) => outcome,
        };
        let (dying, goes_on) = (seat.is_dying(), !seat.ahead.is_empty());
        let idle = !dying && !goes_on;
        if idle {
            seat.state = State::Idle;
            seat.idle_since = tick.now;
        }
        let (app, class) = (seat.app, seat.class);
        if let Some(app) = self.apps.get_mut(&app) {
            app.running[current.function.index()] -= 1;
            let took = if current.is_chatty {
                SHORT_CALL
            } else {
                tick.now.saturating_duration_since(current.began)
            };
            app.learn(current.function.index(), took);
            if idle {
                app.classes[class].idle.push(key);
            }
        }
        conclude(current, outcome, tick.events);
        if goes_on && !dying {
            self.go_on(key, tick);
        }
    }

    /// Takes what a process printed.
    pub(crate) fn hear_output(&mut self, key: u32, stream: Stream, tick: &mut Tick<'_>) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let open = match seat.ahead.is_empty() {
            true => seat.hear_output(stream, tick.events),
            false => self.hear_output_ahead(key, stream, tick),
        };
        let Some(seat) = self.seats.get(&key) else { return };
        if !open {
            let pipe = if stream == Stream::Stdout { &seat.capture.stdout } else { &seat.capture.stderr };
            self.ready.remove(pipe);
        }
    }
}

impl Seat {
    /// Takes what the process printed, for the call that runs; whether more may follow.
    fn hear_output(&mut self, stream: Stream, events: &mut Vec<SandboxEvent>) -> bool {
        let Self { capture, current, .. } = self;
        capture.drain(stream, |bytes| {
            // What is printed between calls belongs to none and is dropped.
            if let Some(current) = current {
                current.hear_printed(stream, bytes, events);
            }
        })
    }

    /// Kills the worker; its call fails with `failure`, unless it has failed already.
    pub(crate) fn condemn(&mut self, failure: Failure, now: Instant) {
        if let Some(current) = &mut self.current {
            current.verdict.get_or_insert(failure);
        }
        self.unread.clear();
        self.kill(now);
    }

    /// Reads the messages of the call that were rung for; the outcome if it has ended.
    pub(crate) fn hear(
        &mut self,
        program: &Program,
        memory: &mut Memory,
        events: &mut Vec<SandboxEvent>,
    ) -> Result<Option<Outcome>, &'static str> {
        let was_read = !self.unread.is_empty();
        if !was_read {
            let new = self.rung()?;
            self.take_messages(usize::try_from(new).map_err(|_| TOO_FAR)?)?;
        }
        match self.current {
            _ if self.unread.is_empty() => Ok(None),
            None => Err("it spoke without having a call"),
            Some(_) => match self.read(program, memory, events)? {
                // What was announced only ends a call where others may follow it.
                Some(_) if was_read && !self.is_followed => Err("it did not ring at the end of its call"),
                ended => Ok(ended),
            },
        }
    }

    /// Copies the next `len` bytes of messages out of the slot.
    fn take_messages(&mut self, len: usize) -> Result<(), &'static str> {
        if len > MESSAGES_BYTES - self.read_at {
            return Err(TOO_FAR);
        }
        self.unread = self.slot.read(MESSAGES_AT + self.read_at, len);
        self.read_at += len;
        Ok(())
    }

    /// How many bytes were rung for that are not read yet: as the worker notes in the slot, or as its bell counts. A bell
    /// that is not read spares a call of the kernel, and still counts what was noted.
    fn rung(&mut self) -> Result<u64, &'static str> {
        let noted = self.slot.number(RUNG_AT).load(Ordering::Acquire) as usize;
        if noted > self.read_at {
            let new = (noted - self.read_at) as u64;
            self.early += new;
            return Ok(new);
        }
        let counted = self.reply_bell.take().map_err(|_| "its doorbell cannot be read")?;
        let known = counted.min(self.early);
        self.early -= known;
        Ok(counted - known)
    }

    /// Makes the worker ring from now on for what it puts.
    fn look_after(&mut self, now: Instant) {
        if let Some(current) = &mut self.current {
            current.looked_after(now);
            self.slot.set_number(HURRY_AT, 1);
        }
    }

    /// Copies the messages that the worker has announced only.
    fn take_announced(&mut self) -> Result<(), &'static str> {
        if self.current.is_none() {
            return Ok(());
        }
        let announced = self.slot.number(ANNOUNCED_AT).load(Ordering::Acquire) as usize;
        let new = announced.saturating_sub(self.read_at);
        self.early += new as u64;
        self.take_messages(new)
    }

    /// Reads the messages of the call among those that were copied; the outcome if it has ended.
    fn read(
        &mut self,
        program: &Program,
        memory: &mut Memory,
        events: &mut Vec<SandboxEvent>,
    ) -> Result<Option<Outcome>, &'static str> {
        let (mut ended, mut signals) = (None, 0);
        while !self.unread.is_empty() {
            let serial = inbox::serial(&self.unread)?;
            if serial != self.serial {
                match ended.is_some() && self.ahead.goes_on_with(serial) {
                    true => break,
                    false => return Err("a message belongs to another call"),
                }
            }
            let message = inbox::next(&mut self.unread)?;
            // What is still looked at is known only when the function's own names for it are gone.
            if ended.is_some() && !matches!(message, Message::Hold | Message::LetGo(_)) {
                return Err("a message follows the last");
            }
            signals += usize::from(message.is_urgent());
            if message == Message::Flush {
                if !self.unread.is_empty() {
                    return Err("a message follows a flush");
                }
                self.flushed(events)?;
            } else if let Some(outcome) = self.obey(message, program, memory, events)? {
                ended = Some(outcome);
                signals += 1;
            }
        }
        let is_short = self.current.as_ref().is_some_and(|current| !current.is_long);
        let is_gathered = is_short && self.slot.number(ANNOUNCED_AT).load(Ordering::Relaxed) > 0;
        if signals > 1 && !is_gathered {
            self.late_bells = LATE_BELLS_MAX;
        }
        Ok(ended)
    }

    /// The messages so far have been read, and what was printed before is read now: the worker waits for that.
    fn flushed(&mut self, events: &mut Vec<SandboxEvent>) -> Result<(), &'static str> {
        self.flushes += 1;
        // Whether a pipe is closed is seen where it is watched.
        let _ = [Stream::Stdout, Stream::Stderr].map(|stream| self.hear_output(stream, events));
        self.read_at = 0;
        self.slot.set_number(ANNOUNCED_AT, 0);
        self.slot.set_number(RUNG_AT, 0);
        if let Some(current) = &mut self.current {
            current.is_chatty = true;
        }
        match self.call_bell.ring(FLUSHED) {
            // It died while it waited.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            rung => rung.map_err(|_| "it cannot be woken"),
        }
    }

    /// Does what a message asks for; the outcome if it ends the call.
    fn obey(
        &mut self,
        message: Message,
        program: &Program,
        memory: &mut Memory,
        events: &mut Vec<SandboxEvent>,
    ) -> Result<Option<Outcome>, &'static str> {
        match message {
            Message::Put(record) => self.put(record, program, memory, events)?,
            Message::Open(record) => {
                let (name, put) = self.opened(record, 0, program)?;
                let is_open = self.open(memory, name).map_err(|_| "its control socket is closed")?;
                let current = self.current.as_ref().ok_or("it has no call")?;
                let (id, attempt) = (current.id, current.attempt);
                events.extend(is_open.then_some(SandboxEvent::Opened { id, attempt, put }));
            }
            Message::Close(record) => {
                let Place::Stored(at) = record.place else { return Err("it closes what it has not opened") };
                let (name, put) = self.opened(record, at.len, program)?;
                if self.writing.remove(&at.extent) != Some(name) {
                    return Err("it closes what it has not opened");
                }
                let current = self.current.as_ref().ok_or("it has no call")?;
                events.push(SandboxEvent::Closed { id: current.id, attempt: current.attempt, put });
            }
            Message::Grown => self.words.push(Word::Grown),
            Message::Await(extent, seen) => self.words.push(Word::Awaits(extent, seen)),
            Message::Log(stream, bytes) => {
                let current = self.current.as_mut().ok_or("it has no call")?;
                current.hear_output(stream, &bytes, events);
            }
            Message::Emit(record) => self.emit(record)?,
            Message::Need(len) => self.grant(memory, len).map_err(|_| "its control socket is closed")?,
            Message::Hold => self.current.as_mut().ok_or("it has no call")?.hold = true,
            Message::LetGo(serial) => {
                let pins = self.held.remove(&serial).ok_or("it lets go of what it does not hold")?;
                unpin(memory, pins);
            }
            Message::Returned(record) => return self.returned(record, memory).map(Some),
            Message::Failed(failure) => return Ok(Some(Outcome::Failed(failure))),
            Message::Cancelled => return Ok(Some(Outcome::Cancelled)),
            Message::Flush => unreachable!("handled by the caller"),
        }
        Ok(None)
    }

    fn put(
        &mut self,
        record: Record,
        program: &Program,
        memory: &mut Memory,
        events: &mut Vec<SandboxEvent>,
    ) -> Result<(), &'static str> {
        let payload = self.payload(record.place.clone(), memory)?;
        let put = put_of(record, payload, program)?;
        let current = self.current.as_mut().ok_or("it has no call")?;
        current.has_put = true;
        events.push(SandboxEvent::Put { id: current.id, attempt: current.attempt, put });
        Ok(())
    }

    /// An object that the call opens, or has written `written` bytes of.
    fn opened(
        &self,
        record: Record,
        written: u64,
        program: &Program,
    ) -> Result<(StreamName, Put), &'static str> {
        let run = self.current.as_ref().ok_or("it has no call")?.id.run;
        let put = put_of(record, Payload::Open { written }, program)?;
        Ok((StreamName { run, bucket: put.bucket, key: put.key.clone() }, put))
    }

    fn emit(&mut self, record: Record) -> Result<(), &'static str> {
        let Place::Inline(data) = record.place else { return Err("an event's data is not in its message") };
        let emission = Emission {
            r#type: record.key.into(),
            subject: record.group.map(Arc::from),
            content_type: record.content_type,
            data,
        };
        let emits = &mut self.current.as_mut().ok_or("it has no call")?.emits;
        if emits.len() == EMITS_MAX {
            return Err("it emits too many events in one call");
        }
        emits.push(emission);
        Ok(())
    }

    fn returned(&mut self, record: Option<Record>, memory: &mut Memory) -> Result<Outcome, &'static str> {
        let value = match record {
            Some(record) if record.bucket == NO_BUCKET => Some(ReturnValue {
                content_type: record.content_type,
                payload: self.payload(record.place, memory)?,
            }),
            Some(_) => return Err("a returned value names a bucket"),
            None => None,
        };
        let emits = std::mem::take(&mut self.current.as_mut().ok_or("it has no call")?.emits);
        Ok(Outcome::Succeeded { puts: SmallVec::new(), value, emits })
    }

    fn payload(&mut self, place: Place, memory: &mut Memory) -> Result<Payload, &'static str> {
        match place {
            Place::Inline(data) if data.len() > INLINE_BYTES_MAX => Err("a value in a message is too large"),
            Place::Inline(data) => Ok(Payload::Inline(data)),
            Place::Open(_) => Err("a value is still being written"),
            Place::Stored(at) => {
                let adopted =
                    memory.adopt(self.writer, at).map_err(|_| "it claims memory that is not its own")?;
                if at.len > INLINE_BYTES_MAX as u64 { Ok(adopted) } else { inline(adopted, memory) }
            }
        }
    }
}

fn put_of(record: Record, payload: Payload, program: &Program) -> Result<Put, &'static str> {
    if usize::from(record.bucket) >= program.buckets.len() {
        return Err("it puts to a bucket that does not exist");
    }
    if record.key.len() > KEY_BYTES_MAX {
        return Err("it puts under a key that is too long");
    }
    let meta: Option<Meta> = match record.meta.as_slice() {
        [] => None,
        json => Some(serde_json::from_slice(json).map_err(|_| "the attributes of a put are not texts")?),
    };
    Ok(Put {
        bucket: BucketIx(record.bucket),
        key: record.key.into(),
        content_type: record.content_type,
        payload,
        group: record.group.map(Arc::from),
        meta: meta.map(Arc::new),
    })
}

/// A worker may write even small values to shared memory; in the engine small values are inline.
fn inline(adopted: Payload, memory: &mut Memory) -> Result<Payload, &'static str> {
    let bytes = memory.bytes(&adopted).map_err(|_| "its memory cannot be read")?;
    if let Payload::Stored { id, .. } = adopted {
        memory.release(id).map_err(|_| "its memory cannot be given back")?;
    }
    Ok(Payload::Inline(Bytes::copy_from_slice(&bytes)))
}
