//! `sluice explain`

use crate::app::App;
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Explain {
    /// A Python file, a sluice.yaml, a folder with one of them, or a state machine (.asl.json)
    #[arg(value_name = "APP")]
    app: PathBuf,
}

impl Explain {
    pub fn execute(&self, global: &Global) -> Outcome {
        let app = App::load(&self.app)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        if global.json {
            show::json(&sluice_frontend::explain_json(&app.program))?;
        } else {
            show::text(&sluice_frontend::explain(&app.program))?;
        }
        Ok(Exit::Succeeded)
    }
}
