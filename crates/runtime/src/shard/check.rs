//! Whether the code of another version could go on with the runs that are under way: it is told their journals, one after
//! the other. Runs with which it can may be moved to that version.

use super::Shard;
use super::questions::code_of;
use crate::api::{CheckReport, DeployRequest, Movable, MoveRequest, Unreplayable};
use crate::bundles::Bundles;
use crate::handle::Answer;
use crate::ports::{Call, Ports, Sandboxes, World};
use sluice_engine::{InputKind, Status};
use sluice_storage::log::Priority;
use sluice_storage::store::ListQuery;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Code, Failure, FunctionIx, Invocation, InvocationId, Outcome, Problem, Program, RunKey,
    Steps, Version, limits,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A check under way.
pub(super) struct Check {
    answer: Answer<CheckReport>,
    app: AppKey,
    program: Arc<Program>,
    version: Version,
    /// Whether runs that it can go on with do so from now on.
    moves: bool,
    /// Runs that are not checked yet, and how often they were.
    left: VecDeque<(RunKey, u32)>,
    /// The one whose journal the code is told now.
    now: Option<Checked>,
    report: CheckReport,
}

/// A run that is being checked.
struct Checked {
    call: InvocationId,
    times: u32,
    /// How long its history was.
    lines: u64,
}

/// The version under which code is checked, which no deploy gives.
const CHECKED: Version = Version(u32::MAX);
/// A run that goes on while it is checked is checked again, so often at most.
const CHECKS_MAX: u32 = 10;

impl<P: Ports> Shard<P> {
    /// Checks a version that is not deployed. One check at a time.
    pub(super) fn check(&mut self, request: DeployRequest, answer: Answer<CheckReport>) {
        if self.check.is_some() {
            return self.refuse(answer, is_checking());
        }
        match self.prepare_check(&request) {
            Ok(Some((app, left))) => {
                self.begin_check(answer, app, (CHECKED, request.program), left, false);
            }
            Ok(None) => drop(answer.send(Ok(CheckReport::default()))),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// Has runs go on on another version, those that can. One check at a time.
    pub(super) fn move_runs(&mut self, request: &MoveRequest, answer: Answer<CheckReport>) {
        if self.check.is_some() {
            return self.refuse(answer, is_checking());
        }
        match self.prepare_move(request) {
            Ok((app, version, left)) => self.begin_check(answer, app, version, left, true),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    #[allow(clippy::type_complexity, reason = "what a check begins with")]
    fn prepare_move(
        &mut self,
        request: &MoveRequest,
    ) -> Result<(AppKey, (Version, Arc<Program>), Vec<RunKey>), Problem> {
        match &request.runs {
            Movable::All(app) => {
                let (app, version, program) = self.version_named(app, request.version)?;
                Ok((app, (version, program), self.under_way(app)?))
            }
            Movable::One(run) => {
                let key = self.known(run)?;
                let app = self.durable.run(key).expect("a known run is loaded").program().app.clone();
                let (app, version, program) = self.version_named(&app, request.version)?;
                self.durable.can_move(key, version)?;
                Ok((app, (version, program), vec![key]))
            }
        }
    }

    fn begin_check(
        &mut self,
        answer: Answer<CheckReport>,
        app: AppKey,
        (version, program): (Version, Arc<Program>),
        left: Vec<RunKey>,
        moves: bool,
    ) {
        let left = left.into_iter().map(|run| (run, 0)).collect();
        let report = CheckReport::default();
        self.check = Some(Check { answer, app, program, version, moves, left, now: None, report });
        self.check_next();
    }

    /// The runs to be checked; `None` for an app that is not deployed yet.
    fn prepare_check(&mut self, request: &DeployRequest) -> Result<Option<(AppKey, Vec<RunKey>)>, Problem> {
        let Some(app) = self.durable.apps().find(|app| app.name() == &request.program.app) else {
            return Ok(None);
        };
        let app = app.key();
        let bundle = Bundles::digest(&request.files, &request.definition);
        self.options.bundles.write(bundle, &request.files, &request.definition)?;
        let files = self.options.bundles.files(bundle);
        self.sandboxes.add_app(app, CHECKED, &request.program, &files)?;
        Ok(Some((app, self.under_way(app)?)))
    }

    fn under_way(&self, app: AppKey) -> Result<Vec<RunKey>, Problem> {
        let loaded = self.durable.runs().filter(|run| run.app() == app && run.status() == Status::Running);
        let mut runs: BTreeSet<RunKey> = loaded.map(|run| run.key()).collect();
        let running = Some(Status::Running as u8);
        let query = ListQuery { app: Some(app), status: running, before: None, limit: usize::MAX };
        runs.extend(self.store.list(query).map_err(|error| error.problem())?);
        Ok(runs.into_iter().collect())
    }

    /// Tells the code the journal of the next run, or says what came out.
    fn check_next(&mut self) {
        while let Some(check) = &mut self.check {
            let Some((key, times)) = check.left.pop_front() else { break };
            let call = self.checked_call(key);
            let check = self.check.as_mut().expect("it is under way");
            check.report.checked += usize::from(times == 0 && !matches!(call, Ok(None)));
            match call {
                Ok(Some((call, lines))) => {
                    check.now = Some(Checked { call: call.invocation.id, times, lines });
                    return self.sandboxes.start(call, &mut self.objects, &mut self.reports);
                }
                Ok(None) => {}
                Err(found) => check.report.found.push(*found),
            }
        }
        if let Some(check) = self.check.take() {
            if check.version == CHECKED {
                self.sandboxes.forget_app(check.app, CHECKED);
            }
            self.say(move || drop(check.answer.send(Ok(check.report))));
        }
    }

    /// The call that tells the code everything of a run, and how long its history is; `None` if it is none of its concern.
    fn checked_call(&mut self, key: RunKey) -> Result<Option<(Call, u64)>, Box<Unreplayable>> {
        if self.load(key).is_err() {
            return Ok(None);
        }
        let Some(run) = self.executed(key) else { return Ok(None) };
        let running = run.status() == Status::Running;
        let (Some(ix), true) = (code_of(run), running) else { return Ok(None) };
        let workflow = run.program().functions[ix.index()].name.clone();
        let id = run.id().to_string();
        let found = |message: String, stack: String| {
            Box::new(Unreplayable { run: id.clone(), workflow: workflow.to_string(), message, stack })
        };
        let check = self.check.as_ref().expect("it is under way");
        let version = check.version;
        if run.version() == version {
            return Ok(None);
        }
        let Some(function) = function_of(&check.program, &workflow) else {
            return Err(found(format!("the app no longer has the workflow {workflow:?}"), String::new()));
        };
        if check.moves {
            self.durable.can_move(key, version).map_err(|problem| found(problem.message, String::new()))?;
        }
        let (told, seed, app, run_id) =
            (run.told().unwrap_or(u64::MAX), run.seed(), run.app(), run.id().clone());
        let (lines, origin) = (run.history_len(), run.origin());
        let journal = self.journal(key).map_err(|problem| found(problem.message, String::new()))?;
        let arguments = Arguments::List(sluice_flow::checked(journal, origin.as_ref(), told, seed));
        // Who is late with what was asked in another check is not taken for who answers this one.
        let others = u64::from(u32::MAX - limits::RUN_INVOCATIONS_MAX);
        let seq = limits::RUN_INVOCATIONS_MAX + 1 + (self.world.random() % (others - 1)) as u32;
        let id = InvocationId { run: key, seq };
        let invocation = Box::new(Invocation { id, attempt: CHECK, function, arguments, group: None });
        Ok(Some((Call { invocation, app, version, run_id }, lines)))
    }

    /// Whether this is the end of a checked call; then the next one is made.
    pub(super) fn is_check(&mut self, id: InvocationId, attempt: Attempt, outcome: &Outcome) -> bool {
        let is_now =
            |check: &&mut Check| check.now.as_ref().is_some_and(|now| attempt == CHECK && now.call == id);
        let Some(check) = self.check.as_mut().filter(is_now) else { return false };
        let Some(checked) = check.now.take() else { return false };
        let moves = check.moves;
        match outcome {
            Outcome::Failed(Failure { message, stack, .. }) => self.not_replayed(id.run, message, stack),
            _ if moves => self.move_checked(id.run, &checked),
            _ => {}
        }
        self.check_next();
        true
    }

    fn not_replayed(&mut self, key: RunKey, message: &str, stack: &str) {
        let Some(run) = self.durable.run(key) else { return };
        let workflow = code_of(run).map(|ix| run.program().functions[ix.index()].name.to_string());
        let (run, workflow) = (run.id().to_string(), workflow.unwrap_or_default());
        let (message, stack) = (message.to_owned(), stack.to_owned());
        let check = self.check.as_mut().expect("it is under way");
        check.report.found.push(Unreplayable { run, workflow, message, stack });
    }

    /// A run with which the code can go on does so, unless it has gone on meanwhile: then it is checked again.
    fn move_checked(&mut self, key: RunKey, checked: &Checked) {
        if self.load(key).is_err() {
            return;
        }
        let Some(run) = self.durable.run(key).filter(|run| run.status() == Status::Running) else { return };
        let is_as_checked = run.history_len() == checked.lines;
        let check = self.check.as_mut().expect("it is under way");
        let version = check.version;
        if !is_as_checked && checked.times + 1 < CHECKS_MAX {
            return check.left.push_back((key, checked.times + 1));
        }
        let moved = match is_as_checked {
            true => self.durable.can_move(key, version),
            false => Err(is_restless()),
        };
        // Its record is refused only when the log is.
        let moved =
            moved.and_then(|()| self.submit(InputKind::Move { run: key, version }, Priority::NewWork));
        match moved {
            Ok(_) => self.check.as_mut().expect("it is under way").report.moved += 1,
            Err(problem) => self.not_replayed(key, &problem.message, ""),
        }
    }
}

fn is_checking() -> Problem {
    Problem::new(Code::OVERLOADED, "another deploy is being checked", "try again in a moment")
}

fn is_restless() -> Problem {
    let message = format!("it went on each of the {CHECKS_MAX} times that it was checked");
    Problem::new(Code::OVERLOADED, message, "try again when less happens in it")
}

/// The attempt that a checked call is, which no other call is.
const CHECK: Attempt = Attempt(u32::MAX);

/// The function whose calls are turns of a workflow of that name.
fn function_of(program: &Program, workflow: &str) -> Option<FunctionIx> {
    match program.workflows[program.workflow(workflow)?.index()].steps {
        Steps::Code { function } => Some(function),
        Steps::States { .. } | Steps::Dag(_) => None,
    }
}
