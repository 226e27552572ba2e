//! How data flows through a state: from its raw input to the input of its work, from the result to its output.

use super::Execution;
use super::chance::Moment;
use super::context::{About, StateContext};
use super::failure::{DATA_LIMIT_EXCEEDED, Failure};
use super::frames::{Doing, Frame};
use super::history::HistoryKind;
use super::trial::Stage;
use super::turn::{Flow, Turn};
use crate::machine::{Next, QueryLanguage, State};
use crate::{Fault, Scope, Template};
use sluice_expression::path::{Path, ReferencePath, Root};
use sluice_expression::{Excess, Map, VALUE_NESTING_MAX, Value};
use sluice_types::limits::WORKFLOW_VALUE_BYTES_MAX;
use std::cell::OnceCell;
use std::sync::Arc;

/// What an expression sees of its state, besides context and variables.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// `$`, or `$states.input`.
    pub input: &'a Value,
    /// `$states.result`.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`.
    pub error_output: Option<&'a Value>,
    /// `$$.Task.Token`.
    pub token: Option<&'a Arc<str>>,
}

impl<'a> View<'a> {
    pub fn of(input: &'a Value) -> Self {
        Self { input, result: None, error_output: None, token: None }
    }
}

impl Execution {
    /// Lets an expression of a state be evaluated.
    pub(super) fn see<R>(
        &mut self,
        frame: &Frame,
        state: &State,
        view: View<'_>,
        turn: &Turn<'_>,
        evaluate: impl FnOnce(&mut Scope<'_>) -> Result<R, Fault>,
    ) -> Result<R, Failure> {
        let about = About {
            settings: &self.settings,
            input: &self.input,
            ledgers: &self.ledgers,
            redrives: self.redrives,
            redriven_ms: self.redriven_ms,
            given: self.watch.as_ref().and_then(|watch| watch.context.as_ref()),
            fixed: &self.fixed_context,
        };
        let context = StateContext { about, frame, state, token: view.token, built: OnceCell::new() };
        let mut world = Moment { now_ms: turn.now_ms, chance: &mut self.chance, effort: &mut self.effort };
        let mut scope = Scope {
            input: view.input,
            context: &context,
            variables: &frame.variables,
            result: view.result,
            error_output: view.error_output,
            aws_limits: self.settings.aws_limits,
            world: &mut world,
        };
        Ok(evaluate(&mut scope)?)
    }

    /// The value of a template of a state.
    pub(super) fn evaluate(
        &mut self,
        frame: &Frame,
        state: &State,
        template: &Template,
        field: &str,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        match template {
            Template::Fixed(value) => Ok(value.clone()),
            computed => self.see(frame, state, view, turn, |scope| computed.evaluate(scope, field)),
        }
    }

    fn find(
        &mut self,
        frame: &Frame,
        state: &State,
        path: Option<&Path>,
        input: Value,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        match path {
            None => Ok(Value::object(Map::default())),
            Some(path) if path.is_root() && *path.root() == Root::Data => Ok(input),
            Some(path) => self.see(frame, state, View::of(&input), turn, |scope| scope.find(path)),
        }
    }

    /// The input after `InputPath`.
    pub(super) fn effective_input(
        &mut self,
        frame: &Frame,
        state: &State,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        if state.query == QueryLanguage::Jsonata {
            return Ok(frame.input.clone());
        }
        let effective = self.find(frame, state, state.input_path.as_ref(), frame.input.clone(), turn)?;
        self.show(Stage::InputPath, &effective);
        Ok(effective)
    }

    /// `Parameters` or `Arguments`; without them, the effective input.
    pub(super) fn arguments(
        &mut self,
        frame: &Frame,
        state: &State,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        let (field, stage) = match state.query {
            QueryLanguage::JsonPath => ("Parameters", Stage::Parameters),
            QueryLanguage::Jsonata => ("Arguments", Stage::Arguments),
        };
        let arguments = match &state.arguments {
            None => view.input.clone(),
            Some(template) => self.evaluate(frame, state, template, field, view, turn)?,
        };
        self.show(stage, &arguments);
        Ok(arguments)
    }

    /// Leaves a state whose work has this result.
    pub(super) fn complete(
        &mut self,
        frame: &mut Frame,
        state: &State,
        result: Value,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let next = state.next.unwrap_or(Next::End);
        self.show(Stage::Result, &result);
        let (output, assigned) = match state.query {
            QueryLanguage::JsonPath => {
                let assigned = self.assigned(frame, state, state.assign.as_ref(), View::of(&result), turn)?;
                let result = match &state.result_selector {
                    None => result,
                    Some(selector) => {
                        self.evaluate(frame, state, selector, "ResultSelector", View::of(&result), turn)?
                    }
                };
                self.show(Stage::ResultSelector, &result);
                let combined = place(state.result_path.as_ref(), &frame.input, &result)?;
                self.show(Stage::ResultPath, &combined);
                (self.find(frame, state, state.output_path.as_ref(), combined, turn)?, assigned)
            }
            QueryLanguage::Jsonata => {
                let input = frame.input.clone();
                let view = View { result: Some(&result), ..View::of(&input) };
                let output = match &state.output {
                    None => result.clone(),
                    Some(template) => self.evaluate(frame, state, template, "Output", view, turn)?,
                };
                (output, self.assigned(frame, state, state.assign.as_ref(), view, turn)?)
            }
        };
        self.leave(frame, state, output, assigned, next, turn)
    }

    /// Leaves a state that has no result: its output is made of its effective input.
    pub(super) fn pass_on(
        &mut self,
        frame: &mut Frame,
        state: &State,
        effective: Value,
        rule: Onward<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let assigned = self.assigned(frame, state, rule.assign, View::of(&effective), turn)?;
        let output = match (state.query, rule.output) {
            (QueryLanguage::JsonPath, _) => {
                self.find(frame, state, state.output_path.as_ref(), effective, turn)?
            }
            (QueryLanguage::Jsonata, None) => effective,
            (QueryLanguage::Jsonata, Some(template)) => {
                self.evaluate(frame, state, template, "Output", View::of(&effective), turn)?
            }
        };
        self.leave(frame, state, output, assigned, rule.next, turn)
    }

    /// The variables that an `Assign` sets.
    pub(super) fn assigned(
        &mut self,
        frame: &Frame,
        state: &State,
        assign: Option<&Template>,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Option<Value>, Failure> {
        assign.map(|assign| self.evaluate(frame, state, assign, "Assign", view, turn)).transpose()
    }

    /// Leaves a state: sets its variables, records its output and moves the frame on.
    pub(super) fn leave(
        &mut self,
        frame: &mut Frame,
        state: &State,
        output: Value,
        assigned: Option<Value>,
        next: Next,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        self.keep(frame, state, &output)?;
        if let Some(assigned) = &assigned {
            self.assign(frame, state, assigned)?;
        }
        let kind = state.kind.state_type();
        self.follow(frame, turn, || HistoryKind::StateExited {
            kind,
            name: state.name.clone(),
            output: output.clone(),
            assigned,
        });
        frame.attempts.clear();
        frame.doing = Doing::Ready;
        match next {
            Next::End => Ok(Flow::End(output)),
            Next::State(next) => {
                frame.state = next;
                frame.input = output;
                Ok(Flow::Next)
            }
        }
    }

    /// Sets the variables that a state assigns.
    fn assign(&mut self, frame: &mut Frame, state: &State, assigned: &Value) -> Result<(), Fault> {
        let mut variables = frame.variables.clone();
        for (name, value) in assigned.as_object().into_iter().flatten() {
            variables.set(name.clone(), value.clone());
        }
        let bytes_max = self.settings.payload_bytes_max();
        let assigned = assigned.measure(bytes_max).map_err(|excess| (excess, bytes_max));
        let all_max = self.settings.variables_bytes_max();
        let all = assigned.and_then(|_| variables.measure(all_max).map_err(|excess| (excess, all_max)));
        let all = all.map_err(|(excess, bytes_max)| {
            let why = match excess {
                Excess::Nesting => nests_too_deep(),
                Excess::Bytes => format!("more than {bytes_max} bytes"),
            };
            let cause =
                format!("The variables that the state '{}' assigns exceed a limit: {why}.", state.name);
            Fault::new(DATA_LIMIT_EXCEEDED, cause)
        });
        self.effort.measured(all?);
        frame.variables = variables;
        Ok(())
    }

    /// Whether a value that a state has made may be kept. What the state was entered with may: it was kept before.
    pub(super) fn keep(&mut self, frame: &Frame, state: &State, value: &Value) -> Result<(), Fault> {
        // Not so under AWS's limits: items that were read may be beyond them, each child fails for itself.
        match value.is_same(&frame.input) && !self.settings.aws_limits {
            true => Ok(()),
            false => self.check(value, &state.name),
        }
    }

    /// Whether a value may be an input or a result; if not, the state fails with `States.DataLimitExceeded`.
    pub(super) fn check(&mut self, value: &Value, of: &str) -> Result<(), Fault> {
        self.check_within(value, of, self.settings.payload_bytes_max())
    }

    /// Whether a value may be held on the way, where AWS's limit does not hold.
    pub(super) fn hold(&mut self, value: &Value, state: &State) -> Result<(), Fault> {
        self.check_within(value, &state.name, WORKFLOW_VALUE_BYTES_MAX as usize)
    }

    fn check_within(&mut self, value: &Value, of: &str, bytes_max: usize) -> Result<(), Fault> {
        let bytes = value
            .measure(bytes_max)
            .map_err(|excess| Fault::new(DATA_LIMIT_EXCEEDED, too_large(of, excess)))?;
        self.effort.measured(bytes);
        Ok(())
    }
}

/// The way out of a state that has no result.
#[derive(Clone, Copy)]
pub(super) struct Onward<'a> {
    pub output: Option<&'a Template>,
    pub assign: Option<&'a Template>,
    pub next: Next,
}

impl<'a> Onward<'a> {
    /// That of the state itself.
    pub fn of(state: &'a State) -> Self {
        Self {
            output: state.output.as_ref(),
            assign: state.assign.as_ref(),
            next: state.next.unwrap_or(Next::End),
        }
    }
}

/// What AWS says of a value that is too large, and the like of one that nests too deep.
fn too_large(of: &str, excess: Excess) -> String {
    match excess {
        Excess::Bytes => format!(
            "The state/task '{of}' returned a result with a size exceeding the maximum number of bytes service limit."
        ),
        Excess::Nesting => format!("The state/task '{of}' returned a result with {}.", nests_too_deep()),
    }
}

fn nests_too_deep() -> String {
    format!("more than {VALUE_NESTING_MAX} values within values")
}

/// A result where `ResultPath` puts it; `null` discards it.
pub(super) fn place(path: Option<&ReferencePath>, input: &Value, result: &Value) -> Result<Value, Failure> {
    match path {
        None => Ok(input.clone()),
        Some(path) if path.is_root() => Ok(result.clone()),
        Some(path) => path
            .place(input, result.clone())
            .map_err(|misplaced| Fault::new("States.ResultPathMatchFailure", misplaced.to_string()).into()),
    }
}
