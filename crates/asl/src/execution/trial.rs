//! A trial: one state of a machine on its own, with what becomes of its data on the way.
//!
//! The state is entered as in an execution. Its work is asked for, or its result or error is given by whoever tries it;
//! where it goes next is told, not gone.

use super::data::View;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx};
use super::settings::Settings;
use super::task::reported;
use super::turn::{Flow, Turn};
use super::{Event, Execution, Output, TaskRequest};
use crate::Machine;
use crate::machine::{Block, Kind, State};
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// A step of a state's data flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Stage {
    InputPath,
    Parameters,
    Arguments,
    ItemsPath,
    ItemSelector,
    Result,
    ResultSelector,
    ResultPath,
}

impl Stage {
    /// The field of `inspectionData` that shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InputPath => "afterInputPath",
            Self::Parameters => "afterParameters",
            Self::Arguments => "afterArguments",
            Self::ItemsPath => "afterItemsPath",
            Self::ItemSelector => "afterItemSelector",
            Self::Result => "result",
            Self::ResultSelector => "afterResultSelector",
            Self::ResultPath => "afterResultPath",
        }
    }
}

/// What is seen of a state that is tried.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Takes the place of what the context object says.
    pub context: Option<Value>,
    pub stages: Vec<(Stage, Value)>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Which catcher took that.
    pub catcher: Option<usize>,
}

/// What is given of the work of a state instead of having it done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mock {
    /// Its result, as the state sees it.
    Result(Value),
    /// Its error; empty texts are none.
    Error {
        /// Its name.
        error: Arc<str>,
        /// What happened.
        cause: Arc<str>,
    },
}

/// What a state is tried with.
#[derive(Clone, Debug)]
pub struct TrialInput {
    /// Its raw input.
    pub input: Value,
    /// Fields that take the place of those of the context object.
    pub context: Option<Value>,
    /// Variables, as an object.
    pub variables: Option<Value>,
    /// How often each retrier has tried again already.
    pub retries: u32,
    /// What is given of its work.
    pub mock: Option<Mock>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The state was left.
    Succeeded {
        /// Its output.
        output: Value,
    },
    /// It failed, and a catcher took that.
    Caught {
        /// Its output.
        output: Value,
        /// Which, from 0.
        catcher: usize,
    },
    /// It failed, and is to be tried again.
    Retriable {
        /// By which retrier, from 0.
        retrier: usize,
        /// After how many milliseconds.
        delay_ms: u64,
    },
    /// It failed.
    Failed,
}

/// A trial that has ended.
#[derive(Clone, Debug)]
pub struct TrialEnd {
    /// How.
    pub verdict: Verdict,
    /// Name of the error, if it failed.
    pub error: Option<Arc<str>>,
    /// What happened, if it failed.
    pub cause: Option<Arc<str>>,
    /// Name of the state that is next.
    pub next: Option<Arc<str>>,
    /// What became of its data, in order.
    pub stages: Vec<(Stage, Value)>,
    /// Variables at its end, as an object.
    pub variables: Value,
}

/// A state that is tried.
#[derive(Debug)]
pub struct Trial {
    machine: Machine,
    execution: Execution,
    frame: Box<Frame>,
    now_ms: u64,
    retries: Vec<u32>,
}

/// How a trial goes on.
#[derive(Debug)]
pub enum Progress {
    /// It has ended.
    Ended(Box<TrialEnd>),
    /// Its work is to be done; [`Trial::finish`] takes what that came to.
    Work(Box<Trial>, Box<TaskRequest>),
    /// It runs blocks of its own, and nothing was given in their place.
    NeedsMock,
}

const ROOT: FrameIx = FrameIx(0);

impl Trial {
    /// Tries a state, wherever in the machine it is; `None` if there is none of that name.
    pub fn start(
        machine: &Machine,
        state: &str,
        settings: Settings,
        given: TrialInput,
        now_ms: u64,
    ) -> Option<Progress> {
        let block = machine.body.block_of(state)?.clone();
        let position = block.states.iter().position(|other| *other.name == *state)? as u32;
        let start = crate::machine::StateIx(position);
        let machine = Machine { body: Block { start, ..block }, ..machine.clone() };
        let mut frame = Box::new(Frame::at(start, given.input.clone(), now_ms));
        for (name, value) in given.variables.iter().filter_map(Value::as_object).flatten() {
            frame.variables.set(name.clone(), value.clone());
        }
        let state = machine.body.states[position as usize].clone();
        frame.attempts = vec![given.retries; state.retry.len()];
        let mut execution = Execution::idle(settings, given.input, now_ms);
        execution.watch = Some(Box::new(Watch { context: given.context, ..Watch::default() }));
        execution.frames.insert((*frame).clone());
        execution.frames.take(ROOT);
        let retries = frame.attempts.clone();
        let trial = Self { machine, execution, frame, now_ms, retries };
        Some(trial.enter(&state, given.mock))
    }

    fn enter(mut self, state: &State, mock: Option<Mock>) -> Progress {
        let mut out = Output::default();
        let turn = &mut Turn::new(&self.machine, self.now_ms, &mut out);
        let (execution, frame) = (&mut self.execution, &mut self.frame);
        let flow = match (&state.kind, mock) {
            (Kind::Parallel { .. } | Kind::Map(_), None) => return Progress::NeedsMock,
            (Kind::Parallel { .. } | Kind::Map(_), Some(mock)) => execution.pretend(frame, state, mock, turn),
            (Kind::Task(_), Some(mock)) => match execution.enter(frame, ROOT, state, turn) {
                Flow::Wait if matches!(frame.doing, Doing::Working(_)) => {
                    execution.work_mocked(frame, state, mock, turn)
                }
                flow => flow,
            },
            (Kind::Wait(_), _) => match execution.enter(frame, ROOT, state, turn) {
                Flow::Wait if matches!(frame.doing, Doing::Waiting) => execution.waited(frame, ROOT, turn),
                flow => flow,
            },
            _ => execution.enter(frame, ROOT, state, turn),
        };
        let asked = out.requests.into_iter().find_map(|request| match request {
            super::Request::Perform(request) => Some(request),
            super::Request::Cancel(_) => None,
        });
        match asked.filter(|_| matches!(self.frame.doing, Doing::Working(_))) {
            Some(request) => Progress::Work(Box::new(self), request),
            None => Progress::Ended(Box::new(self.ended(flow))),
        }
    }

    /// The work is done, or has failed.
    pub fn finish(mut self, event: Event) -> TrialEnd {
        let mut out = Output::default();
        let turn = &mut Turn::new(&self.machine, self.now_ms, &mut out);
        let flow = self.execution.task_went_on(&mut self.frame, ROOT, event, turn);
        self.ended(flow)
    }

    fn ended(self, flow: Flow) -> TrialEnd {
        let watch = self.execution.watch.map(|watch| *watch).unwrap_or_default();
        let (mut error, mut cause) =
            watch.failure.map(|failure| (failure.error, failure.cause)).unwrap_or_default();
        let (verdict, next) = match flow {
            Flow::End(output) => (left(output, watch.catcher), None),
            Flow::Next => {
                let next = self.machine.body.states[self.frame.state.0 as usize].name.clone();
                (left(self.frame.input.clone(), watch.catcher), Some(next))
            }
            Flow::Fail(failure) => {
                (error, cause) = (failure.error, failure.cause);
                (Verdict::Failed, None)
            }
            Flow::Wait => {
                let pairs = self.frame.attempts.iter().zip(&self.retries);
                let retrier = pairs.enumerate().find(|(_, (now, before))| now != before);
                let delay_ms = self.frame.deadline_ms.unwrap_or(self.now_ms) - self.now_ms;
                (Verdict::Retriable { retrier: retrier.map_or(0, |(number, _)| number), delay_ms }, None)
            }
        };
        let variables = self.frame.variables.own().map(|(name, value)| (name.clone(), value.clone()));
        let variables = Value::fields(variables);
        TrialEnd { verdict, error, cause, next, stages: watch.stages, variables }
    }
}

fn left(output: Value, catcher: Option<usize>) -> Verdict {
    match catcher {
        Some(catcher) => Verdict::Caught { output, catcher },
        None => Verdict::Succeeded { output },
    }
}

impl Execution {
    /// Shows what became of a state's data to whoever tries it.
    pub(super) fn show(&mut self, stage: Stage, value: &Value) {
        if let Some(watch) = &mut self.watch {
            watch.stages.push((stage, value.clone()));
        }
    }

    /// Shows the failure of a state to whoever tries it.
    pub(super) fn show_failure(&mut self, failure: &Failure, catcher: Option<usize>) {
        if let Some(watch) = &mut self.watch {
            watch.failure = Some(failure.clone());
            watch.catcher = catcher;
        }
    }

    /// The work of a task is taken as done.
    fn work_mocked(&mut self, frame: &mut Frame, state: &State, mock: Mock, turn: &mut Turn<'_>) -> Flow {
        frame.doing = Doing::Ready;
        self.set_deadline(frame, ROOT, None);
        self.mocked(frame, state, mock, turn)
    }

    fn mocked(&mut self, frame: &mut Frame, state: &State, mock: Mock, turn: &mut Turn<'_>) -> Flow {
        let flow = match mock {
            Mock::Result(result) => self.complete(frame, state, result, turn),
            Mock::Error { error, cause } => Err(reported(error, cause)),
        };
        flow.unwrap_or_else(|failure| self.fail_state(frame, ROOT, state, failure, turn))
    }

    /// A `Parallel` or `Map` is entered whose children are taken as done.
    fn pretend(&mut self, frame: &mut Frame, state: &State, mock: Mock, turn: &mut Turn<'_>) -> Flow {
        match self.prepare(frame, state, turn) {
            Ok(()) => self.mocked(frame, state, mock, turn),
            Err(failure) => self.fail_state(frame, ROOT, state, failure, turn),
        }
    }

    fn prepare(&mut self, frame: &mut Frame, state: &State, turn: &mut Turn<'_>) -> Result<(), Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        match &state.kind {
            Kind::Map(map) => self.preview_map(frame, state, map, effective, turn),
            _ => self.arguments(frame, state, View::of(&effective), turn).map(drop),
        }
    }
}
