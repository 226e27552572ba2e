//! A world for executions to act in: time that jumps, and actors that perform what is asked for.

use sluice_asl::Machine;
use sluice_asl::execution::{Event, Execution, HistoryEvent, Output, Request, Settings, TaskRequest, Work};
use sluice_expression::Value;
use std::collections::BTreeMap;

/// When executions start.
pub const START_MS: u64 = 1_700_000_000_000;

/// What a request leads to: events, each after so many milliseconds.
pub type Reply = Vec<(u64, Event)>;

/// An execution and its world.
pub struct Stage<'a> {
    pub machine: Machine,
    pub execution: Execution,
    pub now_ms: u64,
    pub history: Vec<HistoryEvent>,
    /// What was asked for so far.
    pub requests: Vec<Request>,
    /// Events to come, by time and order.
    coming: BTreeMap<(u64, usize), Event>,
    planned: usize,
    perform: Box<dyn FnMut(&TaskRequest) -> Reply + 'a>,
    /// After every event the execution is written down and read again.
    pub rewrites: bool,
}

pub fn settings() -> Settings {
    Settings {
        id: "arn:aws:states:us-east-1:111111111111:execution:machine:run".into(),
        name: "run".into(),
        role: "snf_role_arn".into(),
        machine_id: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
        machine_qualifier: "".into(),
        machine_name: "machine".into(),
        start_ms: START_MS,
        seed: 1,
        aws_limits: true,
        records_history: true,
        key: 7,
        token_prefix: "token.".into(),
    }
}

impl<'a> Stage<'a> {
    /// Starts an execution.
    pub fn new(definition: &str, input: Value, perform: impl FnMut(&TaskRequest) -> Reply + 'a) -> Self {
        Self::with(definition, input, settings(), perform)
    }

    pub fn with(
        definition: &str,
        input: Value,
        settings: Settings,
        perform: impl FnMut(&TaskRequest) -> Reply + 'a,
    ) -> Self {
        let (machine, _) = Machine::parse(definition).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let mut out = Output::default();
        let execution = Execution::start(&machine, settings, input, START_MS, &mut out);
        let mut stage = Self {
            machine,
            execution,
            now_ms: START_MS,
            history: Vec::new(),
            requests: Vec::new(),
            coming: BTreeMap::new(),
            planned: 0,
            perform: Box::new(perform),
            rewrites: false,
        };
        stage.take(out);
        stage
    }

    fn take(&mut self, out: Output) {
        self.history.extend(out.history);
        for request in out.requests {
            if let Request::Perform(task) = &request {
                for (after_ms, event) in (self.perform)(task) {
                    self.plan(after_ms, event);
                }
            }
            self.requests.push(request);
        }
    }

    /// An event that is to come.
    pub fn plan(&mut self, after_ms: u64, event: Event) {
        self.coming.insert((self.now_ms + after_ms, self.planned), event);
        self.planned += 1;
    }

    /// An event now.
    pub fn apply(&mut self, event: Event) {
        let mut out = Output::default();
        self.execution.apply(&self.machine, event, self.now_ms, &mut out);
        if self.rewrites {
            let bytes = postcard::to_stdvec(&self.execution).unwrap();
            self.execution = postcard::from_bytes(&bytes).unwrap();
        }
        self.take(out);
    }

    /// The next event; `false` when nothing is to come.
    pub fn step(&mut self) -> bool {
        let coming = self.coming.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let deadline = self.execution.next_deadline();
        let Some(next) = coming.into_iter().chain(deadline).min() else { return false };
        self.now_ms = self.now_ms.max(next);
        let due = coming == Some(next) && deadline != Some(next);
        match due.then(|| self.coming.pop_first()).flatten() {
            Some((_, event)) => self.apply(event),
            None => self.apply(Event::Timer),
        }
        true
    }

    /// Runs until the execution has ended, or waits for what will not come.
    pub fn run(&mut self) {
        while self.execution.status().is_running() && self.step() {}
    }

    /// Types of the execution's own history.
    pub fn types(&self) -> Vec<String> {
        let own = self.history.iter().filter(|event| event.child.is_none());
        own.map(|event| event.kind.name()).collect()
    }
}

/// JSON.
pub fn json(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A task fails at once.
pub fn fails(task: &TaskRequest, error: &str) -> Reply {
    let (error, cause) = (error.into(), "why".into());
    vec![(0, Event::Failed { task: task.task, error, cause, timed_out: false })]
}

/// A task succeeds at once.
pub fn gives(task: &TaskRequest, output: Value) -> Reply {
    vec![(0, Event::Succeeded { task: task.task, output })]
}

/// The name and input of the function that a task calls.
pub fn call(task: &TaskRequest) -> (&str, &Value) {
    match &task.work {
        Work::Function { name, input } => (name, input),
        work => panic!("a function is called, not {work:?}"),
    }
}
