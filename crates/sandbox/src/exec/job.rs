//! An attempt that has a process of its own, from its order to its result.

use super::prepare::{Input, Inputs, Order, Source};
use super::result::{Collected, Value};
use super::scratch::Scratch;
use crate::app::ClassKind;
use crate::boxes;
use crate::capture::Capture;
use crate::current::{Current, conclude};
use crate::event::{RunInfo, SandboxEvent, Stream};
use crate::failure::{self, End, failure};
use crate::limits::STDERR_LINES_MAX;
use crate::pool::{AppId, Done, Pool, Tick};
use crate::queue::Waiting;
use crate::ready::Kind;
use crate::seat::unpin;
use bytes::Bytes;
use sluice_isolation::{Boxed, Exit};
use sluice_objects::Memory;
use sluice_types::invocation::Arguments;
use sluice_types::{
    Attempt, EventView, Failure, FailureKind, Invocation, InvocationId, ObjectId, Outcome, Payload, Program,
    ReturnValue,
};
use smallvec::SmallVec;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Invariant: `boxed` and `scratch` are there from the start of the program until its result is collected.
#[derive(Debug)]
pub(crate) struct Job {
    pub app: AppId,
    pub current: Current,
    capture: Capture,
    boxed: Option<Boxed>,
    scratch: Option<Scratch>,
    program: String,
    from_file: bool,
    memory_bytes: u64,
}

impl Job {
    /// When the program has run for long enough; `None` once it has been told so.
    pub fn deadline(&self) -> Option<Instant> {
        self.current.verdict.is_none().then_some(self.current.deadline)
    }

    /// Ends the program: politely if it is only cancelled.
    pub fn stop(&mut self, politely: bool) {
        if let Some(boxed) = &self.boxed {
            // It fails only when the program has ended.
            let _ = if politely { boxed.terminate() } else { boxed.kill() };
        }
    }

    /// What the end of the program means, unless its result decides.
    fn failure(&self, exit: Exit) -> Option<Failure> {
        if let Some(verdict) = &self.current.verdict {
            return Some(verdict.clone());
        }
        if self.boxed.as_ref().is_some_and(Boxed::oom_killed) {
            return Some(failure::out_of_memory(self.memory_bytes));
        }
        match exit {
            Exit::Code(0) => None,
            Exit::Code(code) => {
                let message = format!("`{}` exited with status {code}", self.program);
                let stack = self.last_lines();
                Some(Failure { stack, ..failure(FailureKind::Raised, "ExitStatus", message) })
            }
            _ => Some(failure::crashed(End::Exit(exit), self.last_lines().as_bytes())),
        }
    }

    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.current.stderr_tail);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(STDERR_LINES_MAX)..].join("\n")
    }
}

impl Pool {
    /// Starts a program for an invocation.
    pub(crate) fn start_job(
        &mut self,
        id: AppId,
        class: usize,
        waiting: Waiting,
        memory: &mut Memory,
        now: Instant,
    ) {
        let Waiting { invocation, run, .. } = waiting;
        let mut pins = Vec::new();
        let inputs = inputs(&self.apps[&id].program, &invocation.arguments, memory, &mut pins);
        let ordered = inputs
            .map_err(failure::input_lost)
            .and_then(|inputs| self.order_job(id, class, &invocation, &run, inputs));
        let (key, capture) = match ordered {
            Ok(ordered) => ordered,
            Err(failure) => {
                unpin(memory, pins);
                return self.fail_late(&invocation, failure);
            }
        };
        let app = self.apps.get_mut(&id).expect("the caller found it");
        let function = &app.program.functions[invocation.function.index()];
        let ClassKind::Exec(command) = &app.classes[class].kind else {
            unreachable!("only programs are started per attempt")
        };
        let timeout = Duration::from_millis(function.timeout_ms);
        let job = Job {
            app: id,
            current: Current::new(&invocation, now, timeout, pins),
            capture,
            boxed: None,
            scratch: None,
            program: command.first().cloned().unwrap_or_default(),
            from_file: Order::has_output_file(command),
            memory_bytes: app.classes[class].resources.memory_bytes,
        };
        app.running[invocation.function.index()] += 1;
        self.jobs.insert(key, job);
    }

    /// Sends off the order for a program.
    fn order_job(
        &mut self,
        id: AppId,
        class: usize,
        invocation: &Invocation,
        run: &RunInfo,
        inputs: Inputs,
    ) -> Result<(u32, Capture), Failure> {
        let key = self.new_key();
        let app = &self.apps[&id];
        let wanted = &app.classes[class];
        let function = &app.program.functions[invocation.function.index()];
        let ClassKind::Exec(command) = &wanted.kind else {
            unreachable!("only programs are started per attempt")
        };
        let (capture, [stdout, stderr]) = Capture::new().map_err(failure::not_started)?;
        let order = Order {
            host: Arc::clone(&self.options.host),
            command: command.clone(),
            base: wanted.base.clone(),
            bundle: app.bundle.clone(),
            limits: boxes::limits(&wanted.resources),
            env: environment(invocation, run, &function.name, &inputs),
            inputs,
            root: self.options.scratch_dir.join(format!("{}-{key}", std::process::id())),
            stdout,
            stderr,
        };
        self.ready.add(&capture.stdout, Kind::JobStdout, key).map_err(failure::not_started)?;
        self.ready.add(&capture.stderr, Kind::JobStderr, key).map_err(failure::not_started)?;
        self.errands
            .run(move || Done::Job(key, Box::new(order.carry_out())))
            .map_err(failure::not_started)?;
        Ok((key, capture))
    }

    /// The program runs, or does not.
    pub(crate) fn job_started(
        &mut self,
        key: u32,
        result: Result<(Boxed, Scratch), Failure>,
        tick: &mut Tick<'_>,
    ) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        match result {
            Ok((boxed, scratch)) => {
                let Current { id, attempt, cancelled, .. } = job.current;
                tick.events.push(SandboxEvent::Started { id, attempt, pid: boxed.pid() });
                let watched = self.ready.add(boxed.as_fd(), Kind::JobEnd, key);
                (job.boxed, job.scratch) = (Some(boxed), Some(scratch));
                if !self.apps.contains_key(&job.app)
                    || cancelled
                    || job.current.verdict.is_some()
                    || watched.is_err()
                {
                    job.stop(false);
                }
            }
            Err(failure) => self.finish_job(key, Outcome::Failed(failure), tick),
        }
    }

    /// The program has ended: its result is collected, or it has failed.
    pub(crate) fn job_ended(&mut self, key: u32, tick: &mut Tick<'_>) {
        self.hear_job(key, Stream::Stdout, tick.events);
        self.hear_job(key, Stream::Stderr, tick.events);
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let Some(exit) = job.boxed.as_mut().and_then(|boxed| boxed.try_wait().transpose()) else { return };
        let failure = job.failure(exit.unwrap_or(Exit::Killed));
        if let Some(boxed) = job.boxed.take() {
            self.ready.remove(boxed.as_fd());
            crate::errand::bury(boxed);
        }
        if let Some(failure) = failure {
            return self.finish_job(key, Outcome::Failed(failure), tick);
        }
        let (scratch, from_file) = (job.scratch.take(), job.from_file);
        let collect = self.errands.run(move || {
            let collected = scratch.as_ref().map_or(Ok(None), |scratch| scratch.collect(from_file));
            Done::Collected(key, collected, scratch)
        });
        if let Err(error) = collect {
            self.finish_job(key, Outcome::Failed(failure::not_started(error)), tick);
        }
    }

    /// The result is there.
    pub(crate) fn job_collected(
        &mut self,
        key: u32,
        collected: Collected,
        scratch: Option<Scratch>,
        tick: &mut Tick<'_>,
    ) {
        let Some(job) = self.jobs.get(&key) else { return };
        let app = job.app.0;
        let value = collected.map_err(|error| no_result(&error)).and_then(|found| {
            let Some((content_type, value)) = found else { return Ok(None) };
            let payload = match value {
                Value::Inline(bytes) => Payload::Inline(bytes),
                // Another file system needs a copy.
                Value::File(path) => match tick.memory.take_file(app, &path) {
                    Ok(payload) => payload,
                    Err(_) => copy(tick.memory, app, &path).map_err(failure::input_lost)?,
                },
            };
            Ok(Some(ReturnValue { content_type, payload }))
        });
        // Whatever is left in the directory goes away from this thread.
        crate::errand::bury(scratch);
        let outcome = match value {
            Ok(value) => Outcome::Succeeded { puts: SmallVec::new(), value, emits: Vec::new() },
            Err(failure) => Outcome::Failed(failure),
        };
        self.finish_job(key, outcome, tick);
    }

    fn finish_job(&mut self, key: u32, outcome: Outcome, tick: &mut Tick<'_>) {
        let Some(mut job) = self.jobs.remove(&key) else { return };
        self.ready.remove(&job.capture.stdout);
        self.ready.remove(&job.capture.stderr);
        if let Some(app) = self.apps.get_mut(&job.app) {
            app.running[job.current.function.index()] -= 1;
        }
        unpin(tick.memory, std::mem::take(&mut job.current.pins));
        let Job { current, scratch, .. } = job;
        crate::errand::bury(scratch);
        let outcome = if current.cancelled { Outcome::Cancelled } else { outcome };
        conclude(current, outcome, tick.events);
    }

    /// Takes what a program printed.
    pub(crate) fn hear_job(&mut self, key: u32, stream: Stream, events: &mut Vec<SandboxEvent>) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let Job { capture, current, .. } = job;
        if !capture.drain(stream, |bytes| current.hear_output(stream, bytes, events)) {
            self.ready.remove(if stream == Stream::Stdout { &capture.stdout } else { &capture.stderr });
        }
    }

    /// Asks a program to end; whether there is one for this attempt.
    pub(crate) fn cancel_job(
        &mut self,
        id: InvocationId,
        attempt: Attempt,
        now: Instant,
        grace: Duration,
    ) -> bool {
        let found = self.jobs.values_mut().find(|job| (job.current.id, job.current.attempt) == (id, attempt));
        let Some(job) = found else { return false };
        job.current.cancelled = true;
        job.current.deadline = job.current.deadline.min(now + grace);
        job.stop(true);
        true
    }
}

/// Makes every input readable away from this thread, and pins what is stored.
fn inputs(
    program: &Program,
    arguments: &Arguments,
    memory: &mut Memory,
    pins: &mut Vec<ObjectId>,
) -> Result<Inputs, sluice_objects::Error> {
    if let Arguments::Event(event) = arguments {
        let content_type = event.content_type.as_str().to_owned();
        let source = Source::Inline(event.data.clone());
        let input = Input { key: event.id.to_string(), bucket: String::new(), content_type, source };
        return Ok(Inputs { list: vec![input], is_list: false });
    }
    if let Arguments::Events { list, .. } = arguments {
        let input = |event: EventView<'_>| Input {
            key: event.id.to_owned(),
            bucket: String::new(),
            content_type: event.head.content_type.as_str().to_owned(),
            source: Source::Inline(Bytes::copy_from_slice(event.data)),
        };
        return Ok(Inputs { list: list.iter().map(input).collect(), is_list: true });
    }
    let mut list = Vec::new();
    for object in arguments.objects() {
        let source = match &object.payload {
            Payload::Inline(bytes) => Source::Inline(bytes.clone()),
            Payload::Stored { id, len, .. } => {
                let (file, at) = memory.open(*id, *len)?;
                memory.pin(*id)?;
                pins.push(*id);
                Source::Stored(file, at, *len)
            }
            Payload::Open { .. } => unreachable!("only functions that stream are started on an open object"),
        };
        list.push(Input {
            key: object.key.to_string(),
            bucket: program.buckets[object.bucket.index()].name.to_string(),
            content_type: object.content_type.as_str().to_owned(),
            source,
        });
    }
    Ok(Inputs { list, is_list: matches!(arguments, Arguments::List(_)) })
}

fn environment(
    invocation: &Invocation,
    run: &RunInfo,
    function: &str,
    inputs: &Inputs,
) -> Vec<(&'static str, String)> {
    let mut env = vec![
        ("SLUICE_RUN", run.run_id.to_string()),
        ("SLUICE_FUNCTION", function.to_owned()),
        ("SLUICE_ATTEMPT", invocation.attempt.0.to_string()),
        ("SLUICE_IDEMPOTENCY_KEY", format!("{}/{}", run.run_id, invocation.id.seq)),
    ];
    if let ([only], false) = (inputs.list.as_slice(), inputs.is_list) {
        env.extend([("SLUICE_KEY", only.key.clone()), ("SLUICE_BUCKET", only.bucket.clone())]);
    }
    env.extend(invocation.group.as_ref().map(|group| ("SLUICE_GROUP", group.to_string())));
    env.extend(run.traceparent.as_ref().map(|trace| ("TRACEPARENT", trace.to_string())));
    env
}

fn no_result(error: &io::Error) -> Failure {
    failure(
        FailureKind::Raised,
        "NoResult",
        format_args!("the program ended well, but its result cannot be had: {error}"),
    )
}

/// Copies a file into the object memory.
fn copy(
    memory: &mut Memory,
    app: sluice_types::AppKey,
    path: &std::path::Path,
) -> Result<Payload, sluice_objects::Error> {
    use std::io::Read;
    let mut file = std::fs::File::open(path)?;
    let mut writer = sluice_objects::Writer::open(memory, app, Some(file.metadata()?.len()))?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return writer.finish(memory),
            Ok(len) => {
                if let Err(error) = writer.write(memory, &chunk[..len]) {
                    writer.abort(memory);
                    return Err(error);
                }
            }
            Err(error) => {
                writer.abort(memory);
                return Err(error.into());
            }
        }
    }
}
