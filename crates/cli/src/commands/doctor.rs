//! `sluice doctor`: what this machine offers, and what to do about the rest.

use super::connect;
use crate::arguments::Global;
use crate::embedded::LAUNCHER;
use crate::exit::{Exit, Outcome};
use crate::{sdk, show};
use clap::Args;
use serde::Serialize;
use sluice_isolation::{Host, Probe, Status};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Doctor {
    /// The data directory to check
    #[arg(long, value_name = "DIR", default_value = super::server::DEFAULT_DATA, env = "SLUICE_DATA")]
    data: PathBuf,
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Probe>,
}

impl Doctor {
    pub fn execute(&self, global: &Global) -> Outcome {
        let mut checks = Host::new(LAUNCHER).probe(&self.data).items;
        checks.extend([unpacked(), server(global)]);
        let is_missing = checks.iter().any(|check| check.status == Status::Missing);
        let report = Report { checks };
        if global.json {
            show::json(&report)?;
        } else {
            report.checks.iter().try_for_each(|check| show::line(&check.to_string()))?;
        }
        Ok(if is_missing { Exit::Failed } else { Exit::Succeeded })
    }
}

fn unpacked() -> Probe {
    let probe = |status, detail| Probe {
        name: "Python SDK",
        status,
        detail,
        consequence: String::new(),
        fix: String::new(),
    };
    match sdk::unpack() {
        Ok(path) => probe(Status::Ok, path.display().to_string()),
        Err(failure) => Probe {
            consequence: "Python apps cannot run".into(),
            fix: "make $XDG_CACHE_HOME or the temporary folder writable".into(),
            ..probe(Status::Missing, failure.body.error.message)
        },
    }
}

fn server(global: &Global) -> Probe {
    let probe = |status, detail| Probe {
        name: "server",
        status,
        detail,
        consequence: String::new(),
        fix: String::new(),
    };
    match connect(global).and_then(|client| client.health()) {
        Ok(_) => probe(Status::Ok, "it answers and makes progress".to_owned()),
        Err(failure) => Probe {
            consequence: "only commands that need no server work, such as `sluice run`".into(),
            fix: failure.body.error.fix,
            ..probe(Status::Degraded, failure.body.error.message)
        },
    }
}
