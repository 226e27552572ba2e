//! Children of a `Parallel` or `Map`, and the wait for all of them.
//!
//! Invariants:
//! * `open` is the number of [`Slot::Open`] whose frame runs; a halted frame keeps its slot, for a redrive.
//! * All slots of a `Parallel` are there from the start; those of a `Map` are added as its iterations start.

use super::Execution;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, JoinStep};
use super::iterations::Iterations;
use super::task::Purpose;
use super::turn::{Flow, Turn};
use crate::machine::{Kind, State};
use serde::{Deserialize, Serialize};
use sluice_expression::Value;

/// Children and their results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Join {
    /// By branch or iteration.
    pub slots: Vec<Slot>,
    /// Number of children that run.
    pub open: u32,
    /// The event that the next iteration follows.
    pub follows: u64,
    /// Of a `Map`.
    pub iterations: Option<Box<Iterations>>,
}

/// One child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Slot {
    /// It runs, or is halted.
    Open(FrameIx),
    /// It succeeded.
    Done(Value),
    /// It failed, which its distributed `Map` tolerates so far; with the record of it.
    Failed(FrameIx, Value),
}

impl Frame {
    /// The join of a frame at a `Parallel` or `Map`.
    pub fn join(&mut self) -> Option<&mut Join> {
        match &mut self.doing {
            Doing::Joining(join) | Doing::Halted(Some(join)) => Some(join),
            Doing::Working(working) => working.join.as_deref_mut(),
            _ => None,
        }
    }

    /// Number of the map run of a frame at a distributed `Map`.
    pub fn map_run(&mut self) -> Option<u32> {
        match &self.doing {
            Doing::Working(working) => match working.purpose {
                Purpose::Items { run } | Purpose::Results { run } => Some(run),
                Purpose::Task => None,
            },
            _ => self.join()?.run(),
        }
    }
}

impl Execution {
    /// A branch or iteration has ended with this output.
    pub(super) fn child_succeeded(
        &mut self,
        parent: FrameIx,
        child: &Frame,
        output: Value,
        turn: &mut Turn<'_>,
    ) {
        let mut frame = self.frames.take(parent).expect("a parent is in while its child runs");
        let state = self.state_of(&frame, turn.machine);
        let output = match &state.kind {
            Kind::Map(map) => self.iteration_succeeded(&mut frame, state, map, child, output, turn),
            _ => {
                frame.trail.last = child.trail.last;
                output
            }
        };
        let join = frame.join().expect("a frame with children joins them");
        join.slots[child.index as usize] = Slot::Done(output);
        join.open -= 1;
        let flow = self.fill(&mut frame, parent, turn);
        self.go(frame, parent, flow, turn);
    }

    /// A branch or iteration has failed; it is halted.
    pub(super) fn child_failed(
        &mut self,
        parent: FrameIx,
        child: FrameIx,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) {
        let mut frame = self.frames.take(parent).expect("a parent is in while its child runs");
        let child_frame = self.frames.take(child).expect("a failed frame was put back");
        let state = self.state_of(&frame, turn.machine);
        frame.join().expect("a frame with children joins them").open -= 1;
        let failure = match &state.kind {
            Kind::Map(map) => {
                self.iteration_failed(&mut frame, state, map, (&child_frame, child), failure, turn)
            }
            _ => {
                frame.trail.last = child_frame.trail.of_error();
                Some(failure)
            }
        };
        self.frames.put(child, child_frame);
        let flow = match failure {
            None => self.fill(&mut frame, parent, turn),
            Some(failure) => {
                self.halt_children(&mut frame, state, true, turn);
                match &state.kind {
                    // That the results cannot be told of matters less than why the map run failed.
                    Kind::Map(map)
                        if matches!(self.write_results(&mut frame, parent, state, map, turn), Ok(true)) =>
                    {
                        Flow::Wait
                    }
                    _ => self.fail_state(&mut frame, parent, state, failure.of_child(), turn),
                }
            }
        };
        self.go(frame, parent, flow, turn);
    }

    /// Starts children that may start; when all have ended, goes on.
    pub(super) fn fill(&mut self, frame: &mut Frame, ix: FrameIx, turn: &mut Turn<'_>) -> Flow {
        let state = self.state_of(frame, turn.machine);
        if let Kind::Map(map) = &state.kind
            && let Err(failure) = self.start_iterations(frame, ix, state, map, turn)
        {
            self.halt_children(frame, state, true, turn);
            return self.fail_map(frame, ix, state, failure, turn);
        }
        if !frame.join().is_some_and(|join| join.is_complete()) {
            return Flow::Wait;
        }
        if let Kind::Map(map) = &state.kind {
            match self.write_results(frame, ix, state, map, turn) {
                Ok(false) => {}
                Ok(true) => return Flow::Wait,
                Err(failure) => return self.fail_map(frame, ix, state, failure, turn),
            }
        }
        let result = match &state.kind {
            Kind::Map(map) => self.map_result(frame, map, turn),
            _ => Value::array(frame.join().map(|join| join.results()).unwrap_or_default()),
        };
        let flow = self.finish_join(frame, state, result, turn);
        flow.unwrap_or_else(|failure| self.fail_state(frame, ix, state, failure, turn))
    }

    /// Leaves a `Parallel` or `Map` whose children have succeeded.
    pub(super) fn finish_join(
        &mut self,
        frame: &mut Frame,
        state: &State,
        result: Value,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let kind = state.kind.state_type();
        self.note(frame, frame.trail.last, turn, || HistoryKind::Children {
            kind,
            step: JoinStep::Succeeded,
        });
        self.drop_children(frame);
        self.hold(&result, state)?;
        self.complete(frame, state, result, turn)
    }
}

impl Slot {
    /// The frame of a child that has not succeeded.
    pub fn frame(&self) -> Option<FrameIx> {
        match self {
            Self::Open(ix) | Self::Failed(ix, _) => Some(*ix),
            Self::Done(_) => None,
        }
    }

    /// Lets a child that has not succeeded run again.
    pub fn reopen(&mut self) -> Option<FrameIx> {
        let ix = self.frame()?;
        *self = Self::Open(ix);
        Some(ix)
    }
}

impl Join {
    /// Number of the map run.
    pub fn run(&self) -> Option<u32> {
        self.iterations.as_ref()?.run
    }

    fn is_complete(&self) -> bool {
        self.open == 0 && self.iterations.as_ref().is_none_or(|iterations| iterations.is_exhausted())
    }

    /// The results, in order; failures as their records.
    pub fn results(&self) -> Vec<Value> {
        let results = self.slots.iter().map(|slot| match slot {
            Slot::Done(result) | Slot::Failed(_, result) => result.clone(),
            Slot::Open(_) => unreachable!("all children have ended"),
        });
        results.collect()
    }
}
