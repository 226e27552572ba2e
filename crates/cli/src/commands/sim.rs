//! `sluice sim`: simulates nodes, one seed per run, and looks for what must never happen.

use crate::arguments::Global;
use crate::exit::{Exit, Failure, Outcome};
use crate::show;
use clap::Args;
use sluice_sim::node::{Hunt, Summary};
use sluice_sim::{Mutant, Options, hunt, run};

#[derive(Debug, Args)]
pub struct Sim {
    /// How many seeds to run, from 0 on
    #[arg(long, value_name = "N", default_value_t = 200)]
    seeds: u64,
    /// Run this seed alone and say on stderr what happens
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Log records per seed before faults stop
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    inputs: u64,
    /// Put a defect in, by name, or `all` in turn: each must be found
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
}

impl Sim {
    pub fn execute(&self, global: &Global) -> Outcome {
        let defaults = Options { seeds: self.seeds, inputs: self.inputs, ..Options::default() };
        let options = match self.seed {
            Some(seed) => Options { first_seed: seed, seeds: 1, threads: 1, trace: true, ..defaults },
            None => defaults,
        };
        if self.mutant.as_deref() == Some("all") {
            let hunts: Vec<Hunt> = Mutant::ALL.into_iter().map(|mutant| hunt(&options, mutant)).collect();
            return hunted(&hunts, global);
        }
        let named = self.mutant.as_deref().map(str::parse).transpose();
        let mutant = named
            .map_err(|error| Failure::usage(error, "leave --mutant out to simulate without a defect"))?;
        report(&run(&Options { mutant, ..options }), global)
    }
}

fn hunted(hunts: &[Hunt], global: &Global) -> Outcome {
    match global.json {
        true => show::json(&hunts)?,
        false => hunts.iter().try_for_each(|hunt| match &hunt.found {
            Some(found) => show::line(&format!(
                "{}: found by seed {}: {}",
                hunt.mutant, found.seed, found.violation.message
            )),
            None => show::line(&format!("{}: not found", hunt.mutant)),
        })?,
    }
    Ok(if hunts.iter().all(|hunt| hunt.found.is_some()) { Exit::Succeeded } else { Exit::Failed })
}

fn report(summary: &Summary, global: &Global) -> Outcome {
    if global.json {
        show::json(summary)?;
    } else {
        let coverage = &summary.coverage;
        show::line(&format!(
            "{} seeds, {} log records; each at least {} and {} kinds of faults",
            summary.seeds, summary.inputs, summary.inputs_min, summary.fault_kinds_min
        ))?;
        let tables = [
            ("firings by condition", &coverage.conditions),
            ("faults", &coverage.faults),
            ("inputs", &coverage.inputs),
            ("checked", &coverage.checks),
        ];
        for (title, table) in tables {
            let entries: Vec<String> = table.iter().map(|(name, count)| format!("{name} {count}")).collect();
            show::line(&format!("{title}: {}", entries.join(", ")))?;
        }
        if let Some(failure) = &summary.failure {
            let (checker, message) = (failure.violation.checker, &failure.violation.message);
            show::line(&format!(
                "seed {} fails, by {checker:?}: {message}\nreplay: {}",
                failure.seed, failure.replay
            ))?;
        }
    }
    Ok(if summary.failure.is_none() { Exit::Succeeded } else { Exit::Failed })
}
