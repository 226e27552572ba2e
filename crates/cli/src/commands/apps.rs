//! `sluice apps`

use super::connect;
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::Args;

#[derive(Debug, Args)]
pub struct Apps {
    /// Show this one
    #[arg(value_name = "APP")]
    app: Option<String>,
}

impl Apps {
    pub fn execute(&self, global: &Global) -> Outcome {
        let client = connect(global)?;
        match &self.app {
            Some(app) => {
                let app = client.app(app)?;
                if global.json { show::json(&app)? } else { show::text(&app.explain)? }
            }
            None => {
                let list = client.apps()?;
                if global.json {
                    show::json(&list)?;
                } else {
                    let row =
                        |app: sluice_api::Deployed| vec![app.app, app.version.to_string(), app.deployed_at];
                    let rows: Vec<_> = list.apps.into_iter().map(row).collect();
                    show::text(&show::table(&["APP", "VERSION", "DEPLOYED"], &rows))?;
                }
            }
        }
        Ok(Exit::Succeeded)
    }
}
