//! From what the node answers to what travels.

use serde_json::value::RawValue;
use sluice_api as api;
use sluice_engine::Status;
use sluice_runtime::api::{
    AppView, AtView, CallAt, CodeAt, FunctionView, HistoryView, LogLine, ObjectView, RetryView, RunView,
    lsn_text,
};
use sluice_types::Problem;
use sluice_types::calendar::rfc3339 as time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A problem.
pub fn error(problem: &Problem) -> api::Error {
    let cause = problem.cause.as_ref().map(|cause| api::Cause {
        r#type: cause.r#type.clone(),
        message: cause.message.clone(),
        stack: cause.stack.clone(),
    });
    api::Error {
        code: problem.code.to_string(),
        message: problem.message.clone(),
        place: problem.place.clone(),
        fix: problem.fix.clone(),
        cause,
        finding: None,
    }
}

/// A status.
pub fn status(status: Status) -> api::Status {
    match status {
        Status::Running => api::Status::Running,
        Status::Succeeded => api::Status::Succeeded,
        Status::Failed => api::Status::Failed,
        Status::Cancelled => api::Status::Cancelled,
    }
}

/// A status as a filter.
pub fn engine_status(status: api::Status) -> Status {
    match status {
        api::Status::Running => Status::Running,
        api::Status::Succeeded => Status::Succeeded,
        api::Status::Failed => Status::Failed,
        api::Status::Cancelled => Status::Cancelled,
    }
}

/// A version of an app; `changed` for the answer to a deploy.
pub fn deployed(view: AppView, answers_deploy: bool) -> api::Deployed {
    api::Deployed {
        app: view.app,
        version: view.version,
        changed: answers_deploy.then_some(view.changed),
        runs: None,
        deployed_at: time(view.deployed_ms),
    }
}

/// A run in short.
pub fn state(view: &RunView) -> api::RunState {
    api::RunState {
        run: view.run.to_string(),
        status: status(view.status),
        retrying: view.retrying.iter().map(retry).collect(),
    }
}

/// A run.
pub fn run(view: &RunView) -> api::Run {
    let as_of_ms = view.at.as_ref().map(|at| at.at_ms);
    let ended_ms = view.ended_ms.or(as_of_ms).unwrap_or_else(now_ms);
    api::Run {
        run: view.run.to_string(),
        app: view.app.to_string(),
        version: view.version,
        status: status(view.status),
        outputs: outputs(&view.outputs),
        output_types: view
            .outputs
            .iter()
            .map(|o| (o.key.to_string(), o.content_type.as_str().to_owned()))
            .collect(),
        error: view.error.as_ref().map(error),
        duration_ms: ended_ms.saturating_sub(view.started_ms),
        started_at: time(view.started_ms),
        ended_at: view.ended_ms.map(time),
        sealed: view.sealed,
        incarnation: view.incarnation,
        functions: view.functions.iter().map(function).collect(),
        retrying: view.retrying.iter().map(retry).collect(),
        forked_from: view
            .forked_from
            .as_ref()
            .map(|(run, lsn)| api::ForkedFrom { run: run.to_string(), lsn: lsn_text(*lsn) }),
        at: view.at.as_deref().map(at),
    }
}

fn at(view: &AtView) -> api::RunAt {
    let call = |call: &CallAt| api::CallAt {
        invocation: call.invocation,
        function: call.function.to_string(),
        failed: call.failed,
        next_attempt_at: call.next_ms.map(time),
    };
    let state = |(state, since_ms): &(Arc<str>, u64)| api::StateAt {
        state: state.to_string(),
        since: time(*since_ms),
    };
    api::RunAt {
        lsn: lsn_text(view.lsn),
        lines: view.lines,
        time: time(view.at_ms),
        objects: view.objects,
        calls: view.calls.iter().map(call).collect(),
        code: view.code.as_ref().map(code),
        states: view.states.iter().map(state).collect(),
        tasks: view.tasks.iter().map(|(task, what)| (task.to_string(), (*what).to_owned())).collect(),
    }
}

fn code(view: &CodeAt) -> api::CodeAt {
    let command = |(command, what, since_ms, due_ms): &(u64, String, u64, Option<u64>)| api::CommandAt {
        command: *command,
        what: what.clone(),
        since: time(*since_ms),
        due: due_ms.map(time),
    };
    let news = |(at_ms, what): &(u64, String)| api::NewsAt { time: time(*at_ms), what: what.clone() };
    api::CodeAt {
        commands: view.commands,
        waiting: view.waiting.iter().map(command).collect(),
        news: view.news.iter().map(news).collect(),
        updates: view.updates.iter().map(ToString::to_string).collect(),
        end: view.end.clone(),
    }
}

fn retry(view: &RetryView) -> api::Retrying {
    let failure = &view.failure;
    api::Retrying {
        function: view.function.to_string(),
        invocation: view.invocation,
        attempts: view.attempts,
        next_attempt_at: view.next_ms.map(time),
        error: api::Cause {
            r#type: failure.r#type.clone(),
            message: failure.message.clone(),
            stack: failure.stack.clone(),
        },
    }
}

fn outputs(objects: &[ObjectView]) -> BTreeMap<String, Box<RawValue>> {
    let shown = |o: &ObjectView| (o.key.to_string(), api::value::show(o.content_type.as_str(), &o.bytes));
    objects.iter().map(shown).collect()
}

fn function(view: &FunctionView) -> api::FunctionCounts {
    api::FunctionCounts {
        function: view.function.to_string(),
        started: view.tally.started,
        succeeded: view.tally.succeeded,
        failed: view.tally.failed,
        cancelled: view.tally.cancelled,
        retried: view.tally.retried,
        running: view.running,
        queued: view.queued,
    }
}

/// A line of a history.
pub fn history(view: HistoryView) -> api::HistoryEvent {
    let HistoryView { seq, lsn, time, r#type, details } = view;
    api::HistoryEvent { seq, lsn, time, r#type, details }
}

/// A line that an attempt wrote.
pub fn log_line(line: LogLine) -> api::LogLine {
    api::LogLine {
        time: time(line.at_ms),
        function: line.function.to_string(),
        invocation: line.invocation,
        attempt: line.attempt,
        stream: line.stream.to_string(),
        text: line.text,
    }
}
