//! Questions: answered from the state as applied, once that is durable.

use super::Shard;
use super::commands::unknown_bucket;
use crate::api::{ListRequest, NodeStats, ObjectView, RunView};
use crate::handle::{Answer, Command};
use crate::ports::{Objects, Ports, Sandboxes};
use sluice_engine::Status;
use sluice_engine::objects::Owner;
use sluice_storage::store::ListQuery;
use sluice_types::{Code, Problem, RunKey};
use std::collections::BTreeSet;

impl<P: Ports> Shard<P> {
    pub(super) fn query(&mut self, query: Command) {
        match query {
            Command::Apps(answer) => {
                let apps = self.app_views();
                self.tell(answer, Ok(apps));
            }
            Command::App(name, answer) => {
                let app = self.app_view(&name);
                self.tell(answer, app);
            }
            Command::Program { app, version, answer } => {
                let program = self.program(&app, version);
                self.tell(answer, program);
            }
            Command::Run(run, answer) => {
                let view = self.known(&run).and_then(|key| self.view(key, true));
                self.tell(answer, view);
            }
            Command::RunAt { run, at, answer } => {
                let view = self.known(&run).and_then(|key| self.view_at(key, at));
                self.tell(answer, view);
            }
            Command::Wait(run, answer) => self.wait(&run, answer),
            Command::List(request, answer) => {
                let views = self.list(&request);
                self.tell(answer, views);
            }
            Command::History { run, after, limit, answer } => {
                let lines = self.known(&run).and_then(|key| self.history(key, after, limit));
                self.tell(answer, lines);
            }
            Command::Logs { run, answer } => {
                let lines = self.known(&run).map(|key| self.flights.logs(key));
                self.tell(answer, lines);
            }
            Command::Object { run, app, bucket, key, answer } => {
                let view = match run {
                    Some(run) => self.run_object(&run, &bucket, &key),
                    None => self.app_object(&app, &bucket, &key),
                };
                self.tell(answer, view);
            }
            Command::Documents(request, answer) => {
                let documents = self.documents(&request);
                self.tell(answer, Ok(documents));
            }
            Command::WorkflowHistory(request, answer) => {
                let page = self.workflow_history(&request);
                self.tell(answer, page);
            }
            Command::Stats(answer) => {
                let stats = self.stats();
                // Numbers are no consequence of anything accepted: they need not be durable.
                drop(answer.send(Ok(stats)));
            }
            other => unreachable!("{other:?} is not a question"),
        }
    }

    fn tell<T: Send + 'static>(&mut self, answer: Answer<T>, value: Result<T, Problem>) {
        self.say(move || drop(answer.send(value)));
    }

    fn wait(&mut self, run: &str, answer: Answer<RunView>) {
        let key = match self.known(run) {
            Ok(key) => key,
            Err(problem) => return self.tell(answer, Err(problem)),
        };
        let running = self.durable.run(key).is_some_and(|run| run.status() == Status::Running);
        match running {
            true => self.answers.wait(key, answer),
            false => {
                let view = self.view(key, true);
                self.tell(answer, view);
            }
        }
    }

    fn list(&mut self, request: &ListRequest) -> Result<Vec<RunView>, Problem> {
        let app = request.app.as_deref().map(|name| self.app_named(name)).transpose()?;
        let wanted = |run: &sluice_engine::Run| {
            app.is_none_or(|app| run.app() == app)
                && request.status.is_none_or(|status| run.status() == status)
                && request.before.is_none_or(|before| run.key() < before)
        };
        let loaded = self.durable.runs().filter(|run| wanted(run)).map(|run| run.key());
        let mut keys: BTreeSet<RunKey> = loaded.collect();
        let query = ListQuery {
            app,
            status: request.status.map(|status| status as u8),
            before: request.before,
            limit: request.limit,
        };
        for key in self.store.list(query).map_err(|error| error.problem())? {
            self.look_up(key)?;
            // What is in memory is newer than what the store has indexed.
            if self.durable.run(key).is_some_and(wanted) {
                keys.insert(key);
            }
        }
        keys.into_iter().rev().take(request.limit).map(|key| self.view(key, false)).collect()
    }

    fn run_object(&mut self, run: &str, bucket: &str, key: &str) -> Result<ObjectView, Problem> {
        let run_key = self.known(run)?;
        let executed = self.express.run(run_key).or_else(|| self.durable.run(run_key));
        let run = executed.expect("a known run is loaded");
        let place = run.program().bucket(bucket).ok_or_else(|| unknown_bucket(run.program(), bucket))?;
        let Some(slot) = run.object(place, key) else { return Err(missing_object(bucket, key)) };
        if slot.object.payload.is_open() {
            let is_written = matches!(slot.owner, Owner::Invocation(seq) if run.function_of(seq).is_some());
            return Err(unfinished_object(bucket, key, is_written));
        }
        if slot.released {
            let message = format!("object {key:?} of bucket {bucket:?} was released after its last use");
            return Err(Problem::new(
                Code::OBJECT_RELEASED,
                message,
                "declare the bucket keep=True to keep objects",
            ));
        }
        let bucket = run.program().buckets[place.index()].name.clone();
        let object = &slot.object;
        let bytes = self.objects.read(&object.payload)?;
        Ok(ObjectView { bucket, key: object.key.clone(), content_type: object.content_type.clone(), bytes })
    }

    fn app_object(&mut self, app: &str, bucket: &str, key: &str) -> Result<ObjectView, Problem> {
        let app = self.durable.app(self.app_named(app)?).expect("a named app exists");
        let program = &app.current().1.program;
        program.bucket(bucket).ok_or_else(|| unknown_bucket(program, bucket))?;
        let object = app.object(bucket, key).ok_or_else(|| missing_object(bucket, key))?;
        let bytes = self.objects.read(&object.payload)?;
        let content_type = object.content_type.clone();
        Ok(ObjectView { bucket: bucket.into(), key: object.key.clone(), content_type, bytes })
    }

    fn stats(&self) -> NodeStats {
        NodeStats {
            runs_loaded: self.durable.runs().count() as u64,
            attempts_running: self.flights.len().max(self.sandboxes.load()) as u64,
            object_bytes: self.objects.resident_bytes(),
            history_lines_read: self.history_lines_read.get(),
            ..self.stats.clone()
        }
    }
}

fn unfinished_object(bucket: &str, key: &str, is_written: bool) -> Problem {
    let (what, fix) = match is_written {
        true => ("is still being written", "ask again when the function that opened it has closed it"),
        false => {
            ("was never finished", "look at the run's history for why the function that opened it stopped")
        }
    };
    Problem::new(Code::UNKNOWN_OBJECT, format!("object {key:?} of bucket {bucket:?} {what}"), fix)
}

fn missing_object(bucket: &str, key: &str) -> Problem {
    let message = format!("bucket {bucket:?} has no object {key:?}");
    Problem::new(Code::UNKNOWN_OBJECT, message, "look at the run's history for the keys that were put")
}
