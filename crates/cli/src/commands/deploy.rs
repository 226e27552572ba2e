//! `sluice deploy`

use super::connect;
use crate::app::{App, Named};
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;
use sluice_api::Moved;

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
    /// Have the runs that are under way go on on this version, where the code of their workflows can
    #[arg(long = "move")]
    moves: bool,
}

/// What became of the runs that were under way.
fn told(runs: &Moved) -> Outcome<()> {
    show::line(&format!("moved {} runs, {} stay on their version", runs.moved, runs.stayed))?;
    runs.why.iter().try_for_each(|why| show::line(&format!("  {}", why.message)))?;
    match runs.others {
        0 => Ok(()),
        others => show::line(&format!("  {others} more runs stay for other reasons")),
    }
}

impl Deploy {
    pub fn execute(&self, global: &Global) -> Outcome {
        let app = App::load(&self.named)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        let deploy =
            sluice_api::Deploy { check: self.check, moves: self.moves, ..app.deploy(&self.reset_trigger)? };
        let deployed = connect(global)?.deploy(app.name(), &deploy)?;
        if global.json {
            show::json(&deployed)?;
        } else {
            let what = if deployed.changed == Some(false) { "unchanged" } else { "deployed" };
            show::line(&format!("{what} {} version {}", deployed.app, deployed.version))?;
            deployed.runs.iter().try_for_each(told)?;
        }
        Ok(Exit::Succeeded)
    }
}
