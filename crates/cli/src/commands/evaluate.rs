//! `sluice __evaluate`: the process in which `sluice eval` evaluates.

use crate::evaluator;
use crate::exit::{Exit, Outcome};
use clap::Args;

#[derive(Debug, Args)]
pub struct Evaluate {}

impl Evaluate {
    pub fn execute(&self) -> Outcome {
        evaluator::serve()?;
        Ok(Exit::Succeeded)
    }
}
