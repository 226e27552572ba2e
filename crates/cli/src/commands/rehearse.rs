//! `sluice __rehearse`: the engine behind `app.test()` of the Python SDK, on stdin and stdout.

use crate::exit::{Exit, Failure, Outcome};
use clap::Args;
use sluice_rehearsal::{Error, Options, serve};
use sluice_types::Code;
use std::io;

#[derive(Debug, Args)]
pub struct Rehearse {
    /// The time at the start, in milliseconds since the Unix epoch
    #[arg(long, value_name = "MS")]
    start_ms: u64,
    /// What chance follows from
    #[arg(long, value_name = "N")]
    seed: u64,
}

impl Rehearse {
    pub fn execute(&self) -> Outcome {
        let options = Options { start_ms: self.start_ms, seed: self.seed };
        match serve(options, io::stdin().lock(), io::stdout().lock()) {
            Ok(()) => Ok(Exit::Succeeded),
            Err(Error::Stage(problem)) => Err(Failure::new(problem.code, problem.message, problem.fix)),
            Err(error @ Error::Client(_)) => {
                Err(Failure::new(Code::INTERNAL, error.to_string(), "run the test again"))
            }
        }
    }
}
