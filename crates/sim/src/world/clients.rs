//! What clients do to the world.

use super::World;
use sluice_engine::{Deploy, InputKind, Origin, Reply, Run, Start, Status, WorkflowStart};
use sluice_types::{AppKey, ContentType, Event, Object, Program, RunKey, TriggerIx, Version, WorkflowIx};
use std::sync::Arc;

impl World {
    /// Deploys the next version of the app.
    pub fn deploy(&mut self, program: &Arc<Program>) -> Reply {
        self.deploy_resetting(program, &[])
    }

    /// Deploys the next version of the app and drops what these triggers collected.
    pub fn deploy_resetting(&mut self, program: &Arc<Program>, reset: &[&str]) -> Reply {
        let version = self.version().map_or(Version(1), |version| Version(version.0 + 1));
        let reset_triggers = reset.iter().map(|name| (*name).into()).collect();
        let (app, program) = (Self::APP, program.clone());
        self.submit(InputKind::Deploy(Box::new(Deploy { app, version, program, bundle: 0, reset_triggers })));
        self.replies.last().expect("a deploy is answered").clone()
    }

    fn version(&self) -> Option<Version> {
        self.engine.app(Self::APP).map(|app| app.current().0)
    }

    /// Starts a sealed run with these objects: bucket, key, text.
    pub fn start(&mut self, objects: &[(&str, &str, &str)]) -> RunKey {
        self.start_with(objects, true)
    }

    /// Starts a run to which more may be put.
    pub fn open(&mut self, objects: &[(&str, &str, &str)]) -> RunKey {
        self.start_with(objects, false)
    }

    fn start_with(&mut self, objects: &[(&str, &str, &str)], seal: bool) -> RunKey {
        let version = self.version().expect("an app is deployed before its runs start");
        let mut start = self.new_start(Self::APP, version, Origin::Client);
        start.seal = seal;
        let program = self.app().current().1.program.clone();
        start.objects =
            objects.iter().map(|(bucket, key, text)| self.object(&program, bucket, key, text)).collect();
        let run = start.run;
        self.submit(InputKind::Start(Box::new(start)));
        run
    }

    /// Starts the first workflow of the app in a sealed run of this key and id, with an input and these objects.
    pub fn start_workflow(&mut self, run: RunKey, id: &str, input: &str, objects: Vec<Object>) {
        let version = self.version().expect("an app is deployed before its runs start");
        let name = self.app().current().1.program.workflows[0].name.clone();
        let settings = super::children::settings(&name, run.0);
        let input = input.to_owned().into();
        let workflow = Some(Box::new(WorkflowStart { workflow: WorkflowIx(0), input, settings }));
        let start = self.new_start(Self::APP, version, Origin::Client);
        let start = Start { run, id: id.into(), objects, seed: 1, workflow, ..start };
        self.submit(InputKind::Start(Box::new(start)));
    }

    fn object(&mut self, program: &Program, bucket: &str, key: &str, text: &str) -> Object {
        let bucket = program.bucket(bucket).unwrap_or_else(|| panic!("there is no bucket {bucket}"));
        let payload = self.payload(text.to_owned());
        Object { bucket, key: key.into(), content_type: ContentType::Text, payload, group: None, meta: None }
    }

    fn verdict(&mut self, kind: InputKind) -> Reply {
        let before = self.replies.len();
        self.submit(kind);
        assert_eq!(self.replies.len(), before + 1, "a request is answered once");
        self.replies[before].clone()
    }

    /// Puts into a run.
    pub fn put_into(&mut self, run: RunKey, bucket: &str, key: &str, text: &str) -> Reply {
        let program = self.run(run).program().clone();
        let object = self.object(&program, bucket, key, text);
        self.verdict(InputKind::Put { run, object })
    }

    /// Puts into the app itself.
    pub fn put_into_app(&mut self, bucket: &str, key: &str, text: &str) -> Reply {
        let program = self.app().current().1.program.clone();
        let object = self.object(&program, bucket, key, text);
        let version = self.version().expect("it is deployed");
        self.verdict(InputKind::AppPut { app: Self::APP, version, object })
    }

    /// Seals a run.
    pub fn seal(&mut self, run: RunKey) -> Reply {
        self.verdict(InputKind::Seal { run })
    }

    /// Cancels a run.
    pub fn cancel(&mut self, run: RunKey) -> Reply {
        self.verdict(InputKind::Cancel { run, reason: "asked".into(), acknowledges: None })
    }

    /// An event arrives from outside.
    pub fn event(&mut self, id: &str, r#type: &str) -> Reply {
        let runs = self.engine.listening(Self::APP).collect();
        let events = vec![self.new_event(id, r#type, None)].into();
        self.verdict(InputKind::Events { events, apps: vec![Self::APP], runs, acknowledges: None })
    }

    /// An event arrives that only one run sees.
    pub fn event_for(&mut self, run: RunKey, id: &str, r#type: &str) -> Reply {
        let addressee = self.engine.run(run).map(|run| run.id().clone());
        let runs = self.engine.listening(Self::APP).collect();
        let events = vec![self.new_event(id, r#type, addressee)].into();
        self.verdict(InputKind::Events { events, apps: vec![Self::APP], runs, acknowledges: None })
    }

    /// A cron trigger is due.
    pub fn cron(&mut self, trigger: u16) {
        let event = self.new_event(&format!("cron-{}", self.now_ms), "sluice.cron", None);
        let (app, due_ms) = (Self::APP, self.now_ms);
        self.submit(InputKind::Cron { app, trigger: TriggerIx(trigger), due_ms, event });
    }

    fn new_event(&self, id: &str, r#type: &str, run: Option<Arc<str>>) -> Arc<Event> {
        Arc::new(Event {
            id: id.into(),
            source: "/test".into(),
            r#type: r#type.into(),
            subject: None,
            time_ms: self.now_ms,
            content_type: ContentType::Text,
            data: format!("data of {id}").into(),
            run,
        })
    }

    /// A run.
    pub fn run(&self, run: RunKey) -> &Run {
        self.engine.run(run).expect("the run is loaded")
    }

    /// How a run stands, with the message of its error.
    pub fn status(&self, run: RunKey) -> (Status, String) {
        let run = self.run(run);
        (run.status(), run.error().map(|problem| problem.message.clone()).unwrap_or_default())
    }

    /// Whether a run succeeded.
    pub fn succeeded(&self, run: RunKey) -> bool {
        self.run(run).status() == Status::Succeeded
    }

    /// The outputs of a run by key, as text.
    pub fn outputs(&self, run: RunKey) -> Vec<(String, String)> {
        let text = |object: &Object| String::from_utf8_lossy(&self.ledger.read(&object.payload)).into_owned();
        let mut outputs: Vec<_> = self.run(run).outputs().map(|o| (o.key.to_string(), text(o))).collect();
        outputs.sort();
        outputs
    }

    /// What a function was called with, one entry per call: the keys, separated by spaces.
    pub fn called(&self, function: &str) -> Vec<String> {
        let of = self.calls.iter().filter(|(_, call)| call.function == function);
        of.map(|(_, call)| call.event.as_ref().map_or_else(|| call.keys(), |event| event.id.to_string()))
            .collect()
    }

    /// As `called`, in alphabetical order.
    pub fn called_sorted(&self, function: &str) -> Vec<String> {
        let mut calls = self.called(function);
        calls.sort();
        calls
    }

    /// The app under test.
    pub fn app(&self) -> &sluice_engine::app::App {
        self.engine.app(AppKey(1)).expect("it is deployed")
    }
}
