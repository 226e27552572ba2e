//! Runs that schedules start. The id of such a run follows from its date, so a date never has two; and whether a date has
//! had its run is known as long as ended runs are kept.

use super::Shard;
use super::apps::CronDue;
use super::starts::digest;
use crate::api::{StartRequest, WorkflowRequest};
use crate::ports::Ports;
use sluice_types::calendar::rfc3339;
use sluice_types::dag::{Schedule, run_id};
use sluice_types::{AppKey, Problem, Steps, WorkflowIx, limits};
use std::collections::VecDeque;
use std::sync::Arc;

/// A workflow with a schedule.
struct Scheduled {
    app: Arc<str>,
    workflow: Arc<str>,
    schedule: Schedule,
}

impl Scheduled {
    fn run_id(&self, date_ms: u64) -> String {
        run_id(&self.app, &self.workflow, date_ms)
    }
}

impl<P: Ports> Shard<P> {
    /// A schedule is due, or dates may have passed without a run.
    pub(super) fn fire_schedule(&mut self, due: &CronDue, workflow: WorkflowIx, is_behind: bool) {
        let Some(scheduled) = self.scheduled(due.app, workflow) else { return };
        let dates = match is_behind {
            true => self.missed(due.app, &scheduled, due.due_ms),
            false => Ok(VecDeque::from([due.due_ms])),
        };
        let started =
            dates.and_then(|dates| dates.into_iter().try_for_each(|at| self.start_at(&scheduled, at)));
        if let Err(problem) = started {
            let Scheduled { app, workflow, .. } = scheduled;
            tracing::warn!(%app, %workflow, %problem, "a scheduled run could not be started");
        }
    }

    fn scheduled(&self, app: AppKey, workflow: WorkflowIx) -> Option<Scheduled> {
        let app = self.durable.app(app)?;
        let workflow = app.current().1.program.workflows.get(workflow.index())?;
        let Steps::Dag(dag) = &workflow.steps else { return None };
        let schedule = dag.schedule.clone()?;
        Some(Scheduled { app: app.name().clone(), workflow: workflow.name.clone(), schedule })
    }

    /// The dates since the last one that has had its run.
    fn missed(&mut self, app: AppKey, scheduled: &Scheduled, now_ms: u64) -> Result<VecDeque<u64>, Problem> {
        let schedule = &scheduled.schedule;
        let known_ms = self.options.retention_ms.map_or(0, |kept_ms| now_ms.saturating_sub(kept_ms));
        let deployed_ms = self.durable.app(app).and_then(|app| {
            let versions = app.versions();
            versions.map(|(_, version)| version.deployed_ms).min()
        });
        let from_ms = schedule.start_ms.or(deployed_ms).unwrap_or(now_ms).max(known_ms);
        let mut dates = VecDeque::new();
        let mut last_ms = from_ms.saturating_sub(1);
        while let Some(date_ms) =
            (self.options.cron)(&schedule.cron, &schedule.tz, last_ms).filter(|date_ms| *date_ms <= now_ms)
        {
            dates.push_back(date_ms);
            last_ms = date_ms;
            if dates.len() > limits::CATCHUP_RUNS_MAX {
                dates.pop_front();
            }
        }
        let mut missed = VecDeque::new();
        while let Some(date_ms) = dates.pop_back() {
            if self.find(&scheduled.run_id(date_ms))?.is_some() {
                break;
            }
            missed.push_front(date_ms);
        }
        Ok(missed)
    }

    fn start_at(&mut self, scheduled: &Scheduled, date_ms: u64) -> Result<(), Problem> {
        let input = format!("{{\"logical_date\":\"{}\"}}", rfc3339(date_ms));
        let request = StartRequest {
            app: scheduled.app.to_string(),
            id: Some(scheduled.run_id(date_ms)),
            objects: Vec::new(),
            event: None,
            workflow: Some(WorkflowRequest {
                name: scheduled.workflow.to_string(),
                input: Some(input.into()),
                execution: None,
            }),
            version: None,
            seal: true,
        };
        let digest = digest(&request);
        match self.started_before(&request, digest)? {
            Some(_) => Ok(()),
            None => self.begin(request, digest).map(drop),
        }
    }
}
