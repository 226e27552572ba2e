//! `sluice backfill`: the runs of a scheduled workflow for dates that its schedule did not see.

use super::connect;
use crate::app::{App, Named};
use crate::arguments::Global;
use crate::exit::{Exit, Failure, Outcome};
use crate::show;
use clap::Args;
use serde::Serialize;
use sluice_api::{Start, Value};
use sluice_frontend::cron;
use sluice_types::calendar::rfc3339;
use sluice_types::dag::{Schedule, run_id};
use sluice_types::{Code, Program, Steps, limits};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Backfill {
    /// The app as it is deployed: a Python file, a sluice.yaml, or a folder with one of them
    #[arg(value_name = "APP")]
    app: PathBuf,
    /// The workflow; may be left out if only one has a schedule
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// The first date, such as 2026-01-31 or 2026-01-31T03:00:00Z
    #[arg(long, value_name = "DATE")]
    from: String,
    /// The date to stop before
    #[arg(long, value_name = "DATE")]
    to: String,
}

/// What there is now.
#[derive(Serialize)]
struct Backfilled {
    /// The runs of the dates, those included that were there before.
    runs: Vec<String>,
}

impl Backfill {
    pub fn execute(&self, global: &Global) -> Outcome {
        let program = App::load(&Named { app: self.app.clone(), scale: None })?.program;
        let (workflow, schedule) = self.scheduled(&program)?;
        let (from_ms, to_ms) = (moment(&self.from, schedule)?, moment(&self.to, schedule)?);
        if from_ms >= to_ms {
            let message = format!("no date lies from {} up to {}", self.from, self.to);
            return Err(Failure::usage(message, "--from is the first date, --to the one to stop before"));
        }
        let dates = dates(schedule, from_ms, to_ms)?;
        let client = connect(global)?;
        let mut backfilled = Backfilled { runs: Vec::new() };
        for date_ms in dates {
            let run = run_id(&program.app, workflow, date_ms);
            let input = format!("{{\"logical_date\":\"{}\"}}", rfc3339(date_ms));
            let body = Start {
                id: Some(run.clone()),
                workflow: Some(workflow.to_owned()),
                input: Some(Value::json(input)),
                seal: true,
                ..Start::default()
            };
            match client.start(&program.app, &body) {
                Ok(_) => {}
                // The schedule itself has started it.
                Err(failure) if failure.body.error.code == Code::RUN_ID_CONFLICT.to_string() => {}
                Err(failure) => return Err(failure),
            }
            backfilled.runs.push(run);
        }
        match global.json {
            true => show::json(&backfilled)?,
            false => backfilled.runs.iter().try_for_each(|run| show::line(run))?,
        }
        Ok(Exit::Succeeded)
    }

    fn scheduled<'p>(&self, program: &'p Program) -> Outcome<(&'p str, &'p Schedule)> {
        let scheduled = program.workflows.iter().filter_map(|workflow| match &workflow.steps {
            Steps::Dag(dag) => Some((&*workflow.name, dag.schedule.as_ref()?)),
            Steps::States { .. } | Steps::Code { .. } => None,
        });
        let is_meant = |name: &str| self.workflow.as_deref().is_none_or(|wanted| wanted == name);
        match scheduled.filter(|(name, _)| is_meant(name)).collect::<Vec<_>>()[..] {
            [one] => Ok(one),
            [] => Err(Failure::usage("no such workflow has a schedule", "see `sluice explain APP`")),
            _ => Err(Failure::usage("several workflows have a schedule", "name one with --workflow")),
        }
    }
}

fn moment(text: &str, schedule: &Schedule) -> Outcome<u64> {
    cron::moment(text, &schedule.tz).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no date"), "write 2026-01-31, or 2026-01-31T03:00:00Z")
    })
}

/// The dates of a schedule from one point in time up to another.
fn dates(schedule: &Schedule, from_ms: u64, to_ms: u64) -> Outcome<Vec<u64>> {
    let mut dates = Vec::new();
    let mut last_ms = from_ms.saturating_sub(1);
    while let Some(date_ms) =
        cron::next_after(&schedule.cron, &schedule.tz, last_ms).filter(|date_ms| *date_ms < to_ms)
    {
        dates.push(date_ms);
        last_ms = date_ms;
        if dates.len() > limits::CATCHUP_RUNS_MAX {
            let message = format!("more than {} dates lie between", limits::CATCHUP_RUNS_MAX);
            return Err(Failure::usage(message, "backfill a shorter range at a time"));
        }
    }
    Ok(dates)
}
