//! Calls that a worker is given before it has ended the one that runs: turns of a workflow, of which there is one worker,
//! and calls of functions that are short.
//!
//! It goes from call to call without waiting for the server, which hears of several at a time. They are run in the order
//! in which they were given. Whatever happens to the worker, those that it has not begun go to another; those of functions
//! also when the one before turns out to be long.
//!
//! Invariants: calls are ahead only while another one runs or the worker is dying, and are of its function; their serials
//! follow that of the one that runs without gaps; `end` is at most [`CALL_BYTES`]; all their arguments are inline; what one
//! has printed is read before it ends.

use crate::app::ClassKind;
use crate::current::Current;
use crate::event::{SandboxEvent, Stream};
use crate::failure::protocol;
use crate::frame;
use crate::limits::CALLS_AHEAD_MAX;
use crate::pool::{AppId, Pool, Tick};
use crate::queue::Waiting;
use crate::record::Place;
use crate::seat::{Seat, State, serial_after};
use crate::wire::{CALL_BYTES, FOLLOWED, GOES_ON, NUDGE};
use sluice_types::{Attempt, InvocationId, Outcome, Payload};
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// A call that its worker has not begun, as far as is known.
#[derive(Debug)]
struct Ahead {
    serial: u32,
    call: Waiting,
    timeout: Duration,
    cancelled: bool,
}

/// The calls that a worker has been given beyond the one that runs.
#[derive(Debug, Default)]
pub(crate) struct CallsAhead {
    calls: VecDeque<Ahead>,
    /// Where the frames of this and the calls before end in the call area.
    end: usize,
}

impl CallsAhead {
    /// Those of a worker that begins anew, with a frame of that length.
    pub fn after(frame_bytes: usize) -> Self {
        Self { calls: VecDeque::new(), end: frame_bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether the next of them is the call of that serial.
    pub fn goes_on_with(&self, serial: u32) -> bool {
        self.calls.front().is_some_and(|next| next.serial == serial)
    }
}

impl Pool {
    /// Gives the longest waiting call of a function to the worker that runs another of it and has the fewest before it;
    /// whether that could be done.
    pub(crate) fn give_ahead(&mut self, id: AppId, class: usize, function: usize) -> bool {
        let prompt_call = self.options.prompt_call;
        let app = self.apps.get_mut(&id).filter(|app| app.is_followed(function, prompt_call));
        let Some(app) = app else { return false };
        let of_function = self.seats.values_mut().filter(|seat| (seat.app, seat.class) == (id, class));
        let may_be_long = app.classes[class].kind.is_workflow();
        let able = of_function.filter(|seat| seat.takes_ahead(function, may_be_long));
        let Some(seat) = able.min_by_key(|seat| seat.ahead.calls.len()) else { return false };
        let Some(waiting) = app.queue.pop(function) else { return false };
        let timeout = Duration::from_millis(app.program.functions[function].timeout_ms);
        match seat.give_ahead(waiting, timeout, &mut self.buffer) {
            Ok(()) => true,
            Err(waiting) => {
                app.queue.put_back(*waiting);
                false
            }
        }
    }

    /// Takes what a worker printed that has calls ahead; whether more may follow.
    ///
    /// What lies in a pipe is of a call that has not ended, because it is read before that; and those before it have said
    /// that they have ended. So it is of the call that runs once all is heard that was said by now, or of the one that
    /// then waits for it to be read.
    pub(crate) fn hear_output_ahead(&mut self, key: u32, stream: Stream, tick: &mut Tick<'_>) -> bool {
        let Some(seat) = self.seats.get_mut(&key) else { return false };
        let unread = seat.capture.unread(stream);
        if unread == 0 {
            return !seat.capture.is_closed(stream);
        }
        let flushes = seat.flushes;
        self.hear_announced(key, tick);
        if let Some(seat) = self.seats.get_mut(&key).filter(|seat| seat.flushes == flushes) {
            let printed = seat.capture.take(stream, unread);
            if let Some(current) = &mut seat.current {
                current.hear_printed(stream, &printed, tick.events);
            }
        }
        true
    }

    /// The next of the calls that a worker was given ahead runs now, if there is one.
    pub(crate) fn go_on(&mut self, key: u32, tick: &mut Tick<'_>) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let Some((id, attempt)) = seat.go_on(tick.now) else { return };
        let (pid, function) = (seat.pid(), seat.current.as_ref().expect("it goes on").function);
        if let Some(app) = self.apps.get_mut(&seat.app) {
            app.running[function.index()] += 1;
        }
        tick.events.push(SandboxEvent::Started { id, attempt, pid });
    }

    /// What a worker that is gone has not begun goes to another, or ends if nobody wants it.
    pub(crate) fn give_to_others(&mut self, key: u32) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let (id, ahead) = (seat.app, std::mem::take(&mut seat.ahead));
        self.queue_again(id, ahead.calls);
    }

    /// Takes back the calls that a worker of functions has not begun: the one that it runs is long, or one of them is not
    /// wanted. The only worker of a workflow keeps its turns.
    pub(crate) fn take_back(&mut self, key: u32, now: Instant) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let class = self.apps.get(&seat.app).map(|app| &app.classes[seat.class].kind);
        if matches!(class, Some(ClassKind::Python)) {
            let id = seat.app;
            match seat.take_back() {
                Ok(calls) if calls.is_empty() => {}
                Ok(calls) => self.queue_again(id, calls),
                Err(_) => seat.condemn(protocol("it rings for itself"), now),
            }
        }
    }

    /// Calls that were given to a worker wait again, before others.
    fn queue_again(&mut self, id: AppId, calls: VecDeque<Ahead>) {
        for Ahead { call, cancelled, .. } in calls.into_iter().rev() {
            match self.apps.get_mut(&id).filter(|_| !cancelled) {
                Some(app) => app.queue.put_back(call),
                None => self.complete_late(call.invocation.id, call.invocation.attempt, Outcome::Cancelled),
            }
        }
        self.take_turn(id);
        // Whoever waits for the pool's descriptor must look.
        self.errands.wake();
    }

    /// Sees to it that a call is not run, or ends as cancelled, if a worker was given it ahead.
    pub(crate) fn cancel_ahead(&mut self, id: InvocationId, attempt: Attempt, now: Instant) -> bool {
        let is_it =
            |ahead: &&mut Ahead| (ahead.call.invocation.id, ahead.call.invocation.attempt) == (id, attempt);
        let found = self.seats.iter_mut().find_map(|(key, seat)| {
            seat.ahead.calls.iter_mut().find(is_it).map(|ahead| {
                ahead.cancelled = true;
                *key
            })
        });
        found.map(|key| self.take_back(key, now)).is_some()
    }
}

impl Seat {
    fn takes_ahead(&self, function: usize, may_be_long: bool) -> bool {
        let able = |current: &Current| {
            let is_wanted = !current.cancelled && current.verdict.is_none();
            current.function.index() == function && is_wanted && (may_be_long || !current.is_long)
        };
        self.is_followed
            && self.state == State::Busy
            && self.current.as_ref().is_some_and(able)
            && self.ahead.calls.len() < CALLS_AHEAD_MAX
    }

    /// Takes back the calls that the worker has not begun.
    fn take_back(&mut self) -> io::Result<VecDeque<Ahead>> {
        if self.ahead.is_empty() {
            return Ok(VecDeque::new());
        }
        let mut rings = self.call_bell.take_back()?;
        // The call that runs may be among them, if the worker has not come to it yet.
        let mut unread = 0;
        for at in (0..rings.len()).rev() {
            if rings[at] & GOES_ON != 0 && unread < self.ahead.calls.len() {
                rings.remove(at);
                unread += 1;
            }
        }
        for ring in rings.into_iter().chain([NUDGE]) {
            // Where nobody reads it any more, the end of the worker is reported soon.
            let _ = self.call_bell.ring(ring);
        }
        Ok(self.ahead.calls.split_off(self.ahead.calls.len() - unread))
    }

    /// Only what needs no shared memory is given ahead: what is said of that is in the order of the calls.
    fn give_ahead(
        &mut self,
        waiting: Waiting,
        timeout: Duration,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Box<Waiting>> {
        let objects = waiting.invocation.arguments.objects();
        if !objects.iter().all(|object| matches!(object.payload, Payload::Inline(_))) {
            return Err(Box::new(waiting));
        }
        let last = self.ahead.calls.back().map_or(self.serial, |call| call.serial);
        let serial = serial_after(last);
        let packed =
            frame::pack(buffer, serial, &waiting.invocation, &waiting.run, |object| match &object.payload {
                Payload::Inline(bytes) => Ok(Place::Inline(bytes.clone())),
                Payload::Stored { .. } | Payload::Open { .. } => unreachable!("all are inline"),
            });
        let at = self.ahead.end;
        let flags = GOES_ON | FOLLOWED;
        if packed.is_err() || buffer.len() > CALL_BYTES - at || self.ring_at(at, buffer, flags).is_err() {
            return Err(Box::new(waiting));
        }
        self.ahead.end = at + buffer.len();
        self.ahead.calls.push_back(Ahead { serial, call: waiting, timeout, cancelled: false });
        Ok(())
    }

    /// The call before has ended, so the next one runs.
    fn go_on(&mut self, now: Instant) -> Option<(InvocationId, Attempt)> {
        let Ahead { serial, call: Waiting { invocation, .. }, timeout, cancelled } =
            self.ahead.calls.pop_front()?;
        self.serial = serial;
        self.current = Some(Current::new(&invocation, now, timeout, Vec::new()));
        if cancelled {
            self.cancel(now);
        }
        Some((invocation.id, invocation.attempt))
    }
}
