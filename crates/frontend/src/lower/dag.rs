//! DAGs: names become indices, and what cannot run is refused.

use super::Lowering;
use super::name::Names;
use crate::cron;
use crate::definition::{Dag, Json, Mapping, Schedule, Task};
use crate::diagnostic::Diagnostic;
use bytes::Bytes;
use sluice_types::dag::{Dag as Lowered, Pool, Rule, Schedule as LoweredSchedule, Task as LoweredTask};
use sluice_types::{Code, FunctionIx, TaskIx, TaskKind, did_you_mean, limits};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a date in the id of a run.
const DATE_BYTES: usize = 26;

/// The names of a DAG.
struct Scope<'a> {
    tasks: BTreeMap<&'a str, TaskIx>,
    pools: Names<'a>,
}

impl Lowering<'_> {
    /// Lowers a DAG; where a part of it is wrong, that is reported and a default stands in.
    pub(super) fn dag(&mut self, workflow: &str, dag: &Dag) -> Lowered {
        let path = format!("{workflow}.dag");
        let (tasks, pools) = (&dag.tasks.0, &dag.pools.0);
        self.check_size(&format!("{path}.tasks"), "tasks", tasks.len(), limits::DAG_TASKS_MAX);
        self.check_size(&format!("{path}.pools"), "pools", pools.len(), limits::DAG_POOLS_MAX);
        let message = || "this DAG has no tasks".to_owned();
        self.require(!tasks.is_empty(), &path, message, "add one: `tasks: {NAME: {call: FUNCTION}}`");
        let scope = Scope {
            tasks: tasks
                .iter()
                .enumerate()
                .map(|(at, (name, _))| (name.as_str(), TaskIx(at as u32)))
                .collect(),
            pools: Names::new(pools.iter().map(|(name, _)| name.as_str())),
        };
        let lowered = tasks.iter().map(|(name, task)| match task {
            Some(task) => self.task(&path, &scope, name, task),
            None => self.task(&path, &scope, name, &Task::default()),
        });
        let tasks = lowered.collect();
        let pools = pools.iter().map(|(name, slots)| self.pool(&path, name, *slots)).collect();
        let schedule = dag.schedule.as_ref().map(|schedule| self.schedule(&path, workflow, schedule));
        let lowered = Lowered { tasks, pools, schedule };
        self.refuse_mapped_branches(&path, &lowered);
        self.refuse_cycle(&path, &lowered);
        lowered
    }

    fn schedule(&mut self, path: &str, workflow: &str, schedule: &Schedule) -> LoweredSchedule {
        let path = format!("{path}.schedule");
        let tz = schedule.tz.as_deref().unwrap_or("UTC");
        self.check_cron(&path, &schedule.cron, tz);
        let start = schedule.start.as_deref().map(|start| {
            let start_ms = cron::moment(start, tz);
            let message = || format!("`{start}` is no date");
            let fix = "write 2026-01-31, or 2026-01-31T00:00:00Z";
            self.require(start_ms.is_some(), &format!("{path}.start"), message, fix);
            start_ms.unwrap_or_default()
        });
        // The id of a run that a schedule starts: app, workflow and date.
        let id_bytes = self.definition.app.len() + workflow.len() + DATE_BYTES;
        let message = || "the names of this app and workflow are too long for the ids of its runs".to_owned();
        self.require(id_bytes <= limits::RUN_ID_BYTES_MAX, &path, message, "shorten one of them");
        LoweredSchedule {
            cron: schedule.cron.as_str().into(),
            tz: tz.into(),
            catchup: schedule.catchup,
            start_ms: start,
        }
    }

    fn refuse_mapped_branches(&mut self, path: &str, dag: &Lowered) {
        for task in &dag.tasks {
            let TaskKind::Map { over } = task.kind else { continue };
            let over = &dag.tasks[over.index()];
            let path = format!("{path}.tasks.{}.map", task.name);
            let message = || format!("`{}` is a branch: it returns the names of tasks", over.name);
            self.require(
                over.kind != TaskKind::Branch,
                &path,
                message,
                "map over the result of another task",
            );
        }
    }

    fn check_size(&mut self, path: &str, what: &str, count: usize, most: usize) {
        if count > most {
            let message = format!("{count} {what}; at most {most} fit in one DAG");
            self.report(Diagnostic::error(Code::LIMIT_EXCEEDED, path, message).fix("split the DAG"));
        }
    }

    fn pool(&mut self, path: &str, name: &str, slots: u32) -> Pool {
        let path = format!("{path}.pools.{name}");
        self.check_name(&path, name, "pool");
        self.require(slots > 0, &path, || format!("pool `{name}` has no slots"), "give it 1 or more");
        Pool { name: name.into(), slots: slots.max(1) }
    }

    fn task(&mut self, dag: &str, scope: &Scope<'_>, name: &str, task: &Task) -> LoweredTask {
        let path = format!("{dag}.tasks.{name}");
        self.check_name(&path, name, "task");
        let function = self.called(&path, name, task);
        let after = self.upstream(&path, scope, name, task);
        let kind = self.kind(&path, scope, task, &after);
        LoweredTask {
            rule: self.rule(&path, task),
            kind,
            retry: task.retries.as_ref().map(|retries| Box::new(self.retry(&path, Some(retries)))),
            timeout_ms: self.task_timeout(&path, task),
            priority: task.priority,
            pool: self.pool_of(&path, scope, task),
            with: task.with.as_ref().map(|with| self.given(&path, with)),
            after,
            ..LoweredTask::new(name, function)
        }
    }

    fn called(&mut self, path: &str, name: &str, task: &Task) -> FunctionIx {
        let stand_in = FunctionIx(0);
        match &task.call {
            Some(function) => self.function_named(&format!("{path}.call"), function).unwrap_or(stand_in),
            None if self.functions.find(name).is_some() => {
                self.function_named(path, name).unwrap_or(stand_in)
            }
            None => {
                let message = format!("task `{name}` calls nothing, and there is no function of its name");
                let finding = Diagnostic::error(Code::UNKNOWN_NAME, path, message);
                self.report(finding.fix("name one of the app's functions: `call: FUNCTION`"));
                stand_in
            }
        }
    }

    fn upstream(&mut self, path: &str, scope: &Scope<'_>, name: &str, task: &Task) -> Vec<TaskIx> {
        let path = format!("{path}.after");
        let mut after = Vec::new();
        let mut seen = BTreeSet::new();
        for before in &task.after.0 {
            let Some(&found) = scope.tasks.get(before.as_str()) else {
                let fix = did_you_mean(before, scope.tasks.keys().copied());
                let message = format!("task `{name}` waits for `{before}`, which is no task of this DAG");
                let finding = Diagnostic::error(Code::UNKNOWN_NAME, path.as_str(), message);
                self.report(finding.fix(fix.unwrap_or_else(|| "name one of its tasks".to_owned())));
                continue;
            };
            let message = || format!("task `{name}` waits for itself");
            self.require(before != name, &path, message, "remove its name from `after`");
            let is_new = seen.insert(found);
            self.require(is_new, &path, || format!("`{before}` is named twice"), "name it once");
            if is_new && before != name {
                after.push(found);
            }
        }
        after
    }

    fn kind(&mut self, path: &str, scope: &Scope<'_>, task: &Task, after: &[TaskIx]) -> TaskKind {
        let is_mapped = !matches!(task.map, None | Some(Mapping::Only(false)));
        let kinds = u32::from(is_mapped) + u32::from(task.branch) + u32::from(task.sensor);
        let message = || "a task is one of `map`, `branch` and `sensor`".to_owned();
        self.require(kinds < 2, path, message, "split it into tasks that wait for one another");
        let of_sensor = task.sensor || (task.interval.is_none() && task.soft_fail.is_none());
        let message = || "`interval` and `soft_fail` belong to a sensor".to_owned();
        self.require(of_sensor, path, message, "add `sensor: true`, or remove them");
        if task.sensor {
            let interval_ms = task.interval.map_or(limits::SENSOR_INTERVAL_MS_DEFAULT, |interval| interval.0);
            self.check_duration(&format!("{path}.interval"), "interval", interval_ms);
            return TaskKind::Sensor { interval_ms, soft_fail: task.soft_fail.unwrap_or(false) };
        }
        match &task.map {
            _ if task.branch => TaskKind::Branch,
            None | Some(Mapping::Only(false)) => TaskKind::Call,
            Some(map) => self.mapping(path, scope, map, after),
        }
    }

    fn mapping(&mut self, path: &str, scope: &Scope<'_>, map: &Mapping, after: &[TaskIx]) -> TaskKind {
        let path = format!("{path}.map");
        let over = match (map, after) {
            (Mapping::Over(name), _) => {
                scope.tasks.get(name.as_str()).copied().filter(|of| after.contains(of))
            }
            (Mapping::Only(_), [only]) => Some(*only),
            (Mapping::Only(_), _) => None,
        };
        let message = || match map {
            Mapping::Over(name) => format!("`{name}` is not among the tasks that this one waits for"),
            Mapping::Only(_) => {
                format!("`map` is over one list, and this task waits for {} tasks", after.len())
            }
        };
        self.require(
            over.is_some(),
            &path,
            message,
            "write `map: TASK`, the one in `after` that returns a list",
        );
        over.map_or(TaskKind::Call, |over| TaskKind::Map { over })
    }

    fn rule(&mut self, path: &str, task: &Task) -> Rule {
        let Some(name) = &task.rule else { return Rule::default() };
        Rule::parse(name).unwrap_or_else(|| {
            let known = Rule::ALL.map(Rule::as_str);
            let fix = did_you_mean(name, known).unwrap_or_else(|| format!("known are: {}", known.join(", ")));
            let message = format!("`{name}` is no trigger rule");
            self.report(Diagnostic::error(Code::APP_INVALID, format!("{path}.rule"), message).fix(fix));
            Rule::default()
        })
    }

    fn task_timeout(&mut self, path: &str, task: &Task) -> Option<u64> {
        let default = task.sensor.then_some(limits::SENSOR_TIMEOUT_MS_DEFAULT);
        let timeout_ms = task.timeout.map(|timeout| timeout.0).or(default)?;
        self.check_duration(&format!("{path}.timeout"), "timeout", timeout_ms);
        Some(timeout_ms)
    }

    fn check_duration(&mut self, path: &str, key: &str, ms: u64) {
        let message = || format!("`{key}` must be between 1 ms and 366 days");
        let holds = (1..=limits::DURATION_MS_MAX).contains(&ms);
        self.require(holds, path, message, "give a duration such as 30s");
    }

    fn pool_of(&mut self, path: &str, scope: &Scope<'_>, task: &Task) -> Option<u32> {
        let name = task.pool.as_ref()?;
        let found = scope.pools.find(name).map(u32::from);
        if found.is_none() {
            let fix = did_you_mean(name, scope.pools.all());
            let fix = fix.unwrap_or_else(|| {
                format!(
                    "declare it with its slots: `pools: {{{name}: 2}}`, in Python `pools={{\"{name}\": 2}}`"
                )
            });
            let message = format!("there is no pool `{name}`");
            self.report(Diagnostic::error(Code::UNKNOWN_NAME, format!("{path}.pool"), message).fix(fix));
        }
        found
    }

    /// What a task gives to its calls.
    fn given(&mut self, path: &str, Json(json): &Json) -> Bytes {
        let (bytes, most) = (json.len() as u64, limits::WORKFLOW_VALUE_BYTES_MAX);
        if bytes > most {
            let message = format!("{bytes} bytes of JSON; at most {most} are passed with a call");
            let finding = Diagnostic::error(Code::LIMIT_EXCEEDED, format!("{path}.with"), message);
            self.report(finding.fix("put them into a bucket, or have a task return them"));
        }
        json.clone().into()
    }

    /// Names a cycle, if there is one.
    fn refuse_cycle(&mut self, path: &str, dag: &Lowered) {
        let Some(cycle) = cycle(dag) else { return };
        let name = |task: &TaskIx| format!("`{}`", dag.tasks[task.index()].name);
        let first = cycle[0];
        let way: Vec<String> = cycle.iter().chain([&first]).map(name).collect();
        let message = format!("these tasks wait for one another: {}", way.join(" → "));
        let at = format!("{path}.tasks.{}.after", dag.tasks[first.index()].name);
        let fix = "remove one of them from the `after` of the next";
        self.report(Diagnostic::error(Code::APP_INVALID, at, message).fix(fix));
    }
}

/// Tasks each of which the next one waits for, and the first for the last.
fn cycle(dag: &Lowered) -> Option<Vec<TaskIx>> {
    let mut below = vec![Vec::new(); dag.tasks.len()];
    for (at, task) in dag.tasks.iter().enumerate() {
        task.after.iter().for_each(|before| below[before.index()].push(at));
    }
    let mut waits: Vec<usize> = dag.tasks.iter().map(|task| task.after.len()).collect();
    let mut free: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
    while let Some(at) = free.pop() {
        for &next in &below[at] {
            waits[next] -= 1;
            if waits[next] == 0 {
                free.push(next);
            }
        }
    }
    // Whatever is left waits for something that is left: going upstream leads into a cycle.
    let mut way: Vec<usize> = Vec::new();
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    let mut at = (0..waits.len()).find(|at| waits[*at] > 0)?;
    while !place.contains_key(&at) {
        place.insert(at, way.len());
        way.push(at);
        let left = |before: &&TaskIx| waits[before.index()] > 0;
        at = dag.tasks[at].after.iter().find(left).expect("it waits for something").index();
    }
    let mut cycle = way.split_off(place[&at]);
    cycle.reverse();
    let first = cycle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    Some(cycle.into_iter().map(|at| TaskIx(at as u32)).collect())
}
