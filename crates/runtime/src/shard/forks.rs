//! Runs that begin with the past of another one.
//!
//! The record of such a start is as small as any: the journal of the past is an object of the new run, written before the
//! record that names it, and the workflow as it was then is in the record, so that replay needs neither the journal nor the
//! other run. Bytes that the journal names are the new run's own.

use super::Shard;
use super::answers::Submitter;
use super::forkable::{
    check_again, check_bytes, check_names, check_target, check_values, has_ended, inputs_of, is_lost,
    nothing, shown,
};
use super::past::no_such_record;
use super::prefix::{self, Prefix, Told, value_mut};
use super::saves::stored;
use super::starts::is_its_own;
use crate::api::{ForkRequest, StartRequest, Started, WorkflowRequest};
use crate::handle::Answer;
use crate::ports::{Objects, Ports};
use sluice_engine::input::Fork;
use sluice_engine::{InputKind, Origin, Start, Status};
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, Lsn, Object, Payload, Problem, Program, RunKey, Version, limits};
use std::ops::ControlFlow;
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    /// Starts a run with the past of another one. Of one whose past no code has, it is started with the same inputs.
    pub(super) fn fork(&mut self, request: ForkRequest, answer: Answer<Started>) {
        let digest = digest(&request);
        let existing = match &request.id {
            Some(id) => self.started_as(id, digest),
            None => Ok(None),
        };
        match existing {
            Ok(Some(started)) => return self.say(move || drop(answer.send(Ok(started)))),
            Ok(None) => {}
            Err(problem) => return self.refuse(answer, problem),
        }
        match self.known(&request.run).and_then(|key| self.begin_fork(key, request, digest)) {
            Ok((lsn, started)) => self.answers.expect(lsn, Submitter::Start(started, answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn begin_fork(
        &mut self,
        key: RunKey,
        request: ForkRequest,
        digest: u128,
    ) -> Result<(Lsn, Started), Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        is_its_own(run)?;
        if !run.has_code() || run.is_delegated() {
            if let Some(at) = request.at {
                self.is_start(key, at)?;
            }
            let again = self.same_inputs(key)?;
            return self.begin(StartRequest { id: request.id, version: request.version, ..again }, digest);
        }
        let workflow = run.workflow().expect("it has code").workflow;
        let (of, name) = (run.program().app.clone(), run.program().workflows[workflow.index()].name.clone());
        let (app, version, program) = self.version_named(&of, request.version)?;
        check_target(&program, version, &name)?;
        let prefix = self.prefix(key, request.at)?;
        let inputs = self.check_fork(key, &program, version, &prefix)?;
        let id: Arc<str> = request.id.map_or_else(|| self.new_run_id(), Arc::from);
        let mut owned = Vec::new();
        let target = (app, version, &program);
        let submitted = self.fork_start(key, target, (prefix, inputs), &id, digest, &mut owned);
        let submitted =
            submitted.and_then(|start| self.submit(InputKind::Start(Box::new(start)), Priority::NewWork));
        match submitted {
            Ok(lsn) => {
                self.stats.runs_started += 1;
                Ok((lsn, Started { run: id.to_string(), existing: false }))
            }
            Err(problem) => {
                self.free(&owned);
                Err(problem)
            }
        }
    }

    /// Runs that no code goes through can only be started again.
    fn is_start(&self, key: RunKey, at: Lsn) -> Result<(), Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        let mut start = None;
        self.read_history(key, 1, |_, entry| {
            start = Some(entry.lsn);
            ControlFlow::Break(())
        })?;
        if start == Some(at) {
            return Ok(());
        }
        let message = format!(
            "run {:?} can only be forked at its start: no durable workflow that is code tells what its past was",
            &**run.id()
        );
        let fix = "leave --at out: then a new run starts with the same inputs";
        Err(Problem::new(Code::FORK_REFUSED, message, fix))
    }

    /// What a fork of a run begins with: up to a record, or else to where its workflow ended or was told to end.
    fn prefix(&mut self, key: RunKey, at: Option<Lsn>) -> Result<Prefix, Problem> {
        let mut prefix = Prefix::after(self.inherited(key)?);
        let run = self.durable.run(key).expect("a known run is loaded");
        let ends_when_told = run.status() == Status::Cancelled && at.is_none();
        let mut goes_on = false;
        self.read_history(key, 1, |_, entry| {
            goes_on = at.is_some_and(|at| entry.lsn > at);
            let is_over = at.is_none() && prefix.end.is_some_and(|end| entry.lsn > end);
            if goes_on || is_over || prefix.bytes > limits::FORK_BYTES_MAX {
                return ControlFlow::Break(());
            }
            prefix.add(entry, ends_when_told);
            ControlFlow::Continue(())
        })?;
        check_bytes(run, prefix.bytes)?;
        match (at, prefix.end) {
            (Some(at), _) if prefix.first.is_none() || at > prefix.last && !goes_on => {
                return Err(no_such_record(run, at));
            }
            (Some(_), Some(end)) => return Err(has_ended(run, end)),
            (Some(at), None) => prefix.last = at,
            (None, Some(end)) => prefix.cut(end),
            (None, None) => {}
        }
        Ok(prefix)
    }

    /// Whether a run can be forked with this past on a version, as far as can be seen without its code. Copies nothing. Returns
    /// what clients had put into the run.
    fn check_fork(
        &self,
        key: RunKey,
        program: &Program,
        version: Version,
        prefix: &Prefix,
    ) -> Result<Vec<Object>, Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        let past = prefix.past();
        check_again(&past)?;
        check_names(program, version, &past)?;
        check_values(run, &prefix.journal)?;
        let inputs = inputs_of(run, program, &prefix.objects, &past)?;
        let stored = inputs.iter().filter(|object| stored(&object.payload).is_some());
        check_bytes(run, prefix.bytes + stored.map(|object| object.payload.len()).sum::<u64>())?;
        past.resume().map(|_| inputs).ok_or_else(|| nothing(run.id()))
    }

    /// The record of a start with a past. What it names is noted in `owned`.
    fn fork_start(
        &mut self,
        key: RunKey,
        (app, version, program): (AppKey, Version, &Arc<Program>),
        (prefix, inputs): (Prefix, Vec<Object>),
        id: &Arc<str>,
        request: u128,
        owned: &mut Vec<Payload>,
    ) -> Result<Start, Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        let (parent, seed) = (run.id().clone(), run.seed());
        let start = run.workflow().expect("it has code");
        let name = run.program().workflows[start.workflow.index()].name.to_string();
        let workflow = WorkflowRequest { name, input: Some(start.input.clone()), execution: None };
        let own = self.next_key();
        let workflow = Some(self.workflow_start(program, own, id, workflow)?);
        let seal = prefix.sealed;
        let fork = self.past_for(app, parent, id, prefix, owned)?;
        let objects = self.own_objects(app, inputs, owned)?;
        Ok(Start {
            run: own,
            namespace: self.options.namespace.clone(),
            id: id.clone(),
            app,
            version,
            objects,
            events: Vec::new(),
            seal,
            request,
            // What the code drew by chance is in what it wanted.
            seed,
            incarnation: 0,
            origin: Origin::Fork(Box::new(fork)),
            workflow,
        })
    }

    /// The past of a run as another one's own.
    fn past_for(
        &mut self,
        app: AppKey,
        parent: Arc<str>,
        id: &Arc<str>,
        mut prefix: Prefix,
        owned: &mut Vec<Payload>,
    ) -> Result<Fork, Problem> {
        self.own_values(app, &parent, &mut prefix.journal, owned)?;
        let values = owned.clone();
        let execution = prefix.past().resume().ok_or_else(|| nothing(&parent))?;
        let at = prefix.last;
        let mut journal = self.objects.store(app, &prefix.stored(&parent, id))?;
        owned.push(journal.clone());
        self.objects.persist(&mut journal)?;
        Ok(Fork { run: parent, at, journal, values, execution })
    }

    /// Gives the values that a journal names bytes of their own.
    fn own_values(
        &mut self,
        app: AppKey,
        parent: &str,
        journal: &mut [Told],
        owned: &mut Vec<Payload>,
    ) -> Result<(), Problem> {
        for told in journal {
            let (at, said) = (told.0, shown(&told.2));
            let Some(payload) = value_mut(&mut told.2).filter(|payload| stored(payload).is_some()) else {
                continue;
            };
            *payload = self
                .objects
                .duplicate(app, payload)
                .map_err(|problem| is_lost(parent, at, &said, &problem.message))?;
            owned.push(payload.clone());
        }
        Ok(())
    }

    /// Gives objects bytes of their own.
    fn own_objects(
        &mut self,
        app: AppKey,
        mut objects: Vec<Object>,
        owned: &mut Vec<Payload>,
    ) -> Result<Vec<Object>, Problem> {
        for object in objects.iter_mut().filter(|object| stored(&object.payload).is_some()) {
            object.payload = self.objects.duplicate(app, &object.payload)?;
            owned.push(object.payload.clone());
        }
        Ok(objects)
    }

    /// The journal that a run's code has of another run.
    pub(super) fn inherited(&mut self, key: RunKey) -> Result<Vec<Told>, Problem> {
        let run = self.durable.run(key).expect("a viewed run is loaded");
        let Some(journal) = run.inherited().map(|inherited| inherited.journal.clone()) else {
            return Ok(Vec::new());
        };
        let damaged = format!("the journal that run {} began with cannot be read", run.id());
        let bytes = self.objects.read(&journal)?;
        prefix::read(&bytes).ok_or_else(|| {
            Problem::new(Code::DATA_CORRUPT, damaged, "restore the data directory from a backup")
        })
    }
}

/// What makes two requests the same: everything but the id.
fn digest(request: &ForkRequest) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(b"fork");
    hash.update(request.run.as_bytes());
    let at = request.at.map_or(u64::MAX, |at| at.0);
    let version = request.version.map_or(u32::MAX, |version| version.0);
    hash.update(&at.to_le_bytes());
    hash.update(&version.to_le_bytes());
    hash.digest128()
}
