//! Runs and their histories as outsiders see them.

use super::Shard;
use super::tasks::{task_details, task_event};
use crate::api::{FunctionView, HistoryView, ObjectView, RETRYING_MAX, RetryView, RunView, WorkflowView};
use crate::ports::{Objects, Ports};
use serde_json::{Map, Value, json};
use sluice_engine::run::{PendingState, lines_of};
use sluice_engine::{HistoryEntry, HistoryKind, Run, Status};
use sluice_flow::{Entry, Line, News, Want};
use sluice_types::calendar::rfc3339;
use sluice_types::{Code, InvocationId, Problem, RunKey};
use std::borrow::Cow;

impl<P: Ports> Shard<P> {
    /// A run in memory, as it stands.
    pub(super) fn view(&mut self, key: RunKey, with_outputs: bool) -> Result<RunView, Problem> {
        let run = self.durable.run(key).expect("a viewed run is loaded");
        let ended = run.status() != Status::Running;
        let outputs = match with_outputs && ended {
            true => outputs(run, &mut self.objects)?,
            false => Vec::new(),
        };
        Ok(RunView {
            key,
            run: run.id().clone(),
            app: run.program().app.clone(),
            version: run.version().0,
            status: run.status(),
            sealed: run.is_sealed(),
            started_ms: run.started_ms(),
            ended_ms: run.ended_ms(),
            incarnation: run.incarnation(),
            outputs,
            error: run.error().cloned(),
            functions: self.functions(self.express.run(key).unwrap_or(run)),
            retrying: retrying(self.express.run(key).unwrap_or(run)),
            workflow: run.workflow().map(|start| WorkflowView {
                name: run.program().workflows[start.workflow.index()].name.clone(),
                input: start.input.clone(),
                settings: start.settings.clone(),
                redrives: run.execution().map_or(0, sluice_asl::execution::Execution::redrives),
                redriven_ms: run.execution().and_then(sluice_asl::execution::Execution::redriven_ms),
                map_runs: run.execution().map(|execution| execution.map_runs().to_vec()).unwrap_or_default(),
            }),
        })
    }

    fn functions(&self, run: &Run) -> Vec<FunctionView> {
        let names = run.program().functions.iter().zip(run.tallies());
        let mut views: Vec<FunctionView> = names
            .map(|(function, tally)| FunctionView {
                function: function.name.clone(),
                tally: *tally,
                running: 0,
                queued: 0,
            })
            .collect();
        for (seq, pending) in run.pending() {
            let view = &mut views[pending.function.index()];
            let flying = self.flights.is_running(InvocationId { run: run.key(), seq });
            match pending.state == PendingState::Running && flying {
                true => view.running += 1,
                false => view.queued += 1,
            }
        }
        let program = run.program();
        let is_shown = |view: &FunctionView| {
            program.function(&view.function).is_none_or(|ix| !program.functions[ix.index()].takes_turns())
        };
        views.retain(is_shown);
        views
    }

    /// The chunk of a run's history that has line `at`: where it begins, and its bytes.
    pub(super) fn chunk_at(&self, key: RunKey, at: u64) -> Result<(u64, Cow<'_, [u8]>), Problem> {
        let run = self.durable.run(key).expect("a viewed run is loaded");
        let unsaved = run.unsaved_history();
        let after = unsaved.partition_point(|piece| piece.first() <= at);
        if let Some(piece) = unsaved[..after].last() {
            return Ok((piece.first(), Cow::Borrowed(piece.bytes())));
        }
        let stored = self.store.history_at(key, at).map_err(|error| error.problem())?;
        stored.map(|(first, bytes)| (first, Cow::Owned(bytes.to_vec()))).ok_or_else(|| lost(run, at))
    }

    /// Lines of a run's history after position `after`: older ones from the store, those of late from memory.
    pub(super) fn history(&self, key: RunKey, after: u64, limit: usize) -> Result<Vec<HistoryView>, Problem> {
        let run = self.durable.run(key).expect("a viewed run is loaded");
        let mut lines = Vec::new();
        let mut next = after + 1;
        while next <= run.history_len() && lines.len() < limit {
            let (first, bytes) = self.chunk_at(key, next)?;
            let before = lines.len();
            let wanted = lines_of(&bytes).zip(first..).skip_while(|(_, seq)| *seq < next);
            lines.extend(wanted.take(limit - before).map(|(entry, seq)| line(run, seq, &entry)));
            match (lines.len() - before) as u64 {
                0 => return Err(lost(run, next)),
                read => next += read,
            }
        }
        Ok(lines)
    }
}

/// What failed and is tried again.
fn retrying(run: &Run) -> Vec<RetryView> {
    let failed = run.pending().filter_map(|(seq, pending)| {
        let failure = (**pending.failure.as_ref()?).clone();
        let (attempts, next_ms) = match pending.state {
            PendingState::Waiting { due_ms } => (pending.attempt.0, Some(due_ms)),
            PendingState::Running => (pending.attempt.0 - 1, None),
        };
        let function = run.program().functions[pending.function.index()].name.clone();
        Some(RetryView { function, invocation: seq, attempts, next_ms, failure })
    });
    failed.take(RETRYING_MAX).collect()
}

pub(super) fn lost(run: &Run, line: u64) -> Problem {
    let message = format!("line {line} of the history of run {} is not in the data directory", run.id());
    Problem::new(Code::DATA_CORRUPT, message, "restore it from a backup; the run itself is not affected")
}

fn outputs(run: &Run, objects: &mut impl Objects) -> Result<Vec<ObjectView>, Problem> {
    let view = |object: &sluice_types::Object| {
        Ok(ObjectView {
            bucket: run.program().buckets[object.bucket.index()].name.clone(),
            key: object.key.clone(),
            content_type: object.content_type.clone(),
            bytes: objects.read(&object.payload)?,
        })
    };
    run.outputs().map(view).collect()
}

fn line(run: &Run, seq: u64, entry: &HistoryEntry) -> HistoryView {
    let (name, details) = describe(run, &entry.kind);
    let details = match details {
        Value::Object(details) => details,
        _ => Map::new(),
    };
    HistoryView {
        seq,
        lsn: format!("{:016x}", entry.lsn.0),
        time: rfc3339(entry.at_ms),
        r#type: name.into(),
        details,
    }
}

fn describe(run: &Run, kind: &HistoryKind) -> (Cow<'static, str>, Value) {
    let program = run.program();
    let (name, details) = match kind {
        HistoryKind::RunStarted => ("RunStarted", json!({"app": &*program.app, "version": run.version().0})),
        HistoryKind::ObjectPut { slot } => {
            let object = &run.slots()[*slot as usize].object;
            let bucket = &*program.buckets[object.bucket.index()].name;
            let (key, size) = (&*object.key, object.payload.len());
            (
                "ObjectPut",
                json!({"bucket": bucket, "key": key, "size": size, "content_type": object.content_type.as_str()}),
            )
        }
        HistoryKind::ObjectOpened { slot } => {
            let object = &run.slots()[*slot as usize].object;
            let bucket = &*program.buckets[object.bucket.index()].name;
            ("ObjectOpened", json!({"bucket": bucket, "key": &*object.key}))
        }
        HistoryKind::Sealed => ("Sealed", json!({})),
        HistoryKind::TriggerFired { trigger, objects } => {
            ("TriggerFired", json!({"trigger": &*program.triggers[trigger.index()].name, "objects": objects}))
        }
        HistoryKind::InvocationCreated { invocation, function } => {
            let function = &*program.functions[function.index()].name;
            ("InvocationCreated", json!({"invocation": invocation, "function": function}))
        }
        HistoryKind::InvocationSucceeded { invocation, attempt } => {
            ("InvocationSucceeded", json!({"invocation": invocation, "attempt": attempt.0}))
        }
        HistoryKind::AttemptFailed { invocation, attempt, failure, retry_ms } => (
            "AttemptFailed",
            json!({
                "invocation": invocation,
                "attempt": attempt.0,
                "kind": failure.kind,
                "error": {"type": failure.r#type, "message": failure.message, "stack": failure.stack},
                "retry_at": retry_ms.map(rfc3339),
            }),
        ),
        HistoryKind::InvocationCancelled { invocation } => {
            ("InvocationCancelled", json!({"invocation": invocation}))
        }
        HistoryKind::PutDiscarded { invocation } => ("PutDiscarded", json!({"invocation": invocation})),
        HistoryKind::EventEmitted { r#type } => ("EventEmitted", json!({"event": &**r#type})),
        HistoryKind::EventIgnored { r#type } => ("EventIgnored", json!({"event": &**r#type})),
        HistoryKind::Reincarnated { incarnation } => ("Reincarnated", json!({"incarnation": incarnation})),
        HistoryKind::Workflow(event) => {
            let mut details = serde_json::to_value(event.to_aws()).unwrap_or_default();
            // Said by the line itself.
            details
                .as_object_mut()
                .into_iter()
                .for_each(|details| details.retain(|name, _| name != "type" && name != "timestamp"));
            return (event.kind.name().into(), details);
        }
        HistoryKind::Code(line) => return (code_event(line).into(), code_details(line)),
        HistoryKind::Dag(line) => return (task_event(line).into(), task_details(run, line)),
        HistoryKind::RunCalled { id } => ("RunCalled", json!({"called": &**id})),
        HistoryKind::RunEnded => {
            let code = run.error().map(|problem| problem.code.to_string());
            ("RunEnded", json!({"status": run.status(), "code": code}))
        }
    };
    (name.into(), details)
}

/// What happened to the code of a workflow, in a word.
fn code_event(line: &Line) -> &'static str {
    match line {
        Line::Entry(entry) => match entry.news {
            News::Started => "WorkflowStarted",
            News::Done(_) => "CommandDone",
            News::Failed(_) => "CommandFailed",
            News::Signal(_) => "SignalReceived",
            News::Cancelled => "CancelRequested",
            News::Update { .. } => "UpdateRequested",
        },
        Line::Command { want, .. } => match want {
            Want::Call(_) => "CallMade",
            Want::Child(_) => "ChildStarted",
            Want::Put { .. } => "PutMade",
            Want::Emit(_) => "EmitMade",
            Want::Sleep(_) => "TimerStarted",
            Want::Cancel(_) => "CommandCancelled",
            Want::Record(_) => "ValueRecorded",
            Want::Patch(_) => "ChangeTaken",
            Want::Answer(_) => "UpdateDone",
            Want::Refuse(_) => "UpdateFailed",
            Want::Return => "WorkflowReturned",
            Want::Fail => "WorkflowFailed",
            Want::Stopped => "WorkflowStopped",
            Want::Checkpoint(_) => "CheckpointTaken",
        },
    }
}

fn code_details(line: &Line) -> Value {
    match line {
        Line::Entry(Entry { news: News::Done(command) | News::Failed(command), .. }) => {
            json!({"command": command})
        }
        Line::Entry(Entry { news: News::Signal(name), .. }) => json!({"name": &**name}),
        Line::Entry(Entry { news: News::Update { id, name }, .. }) => {
            json!({"update": &**id, "name": &**name})
        }
        Line::Entry(_) => json!({}),
        Line::Command { number, want, .. } => match want {
            Want::Put { bucket, key } => {
                json!({"command": number, "bucket": &**bucket, "key": &**key})
            }
            Want::Emit(name) => json!({"command": number, "event": &**name}),
            Want::Child(workflow) => json!({"command": number, "workflow": &**workflow}),
            Want::Call(function) => json!({"command": number, "function": &**function}),
            Want::Sleep(ms) => json!({"command": number, "ms": ms}),
            Want::Cancel(of) => json!({"command": number, "cancelled": of}),
            Want::Record(name) | Want::Patch(name) => json!({"command": number, "name": &**name}),
            Want::Answer(update) | Want::Refuse(update) => json!({"command": number, "update": &**update}),
            Want::Return | Want::Fail | Want::Stopped | Want::Checkpoint(_) => json!({"command": number}),
        },
    }
}
