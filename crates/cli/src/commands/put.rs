//! `sluice put`

use super::connect;
use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::inputs::{NewObject, PutSpec};
use crate::show;
use clap::Args;
use std::path::Path;

#[derive(Debug, Args)]
pub struct Put {
    /// A deployed app
    #[arg(value_name = "APP")]
    app: String,
    /// What to put where: BUCKET=FILE, BUCKET/KEY=FILE or BUCKET='DIR/*.txt'
    #[arg(value_name = "BUCKET[/KEY]=PATH|GLOB", required = true)]
    put: Vec<String>,
    /// The run to put into; without it the app, for its app-scoped triggers
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Say that these were the run's last inputs
    #[arg(long, requires = "run")]
    seal: bool,
}

impl Put {
    pub fn execute(&self, global: &Global) -> Outcome {
        let client = connect(global)?;
        let specs = self.put.iter().map(|text| PutSpec::parse(text)).collect::<Outcome<Vec<_>>>()?;
        let (mut created, mut unchanged) = (0, 0);
        for spec in specs {
            for NewObject { bucket, key, value } in spec.read(Path::new(""))? {
                let is_new = client.put(&self.app, self.run.as_deref(), &bucket, &key, value)?;
                *(if is_new { &mut created } else { &mut unchanged }) += 1;
            }
        }
        if let (Some(run), true) = (&self.run, self.seal) {
            client.seal(run)?;
        }
        if global.json {
            show::json(&serde_json::json!({ "created": created, "unchanged": unchanged }))?;
        } else {
            show::line(&format!("{created} put, {unchanged} there already"))?;
        }
        Ok(Exit::Succeeded)
    }
}
