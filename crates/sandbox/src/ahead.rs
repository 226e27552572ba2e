//! Calls that a worker is given before it has ended the one that runs: the worker of a workflow, of which there is one.
//!
//! It goes from turn to turn without waiting for the server, which hears of several at a time. They are run in the order
//! in which they were given. Whatever happens to the worker, those that it has not begun go to another.
//!
//! Invariants: calls are ahead only while another one runs or the worker is dying; their serials follow that of the one
//! that runs without gaps; `end` is at most [`CALL_BYTES`]; all their arguments are inline; what one has printed is read
//! before it ends.

use crate::app::ClassKind;
use crate::current::Current;
use crate::event::{RunInfo, SandboxEvent, Stream};
use crate::frame;
use crate::limits::CALLS_AHEAD_MAX;
use crate::pool::{AppId, Pool, Tick};
use crate::queue::Waiting;
use crate::record::Place;
use crate::seat::{Seat, State, serial_after};
use crate::wire::{CALL_BYTES, GOES_ON};
use sluice_types::{Attempt, Invocation, InvocationId, Outcome, Payload};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A call that its worker has not begun, as far as is known.
#[derive(Debug)]
struct Ahead {
    serial: u32,
    invocation: Invocation,
    run: RunInfo,
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
    /// Gives the longest waiting call of a workflow to its busy worker; whether that could be done.
    pub(crate) fn give_ahead(&mut self, id: AppId, class: usize, function: usize) -> bool {
        let Some(app) = self.apps.get_mut(&id) else { return false };
        let of_workflow = matches!(app.classes[class].kind, ClassKind::Workflow(_));
        let seat = app.classes[class].busy.filter(|_| of_workflow).and_then(|key| self.seats.get_mut(&key));
        let Some(seat) = seat.filter(|seat| seat.takes_ahead()) else { return false };
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

    /// Takes what a worker printed that has calls ahead; whether more may follow. A call that has printed ends only after
    /// that was read: so if others have ended by now, this is of the one that followed them.
    pub(crate) fn hear_output_ahead(&mut self, key: u32, stream: Stream, tick: &mut Tick<'_>) -> bool {
        let Some(seat) = self.seats.get_mut(&key) else { return false };
        let mut printed = Vec::new();
        let open = seat.capture.drain(stream, |bytes| printed.extend_from_slice(bytes));
        self.hear_seat(key, tick);
        if let Some(current) = self.seats.get_mut(&key).and_then(|seat| seat.current.as_mut()) {
            current.hear_output(stream, &printed, tick.events);
        }
        open
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
        for Ahead { invocation, run, cancelled, .. } in ahead.calls {
            match self.apps.get_mut(&id).filter(|_| !cancelled) {
                Some(app) => app.queue.push(invocation, run),
                None => self.complete_late(invocation.id, invocation.attempt, Outcome::Cancelled),
            }
        }
        self.take_turn(id);
    }

    /// Notes that a call is not wanted, if a worker was given it ahead.
    pub(crate) fn cancel_ahead(&mut self, id: InvocationId, attempt: Attempt) -> bool {
        let mut ahead = self.seats.values_mut().flat_map(|seat| &mut seat.ahead.calls);
        let found = ahead.find(|call| (call.invocation.id, call.invocation.attempt) == (id, attempt));
        found.map(|call| call.cancelled = true).is_some()
    }
}

impl Seat {
    fn takes_ahead(&self) -> bool {
        let wanted = |current: &Current| !current.cancelled && current.verdict.is_none();
        self.state == State::Busy
            && self.current.as_ref().is_some_and(wanted)
            && self.ahead.calls.len() < CALLS_AHEAD_MAX
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
        if packed.is_err() || buffer.len() > CALL_BYTES - at || self.ring_at(at, buffer, GOES_ON).is_err() {
            return Err(Box::new(waiting));
        }
        self.ahead.end = at + buffer.len();
        let Waiting { invocation, run, .. } = waiting;
        self.ahead.calls.push_back(Ahead { serial, invocation, run, timeout, cancelled: false });
        Ok(())
    }

    /// The call before has ended, so the next one runs.
    fn go_on(&mut self, now: Instant) -> Option<(InvocationId, Attempt)> {
        let Ahead { serial, invocation, timeout, cancelled, .. } = self.ahead.calls.pop_front()?;
        self.serial = serial;
        self.current = Some(Current::new(&invocation, now, timeout, Vec::new()));
        if cancelled {
            self.cancel(now);
        }
        Some((invocation.id, invocation.attempt))
    }
}
