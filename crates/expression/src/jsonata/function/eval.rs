//! `$eval`: an expression that is made while evaluating.

use super::super::error::{Outcome, raise};
use super::super::evaluate::{Evaluator, context_of};
use super::super::item::Item;
use super::super::{compile, syntax};
use super::{Args, Entry};

pub const FUNCTIONS: &[Entry] = &[("eval", "<sx?:x>", 2, eval)];

fn eval(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(source) = args.text(0) else { return Ok(Item::Nothing) };
    evaluator.budget.steps(source.len())?;
    let height_max = syntax::HEIGHT_MAX.min(evaluator.budget.depth() as usize);
    let node = compile(source, evaluator.dialect, height_max);
    let node = node.map_err(|error| match error.code {
        "S0900" => raise("U1001"),
        _ => raise("D3120").text(&error.sentence()),
    })?;
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
