//! `sluice schema`

use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;

#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    pub fn execute(&self) -> Outcome {
        show::line(sluice_frontend::MANIFEST_SCHEMA.trim_end())?;
        Ok(Exit::Succeeded)
    }
}
