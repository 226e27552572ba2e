//! Deploying apps, and the clock of their cron triggers.

use super::Shard;
use super::answers::Submitter;
use crate::api::{AppView, DeployRequest};
use crate::bundles::Bundles;
use crate::handle::Answer;
use crate::ports::{Ports, Sandboxes};
use bytes::Bytes;
use sluice_engine::app::App;
use sluice_engine::{Deploy, InputKind};
use sluice_storage::log::Priority;
use sluice_types::{
    AppKey, Condition, ContentType, Event, Lsn, Problem, Program, Steps, TriggerIx, Version, WorkflowIx,
};
use std::collections::BTreeSet;
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    pub(super) fn deploy(&mut self, request: DeployRequest, answer: Answer<AppView>) {
        match self.deploy_changed(request) {
            Ok((Some(lsn), view)) => self.answers.expect(lsn, Submitter::Deploy(view, answer)),
            Ok((None, view)) => self.say(move || drop(answer.send(Ok(view)))),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// Logs a new version, unless it is the newest one already.
    fn deploy_changed(&mut self, request: DeployRequest) -> Result<(Option<Lsn>, AppView), Problem> {
        let DeployRequest { program, definition, files, reset_triggers } = request;
        let bundle = Bundles::digest(&files, &definition);
        let known = self.durable.apps().find(|app| app.name() == &program.app);
        let (key, version) = match known {
            Some(app) if app.current().1.bundle == bundle && app.current().1.program == program => {
                return Ok((None, AppView { changed: false, ..app_view(app) }));
            }
            Some(app) => (app.key(), Version(app.current().0.0 + 1)),
            None => (AppKey(self.durable.apps().map(|app| app.key().0 + 1).max().unwrap_or(0)), Version(1)),
        };
        self.options.bundles.write(bundle, &files, &definition)?;
        self.sandboxes.add_app(key, version, &program, &self.options.bundles.files(bundle))?;
        let app = program.app.to_string();
        let reset_triggers = reset_triggers.into_iter().map(Arc::from).collect();
        let deploy = Deploy { app: key, version, program, bundle, reset_triggers };
        let lsn = self.submit(InputKind::Deploy(Box::new(deploy)), Priority::NewWork)?;
        self.share_app(key);
        let deployed_ms = self.now_ms;
        tracing::info!(%app, version = version.0, "deployed");
        Ok((Some(lsn), AppView { app, version: version.0, deployed_ms, changed: true }))
    }

    /// The express engine executes the same versions.
    pub(super) fn share_app(&mut self, key: AppKey) {
        if let Some(app) = self.durable.app(key) {
            self.express.share_versions(app);
        }
        self.cron.rebuild(&self.durable, self.options.cron, self.now_ms);
    }

    /// Makes the code of every version that is kept ready to run.
    pub(super) fn ready_apps(&mut self) -> Result<(), Problem> {
        let keys: Vec<AppKey> = self.durable.apps().map(App::key).collect();
        for key in keys {
            let app = self.durable.app(key).expect("it was just listed");
            let versions: Vec<(Version, Arc<Program>, u128)> =
                app.versions().map(|(version, app)| (version, app.program.clone(), app.bundle)).collect();
            for (version, program, bundle) in versions {
                self.sandboxes.add_app(key, version, &program, &self.options.bundles.files(bundle))?;
            }
            self.share_app(key);
        }
        Ok(())
    }

    pub(super) fn app_view(&self, name: &str) -> Result<(AppView, Arc<Program>, Bytes), Problem> {
        let app = self.durable.app(self.app_named(name)?).expect("a named app exists");
        let current = app.current().1;
        let definition = self.options.bundles.definition(current.bundle).unwrap_or_default();
        Ok((app_view(app), current.program.clone(), definition))
    }

    pub(super) fn program(&self, name: &str, version: Option<u32>) -> Result<Arc<Program>, Problem> {
        self.version_named(name, version.map(Version)).map(|(_, _, program)| program)
    }

    pub(super) fn app_views(&self) -> Vec<AppView> {
        self.durable.apps().map(app_view).collect()
    }

    /// Starts what cron triggers and schedules ask for. A trigger missed while the node was down is not made up for.
    pub(super) fn fire_cron(&mut self, now_ms: u64) {
        for due in self.cron.take_due(self.options.cron, now_ms) {
            let trigger = match due.fires {
                Fires::Trigger(trigger) => trigger,
                Fires::Workflow { workflow, is_behind } => {
                    self.fire_schedule(&due, workflow, is_behind);
                    continue;
                }
            };
            let id = format!("{}-{}-{}", due.app.0, trigger.0, due.due_ms);
            let event = Arc::new(Event {
                id: id.into(),
                source: "/sluice/cron".into(),
                r#type: "sluice.cron".into(),
                subject: None,
                time_ms: due.due_ms,
                content_type: ContentType::Bytes,
                data: Bytes::new(),
                run: None,
            });
            let kind = InputKind::Cron { app: due.app, trigger, due_ms: due.due_ms, event };
            let _ = self.submit(kind, Priority::Progress);
        }
    }
}

fn app_view(app: &App) -> AppView {
    let (version, current) = app.current();
    AppView {
        app: app.name().to_string(),
        version: version.0,
        deployed_ms: current.deployed_ms,
        changed: true,
    }
}

/// One coming firing of a cron trigger or of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CronDue {
    pub due_ms: u64,
    pub app: AppKey,
    fires: Fires,
    expr: Arc<str>,
    tz: Arc<str>,
}

/// What a point in time fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fires {
    Trigger(TriggerIx),
    Workflow {
        workflow: WorkflowIx,
        /// It is to be looked whether dates have passed without a run.
        is_behind: bool,
    },
}

/// The next firing of every cron trigger and schedule of every newest version.
#[derive(Default)]
pub(super) struct CronTable(BTreeSet<CronDue>);

type NextAfter = fn(&str, &str, u64) -> Option<u64>;

impl CronTable {
    pub fn next_deadline(&self) -> Option<u64> {
        self.0.first().map(|due| due.due_ms)
    }

    fn rebuild(&mut self, engine: &sluice_engine::Engine, next_after: NextAfter, now_ms: u64) {
        self.0.clear();
        for app in engine.apps() {
            for (index, trigger) in app.current().1.program.triggers.iter().enumerate() {
                let trigger_ix = TriggerIx(index as u16);
                trigger.condition.each_leaf(&mut |leaf| {
                    if let Condition::Cron { expr, tz } = leaf
                        && let Some(due_ms) = next_after(expr, tz, now_ms)
                    {
                        let (expr, tz) = (expr.clone(), tz.clone());
                        let fires = Fires::Trigger(trigger_ix);
                        self.0.insert(CronDue { due_ms, app: app.key(), fires, expr, tz });
                    }
                });
            }
            self.add_schedules(app, next_after, now_ms);
        }
    }

    fn add_schedules(&mut self, app: &App, next_after: NextAfter, now_ms: u64) {
        for (at, workflow) in app.current().1.program.workflows.iter().enumerate() {
            let Steps::Dag(dag) = &workflow.steps else { continue };
            let Some(schedule) = &dag.schedule else { continue };
            let (expr, tz) = (schedule.cron.clone(), schedule.tz.clone());
            let next_ms = if schedule.catchup { Some(now_ms) } else { next_after(&expr, &tz, now_ms) };
            let fires = Fires::Workflow { workflow: WorkflowIx(at as u16), is_behind: schedule.catchup };
            self.0.extend(next_ms.map(|due_ms| CronDue { due_ms, app: app.key(), fires, expr, tz }));
        }
    }

    fn take_due(&mut self, next_after: NextAfter, now_ms: u64) -> Vec<CronDue> {
        let mut due = Vec::new();
        while self.0.first().is_some_and(|first| first.due_ms <= now_ms) {
            let first = self.0.pop_first().expect("it was just looked at");
            if let Some(due_ms) = next_after(&first.expr, &first.tz, now_ms) {
                let fires = match first.fires {
                    Fires::Workflow { workflow, .. } => Fires::Workflow { workflow, is_behind: false },
                    trigger => trigger,
                };
                self.0.insert(CronDue { due_ms, fires, ..first.clone() });
            }
            due.push(first);
        }
        due
    }
}
