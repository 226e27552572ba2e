//! `$eval`: an expression that is made while evaluating.

use super::super::compile;
use super::super::error::{Outcome, raise};
use super::super::evaluate::{Evaluator, context_of};
use super::super::item::Item;
use super::{Args, Entry};

pub const FUNCTIONS: &[Entry] = &[("eval", "<sx?:x>", 2, eval)];

fn eval(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(source) = args.text(0) else { return Ok(Item::Nothing) };
    evaluator.budget.steps(source.len())?;
    let node = compile(source, evaluator.dialect).map_err(|error| raise("D3120").text(&error.sentence()))?;
    let input = match args.get(1) {
        Item::Nothing => args.input.clone(),
        focus => context_of(focus.clone()),
    };
    let result = evaluator.evaluate(&node, &input, args.frame);
    // What ends the evaluation ends it here as well.
    result.map_err(|error| match error.code {
        "D1012" | "D1013" | "D1014" | "U1001" => error,
        _ => raise("D3121").text(&error.sentence()),
    })
}
