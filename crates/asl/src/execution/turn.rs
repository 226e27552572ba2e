//! One turn of an execution: frames run until they wait, or the turn's steps are used up.

use super::ending::history_is_full;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx};
use super::{Execution, Output};
use crate::Machine;
use crate::machine::{Block, Kind, State};
use sluice_expression::Value;

/// Most steps of one turn, each a state entered, a child started, or effort worth as much: about a millisecond.
pub const STEPS_PER_SLICE: u32 = 1_000;

/// What a turn has at hand.
pub(super) struct Turn<'a> {
    pub machine: &'a Machine,
    pub now_ms: u64,
    pub out: &'a mut Output,
    /// Steps that are left.
    pub steps: u32,
}

impl<'a> Turn<'a> {
    pub fn new(machine: &'a Machine, now_ms: u64, out: &'a mut Output) -> Self {
        Self { machine, now_ms, out, steps: STEPS_PER_SLICE }
    }
}

/// How a frame goes on.
pub(super) enum Flow {
    /// Into its next state.
    Next,
    /// When what it waits for has come.
    Wait,
    /// Its block has ended with this output.
    End(Value),
    /// Its block has failed.
    Fail(Failure),
}

impl State {
    /// The block of a branch or iteration.
    pub(super) fn child_block(&self, index: u32) -> &Block {
        match &self.kind {
            Kind::Parallel { branches } => &branches[index as usize],
            Kind::Map(map) => &map.processor,
            _ => unreachable!("children belong to a Parallel or Map"),
        }
    }
}

impl Execution {
    /// Runs frames that are ready.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>) {
        while turn.steps > 0 && self.status.is_running() {
            let Some(ix) = self.ready.pop_front().filter(|_| !self.is_full) else { break };
            self.run(ix, turn);
        }
        if self.is_full && self.status.is_running() {
            self.overflow(turn);
        }
        if !self.status.is_running() {
            self.ready.clear();
        }
    }

    fn run(&mut self, ix: FrameIx, turn: &mut Turn<'_>) {
        let Some(mut frame) = self.frames.take(ix) else { return };
        let flow = match frame.doing {
            Doing::Ready => Flow::Next,
            Doing::Again => self.retry_now(&mut frame, ix, turn),
            Doing::Joining(_) => self.fill(&mut frame, ix, turn),
            Doing::Waiting | Doing::BackingOff | Doing::Working(_) | Doing::Halted(_) => Flow::Wait,
        };
        self.go(frame, ix, flow, turn);
    }

    /// Lets a frame that was taken out go on, and puts it back or lets its parent go on.
    pub(super) fn go(&mut self, mut frame: Box<Frame>, ix: FrameIx, mut flow: Flow, turn: &mut Turn<'_>) {
        let block = self.block(&frame, turn.machine);
        loop {
            match flow {
                Flow::Next if self.is_child_full(&frame) => {
                    flow = self.halt_at(&mut frame, history_is_full())
                }
                Flow::Next if turn.steps == 0 || self.is_full => {
                    frame.doing = Doing::Ready;
                    self.ready.push_front(ix);
                    break;
                }
                Flow::Next => {
                    turn.steps -= 1;
                    let state = &block.states[frame.state.0 as usize];
                    flow = self.enter(&mut frame, ix, state, turn);
                    self.pay(turn);
                }
                Flow::Wait => break,
                Flow::End(output) => return self.block_succeeded(frame, ix, output, turn),
                Flow::Fail(failure) => {
                    self.frames.put(ix, frame);
                    return self.block_failed(ix, failure, turn);
                }
            }
        }
        self.frames.put(ix, frame);
    }

    /// Takes the steps out of a turn that expressions and large values are worth.
    pub(super) fn pay(&mut self, turn: &mut Turn<'_>) {
        turn.steps = turn.steps.saturating_sub(self.effort.take_steps());
    }

    /// The block of which a frame is an instance.
    pub(super) fn block<'m>(&self, frame: &Frame, machine: &'m Machine) -> &'m Block {
        let Some(parent) = frame.parent else { return &machine.body };
        let parent = self.frames.get(parent).expect("a parent is in while its child runs");
        self.state_of(parent, machine).child_block(frame.index)
    }

    /// The state at which a frame is.
    pub(super) fn state_of<'m>(&self, frame: &Frame, machine: &'m Machine) -> &'m State {
        &self.block(frame, machine).states[frame.state.0 as usize]
    }

    fn block_succeeded(&mut self, frame: Box<Frame>, ix: FrameIx, output: Value, turn: &mut Turn<'_>) {
        self.frames.forget(ix);
        match frame.parent {
            Some(parent) => self.child_succeeded(parent, &frame, output, turn),
            None => self.succeed(&frame, output, turn),
        }
    }

    fn block_failed(&mut self, ix: FrameIx, failure: Failure, turn: &mut Turn<'_>) {
        let parent = self.frames.get(ix).expect("a failed frame was put back").parent;
        match parent {
            Some(parent) => self.child_failed(parent, ix, failure, turn),
            None => self.fail(failure, turn),
        }
    }

    /// Sets when the waiting of a frame ends by itself.
    pub(super) fn set_deadline(&mut self, frame: &mut Frame, ix: FrameIx, deadline_ms: Option<u64>) {
        if let Some(old) = frame.deadline_ms {
            self.timers.remove(&(old, ix));
        }
        if let Some(new) = deadline_ms {
            self.timers.insert((new, ix));
        }
        frame.deadline_ms = deadline_ms;
    }
}
