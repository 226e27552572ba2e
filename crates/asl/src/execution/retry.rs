//! `Retry` and `Catch`.

use super::Execution;
use super::data::{View, place};
use super::failure::{Failure, Origin};
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, JoinStep};
use super::turn::{Flow, Turn};
use crate::machine::{Catcher, Next, QueryLanguage, Retrier, State};
use std::sync::Arc;

/// Longest delay before a retry, in milliseconds: a year.
pub const RETRY_DELAY_MS_MAX: u64 = 31_622_400_000;

impl Execution {
    /// What becomes of a state that failed.
    pub(super) fn fail_state(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let failure = self.explain(frame, state, failure, turn);
        self.show_failure(&failure, None);
        if self.back_off(frame, ix, state, &failure, turn) {
            return Flow::Wait;
        }
        if failure.origin == Origin::Children {
            let kind = state.kind.state_type();
            self.follow(frame, turn, || HistoryKind::Children { kind, step: JoinStep::Failed });
        }
        let catching = state.catch.iter().position(|catcher| failure.matches(&catcher.errors));
        let Some(catcher) = catching.map(|number| &state.catch[number]) else {
            return self.halt_at(frame, failure);
        };
        self.show_failure(&failure, catching);
        self.drop_children(frame);
        match self.catch(frame, state, catcher, &failure, turn) {
            Ok(flow) => flow,
            Err(failure) => {
                let failure = self.explain(frame, state, failure, turn);
                self.halt_at(frame, failure)
            }
        }
    }

    /// Ends the block of a frame with a failure; its place is kept for a redrive.
    pub(super) fn halt_at(&mut self, frame: &mut Frame, failure: Failure) -> Flow {
        frame.doing = match std::mem::replace(&mut frame.doing, Doing::Ready) {
            Doing::Joining(join) => Doing::Halted(Some(join)),
            Doing::Working(working) => Doing::Halted(working.join),
            _ => Doing::Halted(None),
        };
        Flow::Fail(failure)
    }

    /// Whether the state is tried again later.
    fn back_off(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        failure: &Failure,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(number) = state.retry.iter().position(|retrier| failure.matches(&retrier.errors)) else {
            return false;
        };
        frame.attempts.resize(state.retry.len(), 0);
        let attempt = &mut frame.attempts[number];
        if u64::from(*attempt) >= state.retry[number].max_attempts {
            return false;
        }
        let delay_ms = state.retry[number].delay_ms(*attempt);
        *attempt += 1;
        let delay_ms = if state.retry[number].jitter { self.chance.up_to(delay_ms) } else { delay_ms };
        self.drop_children(frame);
        frame.doing = Doing::BackingOff;
        frame.trail.entering = false;
        self.set_deadline(frame, ix, Some(turn.now_ms.saturating_add(delay_ms)));
        true
    }

    /// Tries the state of a frame again.
    pub(super) fn retry_now(&mut self, frame: &mut Frame, ix: FrameIx, turn: &mut Turn<'_>) -> Flow {
        let state = self.state_of(frame, turn.machine);
        self.attempt(frame, ix, state, turn)
    }

    fn catch(
        &mut self,
        frame: &mut Frame,
        state: &State,
        catcher: &Catcher,
        failure: &Failure,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let error_output = failure.output();
        let input = frame.input.clone();
        let (view, output) = match state.query {
            QueryLanguage::JsonPath => {
                (View::of(&error_output), place(catcher.result_path.as_ref(), &input, &error_output)?)
            }
            QueryLanguage::Jsonata => {
                let view = View { error_output: Some(&error_output), ..View::of(&input) };
                let output = match &catcher.output {
                    Some(template) => self.evaluate(frame, state, template, "Output", view, turn)?,
                    None => error_output.clone(),
                };
                (view, output)
            }
        };
        let assigned = self.assigned(frame, state, catcher.assign.as_ref(), view, turn)?;
        self.leave(frame, state, output, assigned, Next::State(catcher.next), turn)
    }
}

impl Retrier {
    /// Milliseconds before the retry that follows so many others.
    fn delay_ms(&self, retries: u32) -> u64 {
        let backoff = self.backoff_rate.powi(i32::try_from(retries).unwrap_or(i32::MAX));
        let delay_ms = self.interval_seconds as f64 * backoff * 1000.0;
        let most = self.max_delay_seconds.map_or(RETRY_DELAY_MS_MAX, |seconds| seconds.saturating_mul(1000));
        (delay_ms as u64).min(most).min(RETRY_DELAY_MS_MAX)
    }
}

/// A text, unless it is empty.
pub(super) fn given(text: Arc<str>) -> Option<Arc<str>> {
    (!text.is_empty()).then_some(text)
}
