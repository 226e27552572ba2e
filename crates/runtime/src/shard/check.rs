//! Whether the code of a new version could go on with the runs that are under way: it is told their journals, one after
//! the other.

use super::Shard;
use super::questions::code_of;
use crate::api::{CheckReport, DeployRequest, Unreplayable};
use crate::bundles::Bundles;
use crate::handle::Answer;
use crate::ports::{Call, Ports, Sandboxes};
use sluice_engine::Status;
use sluice_storage::store::ListQuery;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Failure, FunctionIx, Invocation, InvocationId, Outcome, Problem, Program, RunKey, Steps,
    Version, limits,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A check under way.
pub(super) struct Check {
    answer: Answer<CheckReport>,
    app: AppKey,
    program: Arc<Program>,
    /// Runs that are not checked yet.
    left: VecDeque<RunKey>,
    /// The one whose journal the code is told now.
    now: Option<InvocationId>,
    report: CheckReport,
}

/// The version under which code is checked, which no deploy gives.
const CHECKED: Version = Version(u32::MAX);

impl<P: Ports> Shard<P> {
    /// Checks a version that is not deployed. One check at a time.
    pub(super) fn check(&mut self, request: DeployRequest, answer: Answer<CheckReport>) {
        if self.check.is_some() {
            let problem = Problem::new(
                sluice_types::Code::OVERLOADED,
                "another deploy is being checked",
                "try again in a moment",
            );
            return self.refuse(answer, problem);
        }
        match self.prepare_check(&request) {
            Ok(Some((app, left))) => {
                let (program, report) = (request.program, CheckReport::default());
                self.check = Some(Check { answer, app, program, left, now: None, report });
                self.check_next();
            }
            Ok(None) => drop(answer.send(Ok(CheckReport::default()))),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// The runs to be checked; `None` for an app that is not deployed yet.
    fn prepare_check(
        &mut self,
        request: &DeployRequest,
    ) -> Result<Option<(AppKey, VecDeque<RunKey>)>, Problem> {
        let Some(app) = self.durable.apps().find(|app| app.name() == &request.program.app) else {
            return Ok(None);
        };
        let app = app.key();
        let bundle = Bundles::digest(&request.files, &request.definition);
        self.options.bundles.write(bundle, &request.files, &request.definition)?;
        let files = self.options.bundles.files(bundle);
        self.sandboxes.add_app(app, CHECKED, &request.program, &files)?;
        let loaded = self.durable.runs().filter(|run| run.app() == app && run.status() == Status::Running);
        let mut runs: BTreeSet<RunKey> = loaded.map(|run| run.key()).collect();
        let running = Some(Status::Running as u8);
        let query = ListQuery { app: Some(app), status: running, before: None, limit: usize::MAX };
        runs.extend(self.store.list(query).map_err(|error| error.problem())?);
        Ok(Some((app, runs.into_iter().collect())))
    }

    /// Tells the code the journal of the next run, or says what came out.
    fn check_next(&mut self) {
        while let Some(check) = &mut self.check {
            let Some(key) = check.left.pop_front() else { break };
            match self.checked_call(key) {
                Ok(Some(call)) => {
                    let check = self.check.as_mut().expect("it is under way");
                    check.now = Some(call.invocation.id);
                    check.report.checked += 1;
                    return self.sandboxes.start(call, &mut self.objects, &mut self.reports);
                }
                Ok(None) => {}
                Err(found) => {
                    let check = self.check.as_mut().expect("it is under way");
                    check.report.checked += 1;
                    check.report.found.push(*found);
                }
            }
        }
        if let Some(check) = self.check.take() {
            self.sandboxes.forget_app(check.app, CHECKED);
            drop(check.answer.send(Ok(check.report)));
        }
    }

    /// The call that tells the code everything of a run; `None` if it is none of its concern.
    fn checked_call(&mut self, key: RunKey) -> Result<Option<Call>, Box<Unreplayable>> {
        if self.load(key).is_err() {
            return Ok(None);
        }
        let Some(run) = self.express.run(key).or_else(|| self.durable.run(key)) else { return Ok(None) };
        let running = run.status() == Status::Running;
        let (Some(ix), true) = (code_of(run), running) else { return Ok(None) };
        let workflow = run.program().functions[ix.index()].name.clone();
        let found = |message: String, stack: String| {
            Box::new(Unreplayable {
                run: run.id().to_string(),
                workflow: workflow.to_string(),
                message,
                stack,
            })
        };
        let check = self.check.as_ref().expect("it is under way");
        let Some(function) = function_of(&check.program, &workflow) else {
            return Err(found(format!("the app no longer has the workflow {workflow:?}"), String::new()));
        };
        let told = run.told().unwrap_or(u64::MAX);
        let journal = self.journal(run).map_err(|problem| found(problem.message.clone(), String::new()))?;
        let origin = run.origin();
        let arguments = Arguments::List(sluice_flow::checked(journal, origin.as_ref(), told, run.seed()));
        let id = InvocationId { run: key, seq: limits::RUN_INVOCATIONS_MAX + 1 };
        let invocation = Box::new(Invocation { id, attempt: CHECK, function, arguments, group: None });
        Ok(Some(Call { invocation, app: run.app(), version: CHECKED, run_id: run.id().clone() }))
    }

    /// Whether this is the end of a checked call; then the next one is made.
    pub(super) fn is_check(&mut self, id: InvocationId, attempt: Attempt, outcome: &Outcome) -> bool {
        let Some(check) = self.check.as_mut().filter(|check| attempt == CHECK && check.now == Some(id))
        else {
            return false;
        };
        check.now = None;
        if let Outcome::Failed(Failure { message, stack, .. }) = outcome {
            let run = self.durable.run(id.run).expect("it was loaded for the check");
            let workflow = code_of(run).map(|ix| run.program().functions[ix.index()].name.to_string());
            check.report.found.push(Unreplayable {
                run: run.id().to_string(),
                workflow: workflow.unwrap_or_default(),
                message: message.clone(),
                stack: stack.clone(),
            });
        }
        self.check_next();
        true
    }
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
