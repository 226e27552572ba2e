//! `sluice explain`

use crate::app::{App, Named};
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    named: Named,
}

impl Explain {
    pub fn execute(&self, global: &Global) -> Outcome {
        let app = App::load(&self.named)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        if global.json {
            show::json(&sluice_frontend::explain_json(&app.program))?;
        } else {
            show::text(&sluice_frontend::explain(&app.program))?;
        }
        Ok(Exit::Succeeded)
    }
}
