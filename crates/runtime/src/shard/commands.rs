//! Commands from outside, each answered once what the answer tells is durable.

use super::Shard;
use super::answers::Submitter;
use crate::api::{NewObject, PutReply};
use crate::handle::{Answer, Command};
use crate::ports::{Objects, Ports};
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, Object, Payload, Problem, Program, RunKey, Version, limits};
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Deploy(request, answer) => self.deploy(*request, answer),
            Command::Check(request, answer) => self.check(*request, answer),
            Command::Move(request, answer) => self.move_runs(&request, answer),
            Command::Start(request, answer) => self.start(*request, answer),
            Command::Retry(run, answer) => self.retry(&run, answer),
            Command::Fork(request, answer) => self.fork(request, answer),
            Command::Put { run: Some(run), app, object, answer } => self.put(&run, &app, object, answer),
            Command::Put { run: None, app, object, answer } => self.put_to_app(&app, object, answer),
            Command::Seal(run, answer) => self.change(&run, answer, |run| InputKind::Seal { run }),
            Command::Cancel { run, reason, answer } => {
                self.change(&run, answer, |run| InputKind::Cancel { run, reason, acknowledges: None });
            }
            Command::WriteDocument { app, name, bytes, expected, answer } => {
                self.write_document(&app, &name, bytes, expected, answer);
            }
            Command::Report { task, event, answer } => self.report_from_outside(task, event, answer),
            Command::ReportByToken { token, event, answer } => self.report_by_token(&token, event, answer),
            Command::ChangeWorkflow { run, event, answer } => self.change_workflow(&run, event, answer),
            Command::AskCode { run, name, value, answer } => self.ask_code(&run, &name, value, answer),
            Command::Update { run, id, name, value, answer } => self.update(&run, &id, &name, value, answer),
            Command::AwaitUpdate { run, id, answer } => self.await_update(&run, &id, answer),
            Command::AskForTask { activity, worker, answer } => {
                self.ask_for_task(&activity, worker, answer);
            }
            Command::Events(events, answer) => self.events(events, answer),
            query => self.query(query),
        }
    }

    /// Submits an input about an existing run; its verdict is the answer.
    fn change(&mut self, run: &str, answer: Answer<()>, kind: impl FnOnce(RunKey) -> InputKind) {
        let submitted = self.known(run).and_then(|key| {
            let kind = kind(key);
            let lsn = self.submit(kind.clone(), Priority::Progress)?;
            self.forward_express(kind);
            Ok(lsn)
        });
        match submitted {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Done(answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn put(&mut self, run: &str, app: &str, object: NewObject, answer: Answer<PutReply>) {
        let submitted = self.known(run).and_then(|key| {
            let run = self.durable.run(key).expect("a known run is loaded");
            if *run.program().app != *app {
                let message =
                    format!("run {:?} belongs to app {:?}, not to {app:?}", &**run.id(), &*run.program().app);
                return Err(Problem::new(Code::BAD_REQUEST, message, "use the app of the run in the path"));
            }
            let (program, app) = (run.program().clone(), run.app());
            let object = self.object(app, &program, object)?;
            let kind = InputKind::Put { run: key, object: object.clone() };
            let lsn = self.submit(kind.clone(), Priority::NewWork)?;
            // What was refused, or is there already, belongs to nobody: both engines would free it.
            let slot = self.durable.run(key).and_then(|run| run.object(object.bucket, &object.key));
            if slot.is_some_and(|slot| slot.object.payload == object.payload) {
                self.forward_express(kind);
            }
            Ok(lsn)
        });
        match submitted {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Put(answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn put_to_app(&mut self, app: &str, object: NewObject, answer: Answer<PutReply>) {
        let submitted = self.app_named(app).and_then(|app| {
            let (version, current) = self.durable.app(app).expect("a named app exists").current();
            let program = current.program.clone();
            let object = self.object(app, &program, object)?;
            self.submit(InputKind::AppPut { app, version, object }, Priority::NewWork)
        });
        match submitted {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Put(answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// The run of an id, in memory.
    pub(super) fn known(&mut self, id: &str) -> Result<RunKey, Problem> {
        self.find(id)?.ok_or_else(|| {
            let message = format!("there is no run {id:?}");
            Problem::new(Code::UNKNOWN_RUN, message, "`sluice runs list` shows the runs of this server")
        })
    }

    /// The run of an id, brought into memory if there is one.
    pub(super) fn find(&mut self, id: &str) -> Result<Option<RunKey>, Problem> {
        let fingerprint = sluice_engine::Engine::fingerprint(&self.options.namespace, id);
        if let Some(key) = self.durable.find(fingerprint) {
            return Ok(Some(key));
        }
        let Some(key) = self.store.find(fingerprint).map_err(|error| error.problem())? else {
            return Ok(None);
        };
        Ok(self.load(key)?.then_some(key))
    }

    /// The app of a name.
    pub(super) fn app_named(&self, name: &str) -> Result<AppKey, Problem> {
        let found = self.durable.apps().find(|app| **app.name() == *name);
        found.map(|app| app.key()).ok_or_else(|| {
            let message = format!("there is no app {name:?}");
            Problem::new(
                Code::UNKNOWN_NAME,
                message,
                "`sluice apps` lists the apps; `sluice deploy` adds one",
            )
        })
    }

    /// A version of an app, the newest unless one is asked for, and its program.
    pub(super) fn version_named(
        &self,
        app: &str,
        version: Option<Version>,
    ) -> Result<(AppKey, Version, Arc<Program>), Problem> {
        let key = self.app_named(app)?;
        let app = self.durable.app(key).expect("a named app exists");
        let version = version.unwrap_or(app.current().0);
        let found = app.version(version).ok_or_else(|| {
            let message = format!("the app has no version {}", version.0);
            Problem::new(Code::UNKNOWN_NAME, message, "start its newest version")
        })?;
        Ok((key, version, found.program.clone()))
    }

    /// A client's object with its bucket resolved and its bytes where a record may name them.
    pub(super) fn object(
        &mut self,
        app: AppKey,
        program: &Program,
        new: NewObject,
    ) -> Result<Object, Problem> {
        let bucket = program.bucket(&new.bucket).ok_or_else(|| unknown_bucket(program, &new.bucket))?;
        if bucket == Program::OUTPUT {
            let message = "clients cannot put to the bucket \"output\": it holds what functions return";
            return Err(Problem::new(Code::BAD_REQUEST, message, "put to one of the app's own buckets"));
        }
        if new.key.is_empty() || new.key.len() > limits::KEY_BYTES_MAX {
            let message = format!(
                "a key has 1 to {} bytes of UTF-8, this one {}",
                limits::KEY_BYTES_MAX,
                new.key.len()
            );
            return Err(Problem::new(Code::LIMIT_EXCEEDED, message, "shorten the key"));
        }
        let mut payload = match new.bytes.len() <= limits::INLINE_BYTES_MAX {
            true => Payload::Inline(new.bytes),
            false => self.objects.store(app, &new.bytes)?,
        };
        self.objects.persist(&mut payload)?;
        let key = Arc::from(new.key);
        Ok(Object { bucket, key, content_type: new.content_type, payload, group: None, meta: None })
    }
}

/// No bucket of that name.
pub(super) fn unknown_bucket(program: &Program, name: &str) -> Problem {
    let buckets: Vec<&str> = program.buckets.iter().map(|bucket| &*bucket.name).collect();
    let message = format!("app {:?} has no bucket {name:?}", &*program.app);
    Problem::new(Code::UNKNOWN_NAME, message, format!("its buckets are: {}", buckets.join(", ")))
}
