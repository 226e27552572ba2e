//! A worker as the pool holds it: the slot, the doorbells and the call that runs in it.
//!
//! Invariants: at most one call runs at a time, and those that follow it were given [ahead](crate::ahead); every stored
//! input of a call is pinned until the call has ended and the worker no longer looks at it; `known` holds exactly the
//! extents that the worker has been sent and not told to forget.

use crate::affinity::Cores;
use crate::ahead::CallsAhead;
use crate::bell::{Doorbell, WakeBell};
use crate::capture::Capture;
use crate::channel::Channel;
use crate::current::Current;
use crate::event::RunInfo;
use crate::failure::{failure, input_lost};
use crate::frame;
use crate::limits::{IMPORT_TIMEOUT, KILL_PATIENCE, NEW_EXTENTS_MAX, STREAMS_PER_CALL_MAX};
use crate::record::Place;
use crate::slot::Slot;
use crate::streams::{Reading, Word};
use crate::wire::{
    ANNOUNCED_AT, AWAITED_AT, CALL_AT, CALL_BYTES, CANCELLED_AT, Control, ControlKind, FOLLOWED,
    FRAME_AT_SHIFT, HURRY_AT, REFUSED_BY_LIMIT, RUNG_AT,
};
use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use rustix::process::{Pid, Signal, kill_process_group, pidfd_send_signal};
use sluice_isolation::{Boxed, Group};
use sluice_objects::{ExtentId, Location, Memory, StreamName, WriterId};
use sluice_types::limits::CANCEL_GRACE_MS;
use sluice_types::{AppKey, Failure, FailureKind, Invocation, ObjectId, Payload, Version};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The process behind a seat.
#[derive(Debug)]
pub(crate) enum Process {
    /// Being started.
    Absent,
    /// Forked by a zygote; `pidfd` is the worker's.
    Forked { pidfd: OwnedFd, pid: u32, group: Option<Group> },
    /// In a box of its own.
    Boxed(Box<Boxed>),
}

/// What a seat is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Idle,
    Busy,
    /// Sentenced at this time.
    Dying(Instant),
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub app: (AppKey, Version),
    pub class: usize,
    /// Whose fork it is.
    pub zygote: Option<u32>,
    pub state: State,
    /// Whether its class counts it as being started.
    pub starting: bool,
    pub process: Process,
    pub slot: Slot,
    pub call_bell: WakeBell,
    pub reply_bell: Doorbell,
    pub channel: Channel,
    pub capture: Capture,
    pub writer: WriterId,
    pub memory_bytes: u64,
    known: FxHashSet<ExtentId>,
    forget: Vec<ExtentId>,
    /// Control messages sent that the next frame must count.
    waiting: u8,
    pub held: FxHashMap<u32, Vec<ObjectId>>,
    pub serial: u32,
    /// End of the messages read so far.
    pub read_at: usize,
    /// Bytes of messages that were read without reading the bell.
    pub early: u64,
    /// How many of its next bells may have been rung for what was heard already. What is heard with such a bell may have
    /// been said after the look at the pipes.
    pub late_bells: u8,
    pub current: Option<Current>,
    /// Whether the worker was told that others may be given before it has ended.
    pub is_followed: bool,
    /// Calls that follow it.
    pub ahead: CallsAhead,
    /// How often the worker has waited for its messages and output to be read.
    pub flushes: u64,
    /// Messages of those that were read already.
    pub unread: Bytes,
    /// Open objects that the call reads, by extent.
    pub reading: FxHashMap<ExtentId, Reading>,
    /// Open objects that the call writes, by extent.
    pub writing: FxHashMap<ExtentId, StreamName>,
    /// What the worker has said about open objects, for the pool to heed.
    pub words: Vec<Word>,
    cores: Cores,
    pub idle_since: Instant,
}

/// Our side of a new worker, and what the worker gets: slot, both bells, control socket, both outputs.
pub(crate) struct Parts {
    pub slot: Slot,
    pub call_bell: WakeBell,
    pub reply_bell: Doorbell,
    pub channel: Channel,
    pub capture: Capture,
    pub inside: [OwnedFd; 6],
}

impl Parts {
    pub fn new() -> io::Result<Self> {
        let (slot, slot_inside) = Slot::new()?;
        let (call_bell, call_inside) = WakeBell::pair()?;
        let reply_bell = Doorbell::new()?;
        let reply_inside = reply_bell.0.try_clone()?;
        let (channel, channel_inside) = Channel::pair()?;
        let (capture, [stdout, stderr]) = Capture::new()?;
        let inside = [slot_inside, call_inside, reply_inside, channel_inside.0, stdout, stderr];
        Ok(Self { slot, call_bell, reply_bell, channel, capture, inside })
    }
}

impl Seat {
    /// A seat whose process is being started.
    pub fn new(
        app: (AppKey, Version),
        class: usize,
        zygote: Option<u32>,
        parts: Parts,
        writer: WriterId,
        memory_bytes: u64,
        now: Instant,
    ) -> (Self, [OwnedFd; 6]) {
        let Parts { slot, call_bell, reply_bell, channel, capture, inside } = parts;
        let seat = Self {
            app,
            class,
            zygote,
            state: State::Starting,
            starting: true,
            process: Process::Absent,
            slot,
            call_bell,
            reply_bell,
            channel,
            capture,
            writer,
            memory_bytes,
            known: FxHashSet::default(),
            forget: Vec::new(),
            waiting: 0,
            held: FxHashMap::default(),
            serial: 0,
            read_at: 0,
            early: 0,
            late_bells: 0,
            current: None,
            is_followed: false,
            ahead: CallsAhead::default(),
            flushes: 0,
            unread: Bytes::new(),
            reading: FxHashMap::default(),
            writing: FxHashMap::default(),
            words: Vec::new(),
            cores: Cores::All,
            idle_since: now,
        };
        (seat, inside)
    }

    /// Hands a call over; whether the worker could be woken. One that could not dies, and so does one that has been sent
    /// part of a call which then fails.
    pub fn call(
        &mut self,
        memory: &mut Memory,
        invocation: &Invocation,
        run: &RunInfo,
        timeout: Duration,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        debug_assert!(self.ahead.is_empty() && self.unread.is_empty(), "a call follows those ahead");
        let serial = serial_after(self.serial);
        let mut pins = Vec::new();
        let packed = self.pack(memory, serial, invocation, run, &mut pins, buffer);
        if packed.is_err() || self.ring(buffer).is_err() {
            if packed.is_ok() || self.waiting > 0 {
                self.kill(now);
            }
            unpin(memory, pins);
            self.reading.clear();
            return packed.map(|()| false);
        }
        (self.serial, self.read_at, self.waiting) = (serial, 0, 0);
        self.ahead = CallsAhead::after(buffer.len());
        self.state = State::Busy;
        self.current = Some(Current::new(invocation, now, timeout, pins));
        Ok(true)
    }

    fn pack(
        &mut self,
        memory: &mut Memory,
        serial: u32,
        invocation: &Invocation,
        run: &RunInfo,
        pins: &mut Vec<ObjectId>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        frame::pack(buffer, serial, invocation, run, |object| match &object.payload {
            Payload::Inline(bytes) => Ok(Place::Inline(bytes.clone())),
            Payload::Stored { id, len, .. } => Ok(Place::Stored(self.lend(memory, *id, *len, pins)?)),
            Payload::Open { .. } => {
                let (run, bucket, key) = (invocation.id.run, object.bucket, object.key.clone());
                let name = StreamName { run, bucket, key };
                Ok(Place::Open(self.lend_open(memory, name)?))
            }
        })?;
        let is_far = buffer.len() > CALL_BYTES;
        let far = is_far.then(|| self.lend_frame(memory, buffer, pins)).transpose()?;
        // Last, so that no call fails for what earlier ones have left.
        self.tell_forgotten();
        match far {
            Some(at) => frame::pack_far(buffer, self.waiting, at),
            None => frame::set_waiting(buffer, self.waiting),
        }
        Ok(())
    }

    /// A call that is larger than its area lies where large objects do.
    fn lend_frame(
        &mut self,
        memory: &mut Memory,
        frame: &[u8],
        pins: &mut Vec<ObjectId>,
    ) -> Result<Location, Failure> {
        let stored = memory.store(self.app.0, frame).map_err(input_lost)?;
        let Payload::Stored { id, len, .. } = stored else {
            unreachable!("a call larger than its area is larger than what is kept inline")
        };
        let at = self.lend(memory, id, len, pins)?;
        // It lives as long as its pin.
        memory.release(id).map_err(input_lost)?;
        Ok(at)
    }

    /// Tells the worker of extents that are gone, as many as one call may count.
    fn tell_forgotten(&mut self) {
        while let Some(extent) = self.forget.last() {
            let control = Control { kind: ControlKind::Forget, subject: extent.0, number: 0 };
            if self.introduce(control, &[]).is_err() {
                break; // the rest is for the next call
            }
            self.forget.pop();
        }
    }

    /// Sends what the worker must know before its next call.
    fn introduce(&mut self, control: Control, descriptors: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        if self.waiting >= NEW_EXTENTS_MAX {
            return Err(too_scattered());
        }
        self.channel.send(control, &[], descriptors).map_err(|_| too_scattered())?;
        self.waiting += 1;
        Ok(())
    }

    /// Pins an object and makes sure that the worker can see it.
    fn lend(
        &mut self,
        memory: &mut Memory,
        id: ObjectId,
        len: u64,
        pins: &mut Vec<ObjectId>,
    ) -> Result<Location, Failure> {
        let at = memory.location(self.app.0, id, len).map_err(input_lost)?;
        memory.pin(id).map_err(input_lost)?;
        pins.push(id);
        if self.known.contains(&at.extent) {
            return Ok(at);
        }
        let (descriptor, size) = memory.descriptor(at.extent).map_err(input_lost)?;
        let control = Control { kind: ControlKind::Extent, subject: at.extent.0, number: size };
        self.introduce(control, &[descriptor.as_fd()])?;
        self.known.insert(at.extent);
        Ok(at)
    }

    /// Gives the worker an open object to read, and a bell that rings when there is more.
    fn lend_open(&mut self, memory: &mut Memory, name: StreamName) -> Result<ExtentId, Failure> {
        let (extent, descriptor) = memory.stream_reader(self.app.0, &name).map_err(input_lost)?;
        let control = Control { kind: ControlKind::Stream, subject: extent.0, number: 0 };
        let (bell, inside) = WakeBell::pair().map_err(|_| too_scattered())?;
        self.introduce(control, &[descriptor.as_fd(), inside.as_fd()])?;
        self.reading.insert(extent, Reading { name, bell, waits: false });
        Ok(extent)
    }

    fn ring(&self, frame: &[u8]) -> io::Result<()> {
        self.slot.set_number(HURRY_AT, 0);
        self.slot.set_number(ANNOUNCED_AT, 0);
        self.slot.set_number(AWAITED_AT, 0);
        self.slot.set_number(RUNG_AT, 0);
        self.ring_at(0, frame, if self.is_followed { FOLLOWED } else { 0 })
    }

    /// Writes a frame to a place in the call area, and rings for it.
    pub fn ring_at(&self, at: usize, frame: &[u8], flags: u64) -> io::Result<()> {
        self.slot.write(CALL_AT + at, frame);
        self.call_bell.ring(flags | (at as u64) << FRAME_AT_SHIFT | frame.len() as u64)
    }

    /// Answers a worker's need of an extent.
    pub fn grant(&mut self, memory: &mut Memory, len: u64) -> io::Result<()> {
        match memory.grant(self.app.0, self.writer, len) {
            Ok(grant) => {
                self.known.insert(grant.extent);
                let control =
                    Control { kind: ControlKind::Grant, subject: grant.extent.0, number: grant.size };
                let descriptor = grant.descriptor.as_ref().map(|descriptor| descriptor.as_fd());
                self.channel.send(control, &[], descriptor.as_slice())
            }
            Err(error) => {
                let control = Control { kind: ControlKind::Refused, subject: 0, number: len };
                self.channel.send(control, error.to_string().as_bytes(), &[])
            }
        }
    }

    /// Gives the worker an object to write that others may read meanwhile; whether it could be given.
    pub fn open(&mut self, memory: &mut Memory, name: StreamName) -> io::Result<bool> {
        let (subject, why) = if self.writing.len() >= STREAMS_PER_CALL_MAX {
            let limit = format!("a call has at most {STREAMS_PER_CALL_MAX} objects open at a time");
            (REFUSED_BY_LIMIT, limit)
        } else {
            match memory.stream_writer(self.app.0, &name) {
                Ok((extent, descriptor)) => {
                    let control = Control { kind: ControlKind::Stream, subject: extent.0, number: 0 };
                    self.writing.insert(extent, name.clone());
                    self.words.push(Word::Writes(name));
                    return self.channel.send(control, &[], &[descriptor.as_fd()]).map(|()| true);
                }
                Err(error) => (0, error.to_string()),
            }
        };
        let control = Control { kind: ControlKind::Refused, subject, number: 0 };
        self.channel.send(control, why.as_bytes(), &[]).map(|()| false)
    }

    /// Moves the worker, if it is not there already.
    pub fn run_on(&mut self, cores: Cores) {
        let pid = self.pid();
        // Number 0 would be this thread.
        if self.cores != cores && pid != 0 && cores.apply(pid).is_ok() {
            self.cores = cores;
        }
    }

    /// An extent is gone.
    pub fn forget(&mut self, extent: ExtentId) {
        if self.known.remove(&extent) {
            self.forget.push(extent);
        }
    }

    /// Lets the function see that it should stop, and gives it the grace to do so.
    pub fn cancel(&mut self, now: Instant) {
        if let Some(current) = &mut self.current {
            current.cancelled = true;
            current.deadline = current.deadline.min(now + Duration::from_millis(CANCEL_GRACE_MS));
        }
        self.slot.set_number(CANCELLED_AT, self.serial);
        self.wake_readers(|_| true);
    }

    /// Ends the call: its inputs are free unless the worker still looks at them.
    pub fn take_current(&mut self, memory: &mut Memory) -> Option<Current> {
        let mut current = self.current.take()?;
        self.reading.clear();
        self.writing.clear();
        let pins = std::mem::take(&mut current.pins);
        if current.hold {
            self.held.insert(self.serial, pins);
        } else {
            unpin(memory, pins);
        }
        Some(current)
    }

    /// Everything that the worker kept is free: it is dead.
    pub fn free_all(&mut self, memory: &mut Memory) {
        self.held.drain().for_each(|(_, pins)| unpin(memory, pins));
        memory.retire(self.writer);
    }

    /// Kills the worker and what it started. Its end is reported later.
    pub fn kill(&mut self, now: Instant) {
        if !self.is_dying() {
            self.state = State::Dying(now);
        }
        match &self.process {
            Process::Absent => {}
            Process::Forked { pidfd, pid, group } => {
                // Once the worker is reaped its number may be another's: then only its group of processes counts.
                if pidfd_send_signal(pidfd, Signal::KILL).is_ok()
                    && let Some(pid) = Pid::from_raw(*pid as i32)
                {
                    let _ = kill_process_group(pid, Signal::KILL);
                }
                // What survives falls with the box.
                if let Some(group) = group {
                    let _ = group.kill();
                }
            }
            Process::Boxed(boxed) => drop(boxed.kill()),
        }
    }

    /// When the pool must look at this seat at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Starting => Some(self.idle_since + IMPORT_TIMEOUT),
            State::Dying(since) => Some(since + KILL_PATIENCE),
            State::Idle | State::Busy => self.current.as_ref().map(|current| {
                current.look_at.map_or(current.deadline, |look_at| look_at.min(current.deadline))
            }),
        }
    }

    /// Whether it runs a call that has put something and is short, as far as is known: it will have ended before the
    /// consumer of what it put is done.
    pub fn is_ending(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.has_put && !current.is_long)
    }

    pub fn is_dying(&self) -> bool {
        matches!(self.state, State::Dying(_))
    }

    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Absent => 0,
            Process::Forked { pid, .. } => *pid,
            Process::Boxed(boxed) => boxed.pid(),
        }
    }

    /// Whether the kernel killed the worker for want of memory.
    pub fn out_of_memory(&self) -> bool {
        match &self.process {
            Process::Absent => false,
            Process::Forked { group, .. } => group.as_ref().is_some_and(|group| group.oom_kills() > 0),
            Process::Boxed(boxed) => boxed.oom_killed(),
        }
    }
}

/// The serial of the call after that one: never 0.
pub(crate) fn serial_after(serial: u32) -> u32 {
    serial.wrapping_add(1).max(1)
}

pub(crate) fn unpin(memory: &mut Memory, pins: Vec<ObjectId>) {
    for id in pins {
        if let Err(error) = memory.unpin(id) {
            tracing::warn!(%id, %error, "an object's memory could not be given back");
        }
    }
}

fn too_scattered() -> Failure {
    let message =
        format_args!("the inputs lie in more than {NEW_EXTENTS_MAX} files; pass fewer objects at once");
    failure(FailureKind::Limit, "LimitExceeded", message)
}
