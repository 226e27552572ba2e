//! `sluice sdk`: where the Python package is, for programs that `sluice` does not start itself.

use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::{sdk, show};
use clap::Args;

#[derive(Debug, Args)]
pub struct Sdk {}

impl Sdk {
    pub fn execute(&self, global: &Global) -> Outcome {
        let path = sdk::unpack()?;
        match global.json {
            true => show::json(&serde_json::json!({ "path": path }))?,
            false => show::line(&path.display().to_string())?,
        }
        Ok(Exit::Succeeded)
    }
}
