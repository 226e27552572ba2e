//! Starting runs.

use super::Shard;
use super::answers::Submitter;
use crate::api::{NewObject, StartRequest, Started, WorkflowRequest};
use crate::handle::Answer;
use crate::ports::{Objects, Ports, World};
use sluice_engine::{InputKind, Origin, Run, Start};
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, Lsn, Object, Payload, Problem, Program, RunKey, limits};
use std::collections::BTreeSet;
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    pub(super) fn start(&mut self, request: StartRequest, answer: Answer<Started>) {
        let digest = digest(&request);
        match self.started_before(&request, digest) {
            Ok(Some(started)) => return self.say(move || drop(answer.send(Ok(started)))),
            Ok(None) => {}
            Err(problem) => return self.refuse(answer, problem),
        }
        match self.begin(request, digest) {
            Ok((lsn, started)) => self.answers.expect(lsn, Submitter::Start(started, answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// The run that the same request started; a different request under its id is refused.
    pub(super) fn started_before(
        &mut self,
        request: &StartRequest,
        digest: u128,
    ) -> Result<Option<Started>, Problem> {
        match &request.id {
            Some(id) => self.started_as(id, digest),
            None => Ok(None),
        }
    }

    /// The run of this id, if the same request has started it; another request is refused.
    pub(super) fn started_as(&mut self, id: &str, digest: u128) -> Result<Option<Started>, Problem> {
        check_id(id)?;
        let Some(key) = self.find(id)? else { return Ok(None) };
        let run = self.durable.run(key).expect("a found run is loaded");
        if run.request() == digest {
            return Ok(Some(Started { run: id.to_owned(), existing: true }));
        }
        let message = format!("run id {id:?} is in use by a different request");
        Err(Problem::new(
            Code::RUN_ID_CONFLICT,
            message,
            "choose another id, or repeat the very same request",
        ))
    }

    pub(super) fn begin(&mut self, request: StartRequest, digest: u128) -> Result<(Lsn, Started), Problem> {
        let (app, version, program) = self.version_named(&request.app, request.version)?;
        check_objects(&request.objects)?;
        let id: Arc<str> = match request.id {
            Some(id) => id.into(),
            None => self.new_run_id(),
        };
        let run = self.next_key();
        let workflow = self.workflow_of(&program, request.workflow, &request.objects)?;
        let workflow =
            workflow.map(|workflow| self.workflow_start(&program, run, &id, workflow)).transpose()?;
        let objects = self.objects(app, &program, request.objects)?;
        let event = request.event.map(|event| sluice_types::Event { run: Some(id.clone()), ..event });
        let start = Start {
            run,
            namespace: self.options.namespace.clone(),
            id: id.clone(),
            app,
            version,
            objects,
            events: event.into_iter().map(Arc::new).collect(),
            seal: request.seal,
            request: digest,
            seed: self.world.random(),
            incarnation: 0,
            origin: Origin::Client,
            workflow,
        };
        let stored: Vec<_> = start.objects.iter().map(|object| object.payload.clone()).collect();
        match self.submit(InputKind::Start(Box::new(start)), Priority::NewWork) {
            Ok(lsn) => {
                self.stats.runs_started += 1;
                Ok((lsn, Started { run: id.to_string(), existing: false }))
            }
            Err(problem) => {
                self.free(&stored);
                Err(problem)
            }
        }
    }

    /// All objects of a request; when one is refused, those before it are freed.
    pub(super) fn objects(
        &mut self,
        app: AppKey,
        program: &Program,
        new: Vec<NewObject>,
    ) -> Result<Vec<Object>, Problem> {
        let mut objects: Vec<Object> = Vec::with_capacity(new.len());
        for object in new {
            match self.object(app, program, object) {
                Ok(object) => objects.push(object),
                Err(problem) => {
                    let stored: Vec<_> = objects.into_iter().map(|object| object.payload).collect();
                    self.free(&stored);
                    return Err(problem);
                }
            }
        }
        Ok(objects)
    }

    pub(super) fn free(&mut self, payloads: &[Payload]) {
        payloads.iter().for_each(|payload| self.release(payload));
    }

    /// What starts a run with the inputs of an ended one.
    pub(super) fn same_inputs(&mut self, key: RunKey) -> Result<StartRequest, Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        if run.ended_ms().is_none() {
            let message = format!("run {:?} has not ended", &**run.id());
            return Err(Problem::new(Code::BAD_REQUEST, message, "wait for its end, or cancel it first"));
        }
        is_its_own(run)?;
        let program = run.program().clone();
        let objects = run.inputs().map(|object| {
            Ok(NewObject {
                bucket: program.buckets[object.bucket.index()].name.to_string(),
                key: object.key.to_string(),
                content_type: object.content_type.clone(),
                bytes: self.objects.read(&object.payload)?,
            })
        });
        let objects = objects.collect::<Result<_, Problem>>()?;
        let workflow = run.workflow().map(|start| WorkflowRequest {
            name: program.workflows[start.workflow.index()].name.to_string(),
            input: Some(start.input.clone()),
            execution: None,
        });
        Ok(StartRequest {
            app: program.app.to_string(),
            objects,
            workflow,
            seal: true,
            ..StartRequest::default()
        })
    }

    /// Starts a new run with the inputs of an ended one.
    pub(super) fn retry(&mut self, run: &str, answer: Answer<Started>) {
        let request = self.known(run).and_then(|key| self.same_inputs(key));
        match request {
            Ok(request) => self.start(request, answer),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    pub(super) fn next_key(&mut self) -> RunKey {
        self.next_run += 1;
        RunKey(self.next_run)
    }

    pub(super) fn new_run_id(&mut self) -> Arc<str> {
        let random = u128::from(self.world.random()) << 64 | u128::from(self.world.random());
        let id = ulid::Ulid::from_parts(self.world.now_ms(), random);
        Arc::from(format!("run_{id}"))
    }
}

/// A run that another one called is part of that: without it, it has no end to go to, and the triggers of the app would be
/// there.
pub(super) fn is_its_own(run: &Run) -> Result<(), Problem> {
    if run.call_depth() == 0 {
        return Ok(());
    }
    let message = format!("run {:?} was called by another run, as part of that", &**run.id());
    let fix = "retry or fork the run that called it: its id is what comes before the last part of this one's";
    Err(Problem::new(Code::FORK_REFUSED, message, fix))
}

fn check_id(id: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if !id.is_empty() && id.len() <= limits::RUN_ID_BYTES_MAX && id.bytes().all(allowed) {
        return Ok(());
    }
    let message = format!("{id:?} cannot be a run id");
    Err(Problem::new(Code::BAD_REQUEST, message, "use 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -"))
}

fn check_objects(objects: &[NewObject]) -> Result<(), Problem> {
    if objects.len() > limits::REQUEST_OBJECTS_MAX {
        let message = format!("a request carries at most {} objects", limits::REQUEST_OBJECTS_MAX);
        return Err(Problem::new(
            Code::LIMIT_EXCEEDED,
            message,
            "start unsealed, put the objects one by one, seal",
        ));
    }
    let mut seen = BTreeSet::new();
    match objects.iter().find(|object| !seen.insert((&object.bucket, &object.key))) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("key {:?} of bucket {:?} is given twice", twice.key, twice.bucket);
            Err(Problem::new(Code::BAD_REQUEST, message, "give every object a key of its own"))
        }
    }
}

/// What makes two requests the same: everything but the id.
pub(super) fn digest(request: &StartRequest) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(request.app.as_bytes());
    if let Some(workflow) = &request.workflow {
        part(workflow.name.as_bytes());
        part(workflow.input.as_deref().unwrap_or_default());
        part(workflow.execution.as_ref().map_or("", |facts| &facts.machine_id).as_bytes());
    }
    part(&[u8::from(request.seal)]);
    let mut objects: Vec<&NewObject> = request.objects.iter().collect();
    objects.sort_by(|a, b| (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key)));
    for object in objects {
        part(object.bucket.as_bytes());
        part(object.key.as_bytes());
        part(object.content_type.as_str().as_bytes());
        part(&object.bytes);
    }
    if let Some(event) = &request.event {
        let attributes = [&*event.r#type, &*event.source, event.subject.as_deref().unwrap_or("")];
        attributes.into_iter().for_each(|text| part(text.as_bytes()));
        part(&event.data);
    }
    hash.digest128()
}
