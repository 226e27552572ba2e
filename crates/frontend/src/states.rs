//! State machines as this crate looks at them: their states, however nested, and what their tasks call.

use sluice_asl::Template;
use sluice_asl::execution::{Resource, Target};
use sluice_asl::machine::{Block, Kind, QueryLanguage, State};
use sluice_expression::Value;

/// What a task calls when it calls a function.
pub(crate) struct Called<'m> {
    /// The function's name, if it is written down.
    pub name: Option<&'m str>,
    /// Whether it is a Lambda function, not one of the app's.
    pub is_lambda: bool,
    /// The fields on the way to the name.
    pub way: &'static [&'static str],
}

/// The blocks inside a state: branches of a `Parallel`, the processor of a `Map`.
pub(crate) fn blocks(state: &State) -> &[Block] {
    match &state.kind {
        Kind::Parallel { branches } => branches,
        Kind::Map(map) => std::slice::from_ref(&map.processor),
        _ => &[],
    }
}

/// Visits the states of a block, each before those inside it.
pub(crate) fn each_state<'m>(block: &'m Block, visit: &mut dyn FnMut(&'m State)) {
    for state in &block.states {
        visit(state);
        blocks(state).iter().for_each(|inner| each_state(inner, visit));
    }
}

/// The function that a state calls, if it calls one.
pub(crate) fn called(state: &State) -> Option<Called<'_>> {
    let Kind::Task(task) = &state.kind else { return None };
    let way: &[&str] = match state.query {
        QueryLanguage::JsonPath => &["Parameters", "FunctionName"],
        QueryLanguage::Jsonata => &["Arguments", "FunctionName"],
    };
    let argument = || state.arguments.as_ref().and_then(|arguments| text_field(arguments, "FunctionName"));
    match Resource::parse(&task.resource).target {
        Target::Function(name) => Some(Called { name: Some(name), is_lambda: false, way: &["Resource"] }),
        Target::Lambda(arn) => Some(Called { name: Some(arn), is_lambda: true, way: &["Resource"] }),
        Target::Integration { service, action: "invoke", .. }
            if service == "sluice" || service == "lambda" =>
        {
            Some(Called { name: argument(), is_lambda: service == "lambda", way })
        }
        _ => None,
    }
}

/// The field of an object that a template makes, if it is a text that is written down.
pub(crate) fn text_field<'t>(template: &'t Template, name: &str) -> Option<&'t str> {
    match template {
        Template::Fixed(value) => value.get(name).and_then(Value::as_str),
        Template::Object(fields) => match fields.iter().find(|(field, _)| &**field == name) {
            Some((_, Template::Fixed(value))) => value.as_str(),
            _ => None,
        },
        _ => None,
    }
}
