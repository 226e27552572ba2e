//! Entering a state, and what the simple states do.

use super::Execution;
use super::data::{Onward, View};
use super::failure::{Failure, Origin};
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, StateType};
use super::turn::{Flow, Turn};
use crate::machine::{Kind, Next, QueryLanguage, Rule, Setting, State};
use crate::{Fault, machine::Wait};
use sluice_expression::Value;
use std::sync::Arc;

impl Kind {
    /// The type of the state.
    pub fn state_type(&self) -> StateType {
        match self {
            Self::Pass { .. } => StateType::Pass,
            Self::Task(_) => StateType::Task,
            Self::Choice { .. } => StateType::Choice,
            Self::Wait(_) => StateType::Wait,
            Self::Succeed => StateType::Succeed,
            Self::Fail { .. } => StateType::Fail,
            Self::Parallel { .. } => StateType::Parallel,
            Self::Map(_) => StateType::Map,
        }
    }
}

impl Execution {
    /// Enters the state of a frame.
    pub(super) fn enter(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let kind = state.kind.state_type();
        let entered = self.note(frame, frame.trail.last, turn, || HistoryKind::StateEntered {
            kind,
            name: state.name.clone(),
            input: frame.input.clone(),
        });
        let trail = &mut frame.trail;
        (trail.before, trail.last, trail.entered, trail.entering) = (trail.last, entered, entered, true);
        frame.entered_ms = turn.now_ms;
        self.attempt(frame, ix, state, turn)
    }

    /// Does what a state does; again after a retry.
    pub(super) fn attempt(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let flow = match &state.kind {
            Kind::Pass { result } => self.pass(frame, state, result.as_ref(), turn),
            Kind::Task(task) => self.start_task(frame, ix, state, task, turn),
            Kind::Choice { rules } => self.choose(frame, state, rules, turn),
            Kind::Wait(wait) => self.wait(frame, ix, state, wait, turn),
            Kind::Succeed => self.succeed_block(frame, state, turn),
            Kind::Fail { error, cause } => self.fail_block(frame, state, [error, cause], turn),
            Kind::Parallel { branches } => self.start_branches(frame, ix, state, branches, turn),
            Kind::Map(map) => self.start_map(frame, ix, state, map, turn),
        };
        flow.unwrap_or_else(|failure| self.fail_state(frame, ix, state, failure, turn))
    }

    fn pass(
        &mut self,
        frame: &mut Frame,
        state: &State,
        result: Option<&Value>,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        if state.query == QueryLanguage::Jsonata {
            return self.pass_on(frame, state, effective, Onward::of(state), turn);
        }
        let result = match result {
            Some(result) => result.clone(),
            None => self.arguments(frame, state, View::of(&effective), turn)?,
        };
        self.complete(frame, state, result, turn)
    }

    fn choose(
        &mut self,
        frame: &mut Frame,
        state: &State,
        rules: &[Rule],
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        let chosen = self.see(frame, state, View::of(&effective), turn, |scope| {
            for rule in rules {
                if rule.condition.holds(scope)? {
                    return Ok(Some(rule));
                }
            }
            Ok(None)
        })?;
        let onward = match (chosen, state.next) {
            (Some(rule), _) => Onward {
                output: rule.output.as_ref(),
                assign: rule.assign.as_ref(),
                next: Next::State(rule.next),
            },
            (None, Some(_)) => Onward::of(state),
            (None, None) => {
                let cause = "Failed to transition out of the state. \
                             The state does not point to a next state.";
                return Err(Fault::new("States.NoChoiceMatched", cause).into());
            }
        };
        self.pass_on(frame, state, effective, onward, turn)
    }

    fn wait(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        wait: &Wait,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        let until_ms =
            self.see(frame, state, View::of(&effective), turn, |scope| wait.until_ms(scope, turn.now_ms));
        let until_ms = until_ms.map_err(|failure| after_entry(frame, state, failure))?;
        frame.trail.entering = false;
        frame.doing = Doing::Waiting;
        self.set_deadline(frame, ix, Some(until_ms));
        Ok(Flow::Wait)
    }

    /// Leaves a `Wait` whose time has come.
    pub(super) fn waited(&mut self, frame: &mut Frame, ix: FrameIx, turn: &mut Turn<'_>) -> Flow {
        let state = self.state_of(frame, turn.machine);
        let effective = self.effective_input(frame, state, turn);
        let flow =
            effective.and_then(|effective| self.pass_on(frame, state, effective, Onward::of(state), turn));
        flow.unwrap_or_else(|failure| self.fail_state(frame, ix, state, failure, turn))
    }

    fn succeed_block(
        &mut self,
        frame: &mut Frame,
        state: &State,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        let onward = Onward { next: Next::End, ..Onward::of(state) };
        self.pass_on(frame, state, effective, onward, turn)
    }

    fn fail_block(
        &mut self,
        frame: &mut Frame,
        state: &State,
        [error, cause]: [&Option<Setting<Arc<str>>>; 2],
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let input = frame.input.clone();
        let (error, cause) = self.see(frame, state, View::of(&input), turn, |scope| {
            let error = Setting::optional(error, scope, "Error")?;
            Ok((error, Setting::optional(cause, scope, "Cause")?))
        })?;
        frame.trail.entering = false;
        Err(Failure::work(error, cause))
    }
}

/// What a `Wait` computes is an error of its entry only if an expression failed; else of the wait.
fn after_entry(frame: &mut Frame, state: &State, failure: Failure) -> Failure {
    if failure.origin != Origin::Evaluation(None) {
        return failure;
    }
    frame.trail.entering = false;
    let location = (state.query == QueryLanguage::Jsonata).then(|| "Timestamp".into());
    Failure { origin: Origin::Evaluation(location), ..failure }
}
