//! Functions: called, applied in part, chained.

use super::super::ast::{Call, Kind, Lambda, Node};
use super::super::error::{Outcome, raise};
use super::super::frame::{FrameId, ROOT};
use super::super::function::{self, Args, Builtin};
use super::super::item::{Function, Item, depth_over};
use super::super::signature::Arguments;
use super::Evaluator;
use std::sync::Arc;

impl Evaluator<'_> {
    /// A call as it is written; `first` goes before its arguments.
    pub fn call(&mut self, call: &Call, first: Option<Item>, input: &Item, frame: FrameId) -> Outcome {
        let builtin = self.builtin(&call.procedure, frame);
        let function = match builtin {
            Some(_) => Item::Nothing,
            None => self.evaluate(&call.procedure, input, frame)?,
        };
        let mut arguments: Arguments = first.into_iter().collect();
        for argument in call.arguments.iter().flatten() {
            arguments.push(self.evaluate(argument, input, frame)?);
        }
        let result = match builtin {
            Some(builtin) => self.run_builtin(builtin, arguments, input, frame),
            None if function.is_nothing() => Err(self.not_a_function(call, frame, ["T1005", "T1006"])),
            None => self.apply(&function, arguments, input, frame),
        };
        result.map_err(|error| error.at(call.position).token(called_name(&call.procedure)))
    }

    /// The function of the library that a name means, unless a variable has taken the name.
    fn builtin(&self, procedure: &Node, frame: FrameId) -> Option<&'static Builtin> {
        match &procedure.kind {
            Kind::Variable { name, builtin: Some(builtin) } if procedure.filters.is_empty() => {
                self.variable(name, frame).is_none().then_some(builtin)
            }
            _ => None,
        }
    }

    fn not_a_function(
        &self,
        call: &Call,
        frame: FrameId,
        [meant, unknown]: [&'static str; 2],
    ) -> Box<super::super::error::Raised> {
        let name = called_name(&call.procedure);
        let is_field = matches!(call.procedure.kind, Kind::Path(_));
        let exists = self.variable(name, frame).is_some() || function::find(name, self.dialect).is_some();
        raise(if is_field && exists { meant } else { unknown })
    }

    /// Applies a function, and the functions that it ends in calls of.
    pub fn apply(&mut self, function: &Item, arguments: Arguments, input: &Item, frame: FrameId) -> Outcome {
        self.budget.descend()?;
        let mark = self.frames.mark();
        let mut result = self.apply_once(function, arguments, input, frame)?;
        while let Some(Function::TailCall { call, frame: scope, input: context }) =
            result.as_function().map(|function| &**function)
        {
            let (call, context, scope) = (call.clone(), context.clone(), *scope);
            result = self.tail_call(&call, &context, scope, mark)?;
        }
        self.frames.close(mark);
        self.budget.ascend();
        Ok(result)
    }

    /// Makes the last call of a function that is done but for it; its scopes end before the call begins.
    fn tail_call(&mut self, call: &Arc<Call>, input: &Item, scope: FrameId, mark: FrameId) -> Outcome {
        self.budget.steps(1)?;
        let function = self.evaluate(&call.procedure, input, scope)?;
        let mut arguments = Arguments::new();
        for argument in call.arguments.iter().flatten() {
            arguments.push(self.evaluate(argument, input, scope)?);
        }
        let result = match function.is_nothing() {
            true => Err(self.not_a_function(call, scope, ["T1005", "T1006"])),
            // A function of the library may look at the scope of its caller.
            false if is_builtin(&function) => self.apply_once(&function, arguments, input, scope),
            false => {
                self.frames.close(mark);
                self.apply_once(&function, arguments, input, ROOT)
            }
        };
        result.map_err(|error| error.at(call.position).token(called_name(&call.procedure)))
    }

    #[inline(never)]
    fn apply_once(&mut self, function: &Item, arguments: Arguments, input: &Item, frame: FrameId) -> Outcome {
        let Item::Function(function) = function else { return Err(raise("T1006")) };
        match &**function {
            Function::Builtin(builtin) => self.run_builtin(builtin, arguments, input, frame),
            Function::Closure { lambda, frame, input: own, .. } => {
                self.run_closure(lambda, *frame, own, arguments, input)
            }
            Function::Partial { function, arguments: given, .. } => {
                let mut rest = arguments.into_iter();
                let all = given.iter().map(|own| match own {
                    Some(own) => own.clone(),
                    None => rest.next().unwrap_or_default(),
                });
                let all = all.collect();
                self.apply(function, all, input, frame)
            }
            Function::Chain { first, then, .. } => {
                let between = self.apply(first, arguments, input, frame)?;
                self.apply(then, Arguments::from_iter([between]), input, frame)
            }
            Function::Regex(pattern) => match arguments.first().and_then(Item::as_text) {
                Some(text) => function::next_match(self, pattern, text, 0),
                None => Ok(Item::Nothing),
            },
            Function::NextMatch { pattern, text, from } => function::next_match(self, pattern, text, *from),
            Function::Transform { transform, frame } => {
                let subject = arguments.into_iter().next().unwrap_or_default();
                self.transform(transform, &subject, *frame)
            }
            Function::TailCall { .. } => unreachable!("who calls a function makes its last call"),
        }
    }

    #[inline(never)]
    fn run_builtin(
        &mut self,
        builtin: &'static Builtin,
        arguments: Arguments,
        input: &Item,
        frame: FrameId,
    ) -> Outcome {
        self.budget.descend()?;
        self.budget.steps(arguments.iter().map(steps_to_read).sum())?;
        let items = builtin.signature.check(arguments, input).map_err(|error| error.token(builtin.name))?;
        let args = Args { items: &items, input, frame };
        let result = (builtin.run)(self, &args).and_then(Item::bounded);
        self.budget.ascend();
        result.map_err(|error| error.token(builtin.name))
    }

    #[inline(never)]
    fn run_closure(
        &mut self,
        lambda: &Lambda,
        frame: FrameId,
        own: &Item,
        arguments: Arguments,
        input: &Item,
    ) -> Outcome {
        let arguments = match &lambda.signature {
            Some(signature) => signature.check(arguments, input)?,
            None => arguments,
        };
        let scope = self.open(frame)?;
        let mut arguments = arguments.into_iter();
        for parameter in &lambda.parameters {
            self.frames.bind(scope, parameter, arguments.next().unwrap_or_default());
        }
        self.evaluate(&lambda.body, own, scope)
    }

    /// A call with some arguments left open.
    pub fn partial(&mut self, call: &Call, input: &Item, frame: FrameId) -> Outcome {
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(match argument {
                Some(argument) => Some(self.evaluate(argument, input, frame)?),
                None => None,
            });
        }
        let function = self.evaluate(&call.procedure, input, frame)?;
        if function.as_function().is_none() {
            let codes = if function.is_nothing() { ["T1007", "T1008"] } else { ["T1008", "T1008"] };
            let error = self.not_a_function(call, frame, codes);
            return Err(error.at(call.position).token(called_name(&call.procedure)));
        }
        let depth = depth_over(arguments.iter().flatten().chain([&function]));
        Item::function(Function::Partial { function, arguments, depth }).bounded()
    }

    /// `left ~> right`
    pub fn pipe(
        &mut self,
        left: &Node,
        right: &Node,
        input: &Item,
        frame: FrameId,
        position: usize,
    ) -> Outcome {
        let value = self.evaluate(left, input, frame)?;
        if let Kind::Call(call) = &right.kind
            && right.filters.is_empty()
        {
            return self.call(call, Some(value), input, frame);
        }
        let function = self.evaluate(right, input, frame)?;
        if function.as_function().is_none() {
            return Err(raise("T2006").at(position).value(&function));
        }
        if value.as_function().is_some() {
            let depth = depth_over([&value, &function]);
            return Item::function(Function::Chain { first: value, then: function, depth }).bounded();
        }
        let result = self.apply(&function, Arguments::from_iter([value]), &Item::Nothing, frame);
        result.map_err(|error| error.at(position))
    }

    /// How many arguments a function asks for.
    pub fn arity(function: &Item) -> usize {
        match function.as_function().map(|function| &**function) {
            Some(Function::Builtin(builtin)) => builtin.arity,
            Some(Function::Closure { lambda, .. }) => lambda.parameters.len(),
            Some(Function::Partial { arguments, .. }) => arguments.iter().filter(|own| own.is_none()).count(),
            Some(_) => 1,
            None => 0,
        }
    }
}

fn is_builtin(function: &Item) -> bool {
    matches!(function.as_function().map(|function| &**function), Some(Function::Builtin(_)))
}

/// The name that a call is written with, for messages.
fn called_name(procedure: &Node) -> &str {
    match &procedure.kind {
        Kind::Variable { name, .. } | Kind::Name(name) => name,
        Kind::Path(path) => path.steps.first().map_or("", |step| called_name(&step.node)),
        _ => "",
    }
}

/// Steps that it takes to go over an argument once, as its signature and most functions do.
fn steps_to_read(argument: &Item) -> usize {
    const ITEMS_PER_STEP: usize = 8;
    const BYTES_PER_STEP: usize = 64;
    match argument.as_str() {
        Some(text) => text.len() / BYTES_PER_STEP,
        None => argument.len() / ITEMS_PER_STEP,
    }
}
