//! `sluice deploy`

use super::connect;
use crate::app::{App, Named};
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    named: Named,
    /// Drop what an app-scoped trigger has collected, where its condition changed; can be repeated
    #[arg(long, value_name = "NAME")]
    reset_trigger: Vec<String>,
    /// Deploy only if the code of its workflows, told what runs were told that are under way, would have done the same
    #[arg(long)]
    check: bool,
}

impl Deploy {
    pub fn execute(&self, global: &Global) -> Outcome {
        let app = App::load(&self.named)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        let deploy = sluice_api::Deploy { check: self.check, ..app.deploy(&self.reset_trigger)? };
        let deployed = connect(global)?.deploy(app.name(), &deploy)?;
        if global.json {
            show::json(&deployed)?;
        } else {
            let what = if deployed.changed == Some(false) { "unchanged" } else { "deployed" };
            show::line(&format!("{what} {} version {}", deployed.app, deployed.version))?;
        }
        Ok(Exit::Succeeded)
    }
}
