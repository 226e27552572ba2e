//! Whether the code of another version could go on with the runs that are under way: it is told their journals, one after
//! the other. Runs with which it can may be moved to that version.

use super::Shard;
use super::loading::Found;
use super::questions::code_of;
use super::under_way::UnderWay;
use crate::api::{CheckReport, DeployRequest, Movable, MoveRequest, Reason, Unreplayable};
use crate::bundles::Bundles;
use crate::handle::Answer;
use crate::ports::{Call, Ports, Sandboxes, World};
use sluice_engine::{InputKind, Status};
use sluice_storage::log::Priority;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Code, Failure, FailureKind, FunctionIx, Invocation, InvocationId, Outcome, Problem,
    Program, RunKey, Steps, Version, limits,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// A check under way.
pub(super) struct Check {
    answer: Answer<CheckReport>,
    app: AppKey,
    program: Arc<Program>,
    version: Version,
    /// Whether runs that it can go on with do so from now on.
    moves: bool,
    /// Runs that are not checked yet.
    left: UnderWay,
    /// Runs that are to be checked again, and how often they were.
    again: VecDeque<(RunKey, u32)>,
    /// The one whose journal the code is told now.
    now: Option<Checked>,
    report: CheckReport,
}

/// A run that is being checked. It may leave memory meanwhile.
struct Checked {
    call: InvocationId,
    run: Arc<str>,
    workflow: Arc<str>,
    times: u32,
    /// How long its history was.
    lines: u64,
}

/// The version under which code is checked, which no deploy gives.
const CHECKED: Version = Version(u32::MAX);
/// So many checks have versions of their own below it: processes of one that has just ended are not taken for those of the next.
const CHECKED_VERSIONS: u32 = 1 << 16;
/// A run that goes on while it is checked is checked again, so often at most.
const CHECKS_MAX: u32 = 10;
/// Most runs that are looked at in one turn of the shard. At most one of them has its journal read for a worker.
const CHECKED_PER_TURN_MAX: usize = 64;

impl Check {
    /// Whether another run can be looked at now.
    pub fn goes_on(&self) -> bool {
        self.now.is_none()
    }
}

impl<P: Ports> Shard<P> {
    /// Checks a version that is not deployed. One check at a time.
    pub(super) fn check(&mut self, request: DeployRequest, answer: Answer<CheckReport>) {
        if self.check.is_some() {
            return self.refuse(answer, is_checking());
        }
        match self.prepare_check(&request) {
            Ok(Some((app, version, left))) => {
                self.begin_check(answer, app, (version, request.program), left, false);
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
    ) -> Result<(AppKey, (Version, Arc<Program>), UnderWay), Problem> {
        match &request.runs {
            Movable::All(app) => {
                let (app, version, program) = self.version_named(app, request.version)?;
                Ok((app, (version, program), self.under_way(app)))
            }
            Movable::One(run) => {
                let key = self.known(run)?;
                let known = self.durable.run(key).expect("a known run is loaded");
                let (app, before) = (known.program().app.clone(), known.version());
                let (app, version, program) = self.version_named(&app, request.version)?;
                self.durable.can_move(key, version).map_err(|problem| Problem {
                    message: format!("run {run} stays on version {}: {}", before.0, problem.message),
                    ..problem
                })?;
                Ok((app, (version, program), UnderWay::one(app, key)))
            }
        }
    }

    fn begin_check(
        &mut self,
        answer: Answer<CheckReport>,
        app: AppKey,
        (version, program): (Version, Arc<Program>),
        left: UnderWay,
        moves: bool,
    ) {
        let (again, report) = (VecDeque::new(), CheckReport::default());
        self.check = Some(Check { answer, app, program, version, moves, left, again, now: None, report });
    }

    /// The version that is checked and the runs to be told to it; `None` for an app that is not deployed yet.
    fn prepare_check(
        &mut self,
        request: &DeployRequest,
    ) -> Result<Option<(AppKey, Version, UnderWay)>, Problem> {
        let Some(app) = self.durable.apps().find(|app| app.name() == &request.program.app) else {
            return Ok(None);
        };
        let app = app.key();
        let bundle = Bundles::digest(&request.files, &request.definition);
        self.options.bundles.write(bundle, &request.files, &request.definition)?;
        let files = self.options.bundles.files(bundle);
        let version = Version(CHECKED.0 - self.checks % CHECKED_VERSIONS);
        self.checks = self.checks.wrapping_add(1);
        self.sandboxes.add_app(app, version, &request.program, &files)?;
        Ok(Some((app, version, self.under_way(app))))
    }

    fn under_way(&self, app: AppKey) -> UnderWay {
        let loaded = self.durable.runs().filter(|run| run.app() == app && run.status() == Status::Running);
        UnderWay::all(app, loaded.map(|run| run.key()).collect())
    }

    /// Looks at a few more runs, until one is found whose journal the code has to be told; after the last, says what came out.
    pub(super) fn check_slice(&mut self) {
        for _ in 0..CHECKED_PER_TURN_MAX {
            let Some(check) = self.check.as_mut().filter(|check| check.goes_on()) else { return };
            let next = check.left.next(&self.store).map(|key| key.map(|key| (key, 0)));
            match next.map(|next| next.or_else(|| check.again.pop_front())) {
                Ok(Some((key, times))) => {
                    if let Err(problem) = self.check_run(key, times) {
                        return self.end_check(Err(problem));
                    }
                }
                Ok(None) => return self.end_check(Ok(())),
                Err(problem) => return self.end_check(Err(problem)),
            }
        }
    }

    fn end_check(&mut self, end: Result<(), Problem>) {
        let Some(check) = self.check.take() else { return };
        if !check.moves {
            self.sandboxes.forget_app(check.app, check.version);
        }
        match end {
            Ok(()) => self.say(move || drop(check.answer.send(Ok(check.report)))),
            Err(problem) => self.refuse(check.answer, problem),
        }
    }

    /// Tells the code the journal of a run, unless it is none of its concern. A run that had left memory leaves it again. The
    /// error is the store's.
    fn check_run(&mut self, key: RunKey, times: u32) -> Result<(), Problem> {
        let was_here = self.durable.run(key).is_some();
        let Found::Here = self.look_up(key)? else {
            // What is gone or set aside goes on on no version.
            return Ok(());
        };
        let run = self.durable.run(key).expect("it is here").id().clone();
        let called = self.checked_call(key, times);
        let check = self.check.as_mut().expect("it is under way");
        check.report.checked += usize::from(times == 0 && !matches!(called, Ok(None)));
        match called {
            Ok(Some((call, checked))) => {
                check.now = Some(checked);
                self.sandboxes.start(call, &mut self.objects, &mut self.reports);
            }
            Ok(None) => {}
            Err(why) => check.report.add(&run, *why),
        }
        if !was_here {
            self.durable.evict(key);
        }
        Ok(())
    }

    /// The call that tells the code everything of a run; `None` if it is none of its concern.
    fn checked_call(
        &mut self,
        key: RunKey,
        times: u32,
    ) -> Result<Option<(Call, Checked)>, Box<Unreplayable>> {
        let Some(run) = self.executed(key) else { return Ok(None) };
        let running = run.status() == Status::Running;
        let (Some(ix), true) = (code_of(run), running) else { return Ok(None) };
        let workflow = run.program().functions[ix.index()].name.clone();
        let id = run.id().clone();
        let check = self.check.as_ref().expect("it is under way");
        let version = check.version;
        if run.version() == version {
            return Ok(None);
        }
        let Some(function) = function_of(&check.program, &workflow) else {
            return Err(stays(&workflow, Reason::WorkflowGone)(is_gone(&workflow)));
        };
        if check.moves {
            self.durable.can_move(key, version).map_err(stays(&workflow, Reason::CannotMove))?;
        }
        let (told, seed, app) = (run.told().unwrap_or(u64::MAX), run.seed(), run.app());
        let (lines, origin) = (run.history_len(), run.origin());
        let journal = self.journal(key).map_err(stays(&workflow, Reason::JournalLost))?;
        let arguments = Arguments::List(sluice_flow::checked(journal, origin.as_ref(), told, seed));
        let call = self.check_id(key);
        let invocation = Box::new(Invocation { id: call, attempt: CHECK, function, arguments, group: None });
        let checked = Checked { call, run: id.clone(), workflow, times, lines };
        Ok(Some((Call { invocation, app, version, run_id: id }, checked)))
    }

    /// Who is late with what was asked in another check is not taken for who answers this one.
    fn check_id(&mut self, run: RunKey) -> InvocationId {
        let others = u64::from(u32::MAX - limits::RUN_INVOCATIONS_MAX);
        let seq = limits::RUN_INVOCATIONS_MAX + 1 + (self.world.random() % (others - 1)) as u32;
        InvocationId { run, seq }
    }

    /// Whether this is the end of a checked call. The next slice makes another.
    pub(super) fn is_check(&mut self, id: InvocationId, attempt: Attempt, outcome: &Outcome) -> bool {
        let is_now =
            |check: &&mut Check| check.now.as_ref().is_some_and(|now| attempt == CHECK && now.call == id);
        let Some(check) = self.check.as_mut().filter(is_now) else { return false };
        let Some(checked) = check.now.take() else { return false };
        let moves = check.moves;
        match outcome {
            Outcome::Failed(failure) => self.keep_back(&checked, not_replayed(&checked.workflow, failure)),
            Outcome::Cancelled => {
                self.keep_back(&checked, *stays(&checked.workflow, Reason::Failed)(is_interrupted()))
            }
            Outcome::Succeeded { .. } if moves => self.move_checked(id.run, &checked),
            Outcome::Succeeded { .. } => {}
        }
        true
    }

    fn keep_back(&mut self, checked: &Checked, why: Unreplayable) {
        self.check.as_mut().expect("it is under way").report.add(&checked.run, why);
    }

    /// A run with which the code can go on does so, unless it has gone on meanwhile: then it is checked again.
    fn move_checked(&mut self, key: RunKey, checked: &Checked) {
        let was_here = self.durable.run(key).is_some();
        match self.moved(key, checked) {
            Ok(moved) => {
                self.check.as_mut().expect("it is under way").report.moved += usize::from(moved);
            }
            Err(why) => self.keep_back(checked, *why),
        }
        if !was_here {
            // One that has moved stays until it is saved.
            self.durable.evict(key);
        }
    }

    /// Whether a run that was checked goes on on the version from now on.
    fn moved(&mut self, key: RunKey, checked: &Checked) -> Result<bool, Box<Unreplayable>> {
        let stays = |reason| stays(&checked.workflow, reason);
        if let Found::Damaged(problem) = self.look_up(key).map_err(stays(Reason::NotRecorded))? {
            return Err(stays(Reason::JournalLost)(problem));
        }
        let run = self.durable.run(key).filter(|run| run.status() == Status::Running);
        let Some(run) = run else { return Ok(false) };
        let is_as_checked = run.history_len() == checked.lines;
        let check = self.check.as_mut().expect("it is under way");
        let version = check.version;
        if !is_as_checked && checked.times + 1 < CHECKS_MAX {
            check.again.push_back((key, checked.times + 1));
            return Ok(false);
        }
        if !is_as_checked {
            return Err(stays(Reason::WentOn)(is_restless()));
        }
        self.durable.can_move(key, version).map_err(stays(Reason::CannotMove))?;
        let moved = self.submit(InputKind::Move { run: key, version }, Priority::NewWork);
        moved.map(|_| true).map_err(stays(Reason::NotRecorded))
    }
}

/// A run stays on its version, for a reason that is not about what its code wants.
fn stays(workflow: &str, reason: Reason) -> impl FnOnce(Problem) -> Box<Unreplayable> {
    let workflow = workflow.to_owned();
    move |Problem { message, fix, .. }| {
        Box::new(Unreplayable { workflow, reason, message, error: String::new(), stack: String::new(), fix })
    }
}

/// A run stays on its version, for code that was told its journal has failed.
fn not_replayed(workflow: &str, failure: &Failure) -> Unreplayable {
    let (reason, fix) = match failure.kind {
        FailureKind::Diverged => (Reason::Diverged, "keep what was done before behind ctx.patched(...)"),
        _ => (Reason::Failed, "see to it that the new code can be told what runs were told"),
    };
    let Failure { r#type: error, message, stack, .. } = failure.clone();
    Unreplayable { workflow: workflow.to_owned(), reason, message, error, stack, fix: fix.to_owned() }
}

fn is_gone(workflow: &str) -> Problem {
    let message = format!("the app no longer has the workflow {workflow:?}");
    Problem::new(Code::UNKNOWN_NAME, message, "keep the workflow until its runs have ended")
}

fn is_checking() -> Problem {
    Problem::new(Code::OVERLOADED, "another deploy is being checked", "try again in a moment")
}

fn is_interrupted() -> Problem {
    Problem::new(Code::INTERNAL, "it was interrupted", "try again")
}

fn is_restless() -> Problem {
    let message = format!("something happened during each of {CHECKS_MAX} checks");
    Problem::new(Code::OVERLOADED, message, "try again when less happens")
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
