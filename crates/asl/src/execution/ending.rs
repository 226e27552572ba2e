//! How executions end, how parts of them are cut short, and how they go on after a redrive.

use super::failure::{Failure, Origin};
use super::frames::{Doing, Frame, FrameIx, Trail};
use super::history::{ExecutionStep, HistoryKind, JoinStep, MapRunStep};
use super::join::{Join, Slot};
use super::map_run::MapRunStatus;
use super::settings::HISTORY_EVENTS_MAX;
use super::turn::Turn;
use super::{Execution, Request, Status};
use crate::machine::{Kind, MapMode, State};
use sluice_expression::Value;
use std::sync::Arc;

/// The frame of the machine itself.
pub(super) const ROOT: FrameIx = FrameIx(0);

/// Nothing can catch that a history takes no more events.
pub(super) fn history_is_full() -> Failure {
    let cause = format!("The execution reached the maximum number of history events ({HISTORY_EVENTS_MAX}).");
    Failure { origin: Origin::Work, ..Failure::runtime(cause) }
}

impl Execution {
    /// The machine has come to its end.
    pub(super) fn succeed(&mut self, frame: &Frame, output: Value, turn: &mut Turn<'_>) {
        let step = ExecutionStep::Succeeded { output: output.clone() };
        self.status = Status::Succeeded { output };
        self.note(frame, frame.trail.last, turn, || HistoryKind::Execution(step));
    }

    /// Nothing caught an error; the frames stay halted, for a redrive.
    pub(super) fn fail(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        let Failure { error, cause, .. } = failure;
        let previous = self.frames.get(ROOT).map_or(0, |frame| frame.trail.of_error());
        let step = ExecutionStep::Failed { error: error.clone(), cause: cause.clone() };
        self.end(previous, step, Status::Failed { error, cause }, turn);
    }

    /// Ends an execution that has not succeeded.
    pub(super) fn end(&mut self, previous: u64, step: ExecutionStep, status: Status, turn: &mut Turn<'_>) {
        self.halt(ROOT, None, false, turn);
        self.status = status;
        if let Some(frame) = self.frames.take(ROOT) {
            self.last_event = self.note(&frame, previous, turn, || HistoryKind::Execution(step));
            self.frames.put(ROOT, frame);
        }
    }

    /// The history can take no more than its end.
    pub(super) fn overflow(&mut self, turn: &mut Turn<'_>) {
        self.fail(history_is_full(), turn);
    }

    /// `StopExecution`.
    pub(super) fn stop(&mut self, error: Option<Arc<str>>, cause: Option<Arc<str>>, turn: &mut Turn<'_>) {
        let step = ExecutionStep::Aborted { error: error.clone(), cause: cause.clone() };
        self.end(0, step, Status::Aborted { error, cause }, turn);
    }

    /// Cuts short what the children of a frame do. The histories of states and iterations tell so if `announced`.
    pub(super) fn halt_children(
        &mut self,
        frame: &mut Frame,
        state: &State,
        announced: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(join) = frame.join() else { return };
        join.open = 0;
        let children: Vec<FrameIx> = join.slots.iter().filter_map(Slot::frame).collect();
        for child in children {
            self.halt(child, Some(state), announced, turn);
        }
    }

    /// Cuts short what a frame does, as part of a state; its place is kept for a redrive.
    fn halt(&mut self, ix: FrameIx, part_of: Option<&State>, announced: bool, turn: &mut Turn<'_>) {
        let Some(mut frame) = self.frames.take(ix) else { return };
        if !matches!(frame.doing, Doing::Halted(_)) {
            let block = part_of.map_or(&turn.machine.body, |state| state.child_block(frame.index));
            let state = &block.states[frame.state.0 as usize];
            self.halt_children(&mut frame, state, announced, turn);
            self.set_deadline(&mut frame, ix, None);
            self.abort_map_run(&mut frame, turn);
            if announced && !matches!(frame.doing, Doing::Ready) {
                let kind = state.kind.state_type();
                self.note(&frame, frame.trail.last, turn, || HistoryKind::StateAborted { kind });
            }
            self.announce_end(&frame, part_of, announced, turn);
            let join = match std::mem::replace(&mut frame.doing, Doing::Ready) {
                Doing::Working(working) => {
                    turn.out.requests.push(Request::Cancel(working.task));
                    working.join
                }
                Doing::Joining(join) => Some(join),
                _ => None,
            };
            frame.doing = Doing::Halted(join);
        }
        self.frames.put(ix, frame);
    }

    /// Tells that an iteration was cut short.
    fn announce_end(&mut self, frame: &Frame, part_of: Option<&State>, announced: bool, turn: &mut Turn<'_>) {
        let Some(state) = part_of else { return };
        match &state.kind {
            Kind::Map(map) if map.mode != MapMode::Inline => self.child_aborted(frame, turn),
            Kind::Map(_) if announced => {
                let (name, index) = (state.name.clone(), frame.index.into());
                let step = JoinStep::Aborted;
                self.note(frame, frame.trail.last, turn, || HistoryKind::Iteration { step, name, index });
            }
            _ => {}
        }
    }

    fn abort_map_run(&mut self, frame: &mut Frame, turn: &mut Turn<'_>) {
        let Some(run) = frame.map_run() else { return };
        if self.map_runs[run as usize].status == MapRunStatus::Running {
            self.end_map_run(run, MapRunStatus::Aborted, turn.now_ms);
            self.note(frame, frame.trail.last, turn, || HistoryKind::MapRun(MapRunStep::Aborted));
        }
    }

    /// Forgets the children of a frame, which have all ended or are halted.
    pub(super) fn drop_children(&mut self, frame: &mut Frame) {
        let doing = std::mem::replace(&mut frame.doing, Doing::Ready);
        let join = match doing {
            Doing::Joining(join) | Doing::Halted(Some(join)) => Some(join),
            Doing::Working(working) => working.join,
            _ => None,
        };
        let distributed = join.as_ref().is_some_and(|join| join.run().is_some());
        for child in join.iter().flat_map(|join| join.slots.iter().filter_map(Slot::frame)) {
            let Some(mut child_frame) = self.frames.take(child) else { continue };
            self.drop_children(&mut child_frame);
            self.set_deadline(&mut child_frame, child, None);
            self.frames.forget(child);
            if distributed {
                self.ledgers.close(child_frame.ledger);
            }
        }
    }

    /// `RedriveExecution`: what has not succeeded goes on.
    pub(super) fn redrive(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.status, Status::Running | Status::Succeeded { .. }) {
            return;
        }
        self.status = Status::Running;
        self.redrives += 1;
        self.redriven_ms = Some(turn.now_ms);
        self.fixed_context.take();
        self.start_clock(turn);
        let count = self.redrives;
        if let Some(frame) = self.frames.take(ROOT) {
            let step = ExecutionStep::Redriven { count };
            self.last_event = self.note(&frame, self.last_event, turn, || HistoryKind::Execution(step));
            self.frames.put(ROOT, frame);
        }
        self.resume(ROOT, self.last_event, turn);
    }

    /// Lets a halted frame go on, after an event of its history.
    fn resume(&mut self, ix: FrameIx, follows: u64, turn: &mut Turn<'_>) {
        let mut frame = self.frames.take(ix).expect("what has not succeeded was kept");
        let Doing::Halted(join) = std::mem::replace(&mut frame.doing, Doing::Ready) else {
            unreachable!("all that has not succeeded is halted")
        };
        frame.trail = Trail { entered: frame.trail.entered, ..Trail::after(follows) };
        frame.attempts.clear();
        if let Some(join) = join {
            return self.resume_join(frame, ix, join, turn);
        }
        let kind = &self.state_of(&frame, turn.machine).kind;
        if matches!(kind, Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)) {
            frame.doing = Doing::Again;
        }
        self.frames.put(ix, frame);
        self.ready.push_back(ix);
    }

    fn resume_join(&mut self, mut frame: Box<Frame>, ix: FrameIx, mut join: Box<Join>, turn: &mut Turn<'_>) {
        let run = join.run();
        if let Some(run) = run {
            self.redrive_map_run(&mut frame, run, turn);
        }
        let children: Vec<FrameIx> = join.slots.iter_mut().filter_map(Slot::reopen).collect();
        join.open = children.len() as u32;
        join.follows = frame.trail.last;
        let follows = frame.trail.last;
        frame.doing = Doing::Joining(join);
        self.frames.put(ix, frame);
        for child in children {
            let follows = if run.is_some() { self.redrive_child(child, turn) } else { follows };
            self.resume(child, follows, turn);
        }
        self.ready.push_back(ix);
    }
}
