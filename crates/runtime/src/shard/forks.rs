//! Runs that begin with the past of another one.
//!
//! The record of such a start is as small as any: the journal of the past is an object of the new run, written before the
//! record that names it, and the workflow as it was then is in the record, so that replay needs neither the journal nor the
//! other run. Bytes that the journal names are the new run's own.

use super::Shard;
use super::answers::Submitter;
use super::past::no_such_record;
use super::saves::stored;
use super::starts::is_its_own;
use crate::api::{ForkRequest, StartRequest, Started, WorkflowRequest, lsn_text};
use crate::handle::Answer;
use crate::ports::{Objects, Ports};
use serde::{Deserialize, Serialize};
use sluice_engine::input::Fork;
use sluice_engine::objects::Owner;
use sluice_engine::{HistoryEntry, HistoryKind, InputKind, Origin, Run, Start, Status};
use sluice_flow::{Line, News, Past, Want};
use sluice_storage::log::Priority;
use sluice_types::{
    AppKey, Code, Durability, Lsn, Object, ObjectId, Payload, Problem, Program, RunKey, Steps, Version,
    limits,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A line of a journal, its record, and when that was, in milliseconds since the Unix epoch.
pub(super) type Told = (Lsn, u64, Line);

/// An inherited journal as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored(Vec<Told>);

/// What of a run a new one begins with.
#[derive(Default)]
struct Prefix {
    journal: Vec<Told>,
    /// The objects that had arrived: when, and their positions.
    objects: Vec<(Lsn, u32)>,
    sealed: bool,
    first: Option<Lsn>,
    last: Lsn,
    /// Where the workflow ended, or was told to end, if that counts.
    end: Option<Lsn>,
}

impl Prefix {
    fn add(&mut self, entry: HistoryEntry, ends_when_told: bool) {
        let HistoryEntry { lsn, at_ms, kind } = entry;
        self.first.get_or_insert(lsn);
        self.last = lsn;
        match kind {
            HistoryKind::RunEnded => drop(self.end.get_or_insert(lsn)),
            HistoryKind::Sealed => self.sealed = true,
            HistoryKind::ObjectPut { slot } => self.objects.push((lsn, slot)),
            HistoryKind::Code(line) => {
                if ends(&line, ends_when_told) {
                    self.end.get_or_insert(lsn);
                }
                self.journal.push((lsn, at_ms, *line));
            }
            _ => {}
        }
    }

    /// What this record and later ones brought is not of the past.
    fn cut(&mut self, end: Lsn) {
        self.journal.retain(|(lsn, ..)| *lsn < end);
        // What ended it may be mended: a call whose failure the code was told last is made again.
        let is_failure =
            |line: &Line| matches!(line, Line::Entry(entry) if matches!(entry.news, News::Failed(_)));
        if let Some((failed, ..)) = self.journal.last().filter(|(.., line)| is_failure(line)).cloned() {
            self.journal.retain(|(lsn, ..)| *lsn < failed);
        }
        self.objects.retain(|(lsn, _)| *lsn < end);
        let told = self.journal.iter().rev().find(|(.., line)| !matches!(line, Line::Run(_)));
        self.last = told.map_or(Lsn(0), |(lsn, ..)| *lsn);
    }
}

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
        let (app, version, program) = self.version_named(&run.program().app.clone(), request.version)?;
        let prefix = self.prefix(key, request.at)?;
        let id: Arc<str> = request.id.map_or_else(|| self.new_run_id(), Arc::from);
        let mut owned = Vec::new();
        let submitted = self.fork_start(key, (app, version, &program), prefix, &id, digest, &mut owned);
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
        let mut prefix = Prefix { journal: self.inherited(key)?, ..Prefix::default() };
        let run = self.durable.run(key).expect("a known run is loaded");
        let ends_when_told = run.status() == Status::Cancelled && at.is_none();
        let mut goes_on = false;
        self.read_history(key, 1, |_, entry| {
            goes_on = at.is_some_and(|at| entry.lsn > at);
            if goes_on || at.is_none() && prefix.end.is_some_and(|end| entry.lsn > end) {
                return ControlFlow::Break(());
            }
            prefix.add(entry, ends_when_told);
            ControlFlow::Continue(())
        })?;
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

    /// The record of a start with a past. What it names is noted in `owned`.
    fn fork_start(
        &mut self,
        key: RunKey,
        (app, version, program): (AppKey, Version, &Arc<Program>),
        prefix: Prefix,
        id: &Arc<str>,
        request: u128,
        owned: &mut Vec<Payload>,
    ) -> Result<Start, Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        let (parent, seed) = (run.id().clone(), run.seed());
        let start = run.workflow().expect("it has code");
        let (name, input) =
            (run.program().workflows[start.workflow.index()].name.clone(), start.input.clone());
        check_target(program, &name)?;
        let released = released(run);
        let (objects, sealed) = (prefix.objects.iter().map(|(_, at)| *at).collect::<Vec<_>>(), prefix.sealed);
        let (fork, past) = self.past_for(app, parent, id, prefix, &released, owned)?;
        let objects = self.inputs_of(key, app, program, &objects, &past, owned)?;
        let own = self.next_key();
        let workflow = WorkflowRequest { name: name.to_string(), input: Some(input), execution: None };
        let workflow = Some(self.workflow_start(program, own, id, workflow)?);
        Ok(Start {
            run: own,
            namespace: self.options.namespace.clone(),
            id: id.clone(),
            app,
            version,
            objects,
            events: Vec::new(),
            seal: sealed,
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
        prefix: Prefix,
        released: &BTreeSet<ObjectId>,
        owned: &mut Vec<Payload>,
    ) -> Result<(Fork, Past), Problem> {
        let Prefix { mut journal, last, .. } = prefix;
        self.own_values(app, &parent, &mut journal, released, owned)?;
        let values = owned.clone();
        let mut past = Past::default();
        journal.iter().for_each(|(lsn, at_ms, line)| past.add(*lsn, *at_ms, line));
        check_again(&past)?;
        let execution = past.clone().resume().ok_or_else(|| nothing(&parent))?;
        name_runs(&mut journal, &parent, id);
        let bytes = postcard::to_stdvec(&Stored(journal)).expect("lines are plain data");
        let mut journal = self.objects.store(app, &bytes)?;
        owned.push(journal.clone());
        self.objects.persist(&mut journal)?;
        Ok((Fork { run: parent, at: last, journal, values, execution }, past))
    }

    /// Gives the values that a journal names bytes of their own.
    fn own_values(
        &mut self,
        app: AppKey,
        parent: &str,
        journal: &mut [Told],
        released: &BTreeSet<ObjectId>,
        owned: &mut Vec<Payload>,
    ) -> Result<(), Problem> {
        for (lsn, _, line) in journal {
            let said = shown(line);
            let value = match line {
                Line::Entry(entry) => entry.value.as_mut(),
                Line::Command { value, .. } => value.as_mut(),
                Line::Run(_) => None,
            };
            let Some(value) = value else { continue };
            let Some(id) = stored(&value.payload) else { continue };
            let gone = |why: &str| {
                let at = lsn_text(*lsn);
                let message = format!("what {said} of record {at} of run {parent:?} brought is gone: {why}");
                Problem::new(Code::OBJECT_RELEASED, message, "fork it at an earlier record")
            };
            if released.contains(&id) {
                return Err(gone("a checkpoint that the code took later has let go of it"));
            }
            if owned.len() == limits::FORK_VALUES_MAX {
                let most = limits::FORK_VALUES_MAX;
                let message = format!(
                    "the past of run {parent:?} names more than {most} values beside the log (FORK_VALUES_MAX)"
                );
                return Err(Problem::new(Code::LIMIT_EXCEEDED, message, "fork it at an earlier record"));
            }
            value.payload =
                self.objects.duplicate(app, &value.payload).map_err(|problem| gone(&problem.message))?;
            owned.push(value.payload.clone());
        }
        Ok(())
    }

    /// What clients had put into a run, for another one. What its code had put, the code will put again.
    fn inputs_of(
        &mut self,
        key: RunKey,
        app: AppKey,
        program: &Program,
        arrived: &[u32],
        past: &Past,
        owned: &mut Vec<Payload>,
    ) -> Result<Vec<Object>, Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        let again = past.again();
        let by_code: BTreeSet<(&str, &str)> = again.values().filter_map(put_of).collect();
        let (old, parent) = (run.program().clone(), run.id().clone());
        let name = |object: &Object| &*old.buckets[object.bucket.index()].name;
        let slots = arrived.iter().map(|at| &run.slots()[*at as usize]);
        let of_clients = slots.filter(|slot| slot.owner == Owner::Client);
        let others = of_clients.filter(|slot| !by_code.contains(&(name(&slot.object), &*slot.object.key)));
        let inputs: Vec<_> = others.map(|slot| (slot.object.clone(), slot.released)).collect();
        let mut objects = Vec::with_capacity(inputs.len());
        for (mut object, released) in inputs {
            let bucket = name(&object);
            if released {
                let message =
                    format!("object {:?} of bucket {bucket:?} of run {:?} is gone", &*object.key, &*parent);
                return Err(Problem::new(
                    Code::OBJECT_RELEASED,
                    message,
                    "declare the bucket keep=True to keep objects",
                ));
            }
            object.bucket =
                program.bucket(bucket).ok_or_else(|| super::commands::unknown_bucket(program, bucket))?;
            if let Payload::Stored { .. } = object.payload {
                object.payload = self.objects.duplicate(app, &object.payload)?;
                owned.push(object.payload.clone());
            }
            objects.push(object);
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
        let read = postcard::from_bytes::<Stored>(&bytes).map(|stored| stored.0);
        read.map_err(|_| {
            Problem::new(Code::DATA_CORRUPT, damaged, "restore the data directory from a backup")
        })
    }
}

/// Values of a run that its journal names, and that it has let go of.
fn released(run: &Run) -> BTreeSet<ObjectId> {
    let released = run.slots().iter().filter(|slot| slot.released);
    released.filter_map(|slot| stored(&slot.object.payload)).collect()
}

/// Whether no past goes beyond this line: the code ended, or it counts as such that it was told to.
fn ends(line: &Line, or_is_told: bool) -> bool {
    match line {
        Line::Command { want, .. } => matches!(want, Want::Return | Want::Fail | Want::Stopped),
        Line::Entry(entry) => or_is_told && entry.news == News::Cancelled,
        Line::Run(_) => false,
    }
}

/// A line of a journal, shortly.
fn shown(line: &Line) -> String {
    match line {
        Line::Entry(entry) => format!("`{}`", entry.news),
        Line::Command { want, .. } => format!("`{want}`"),
        Line::Run(id) => format!("`run {id}`"),
    }
}

fn put_of(want: &Want) -> Option<(&str, &str)> {
    match want {
        Want::Put { bucket, key } => Some((bucket, key)),
        _ => None,
    }
}

/// Says in a journal which run the code sees: the other one up to the last thing that it wanted there, then the new one.
fn name_runs(journal: &mut Vec<Told>, parent: &Arc<str>, id: &Arc<str>) {
    let is_command = |told: &Told| matches!(told.2, Line::Command { .. });
    let after = journal.iter().rposition(is_command).map_or(0, |at| at + 1);
    let rest: Vec<Told> = journal.drain(after..).filter(|told| !matches!(told.2, Line::Run(_))).collect();
    let named = |id: &Arc<str>| (Lsn(0), 0, Line::Run(id.clone()));
    if matches!(journal.first(), Some(first) if !matches!(first.2, Line::Run(_))) {
        journal.insert(0, named(parent));
    }
    journal.push(named(id));
    journal.extend(rest);
}

/// Whether the workflow can go on in this version.
fn check_target(program: &Program, workflow: &str) -> Result<(), Problem> {
    let steps = program.workflow(workflow).map(|ix| &program.workflows[ix.index()].steps);
    let message = match (steps, program.durability) {
        (Some(Steps::Code { .. }), Durability::Durable) => return Ok(()),
        (Some(Steps::Code { .. }), Durability::Express) => {
            "that version is express: its runs keep no past".to_owned()
        }
        _ => format!("that version has no workflow {workflow:?} that is code"),
    };
    Err(Problem::new(Code::FORK_REFUSED, message, "fork it on the version that the run has: --version"))
}

fn check_again(past: &Past) -> Result<(), Problem> {
    let (again, most) = (past.again().len(), limits::FORK_AGAIN_MAX);
    if again <= most {
        return Ok(());
    }
    let message = format!("{again} calls and puts would be made again, of at most {most} (FORK_AGAIN_MAX)");
    Err(Problem::new(Code::LIMIT_EXCEEDED, message, "fork it at an earlier record"))
}

fn has_ended(run: &Run, end: Lsn) -> Problem {
    let message = format!("the workflow of run {:?} has ended at record {}", &**run.id(), lsn_text(end));
    Problem::new(Code::FORK_REFUSED, message, "fork it at an earlier record, or leave --at out")
}

fn nothing(parent: &str) -> Problem {
    let message = format!("the workflow of run {parent:?} has no past yet");
    Problem::new(Code::FORK_REFUSED, message, "start a run instead")
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
