//! What the states of a workflow do, in words.

use super::words::amount_ms;
use crate::states::called;
use sluice_asl::execution::{Resource, Target, Wait as Ends};
use sluice_asl::machine::{Items, Kind, Map, MapMode, Retrier, Setting, State, Task, Wait};
use sluice_asl::{Expression, Template};
use std::fmt::Display;

/// What a state does with the token; of `Map`, what there is a token for.
pub(super) fn what(state: &State) -> String {
    match &state.kind {
        Kind::Pass { result: Some(_) } => "pass on what is written down".to_owned(),
        Kind::Pass { result: None } if state.arguments.is_some() || state.output.is_some() => {
            "compute what is passed on".to_owned()
        }
        Kind::Pass { result: None } => "pass its input on".to_owned(),
        Kind::Task(task) => task_words(state, task),
        Kind::Wait(Wait::Seconds(seconds)) => match seconds {
            Setting::Fixed(seconds) => format!("wait {}", amount_ms(seconds.saturating_mul(1000))),
            Setting::Computed(expression) => format!("wait {} seconds", quoted(expression)),
        },
        Kind::Wait(Wait::Timestamp(time)) => format!("wait until {}", setting(time)),
        Kind::Fail { error, cause } => {
            let error = error.as_ref().map_or(String::new(), |error| format!(" with {}", setting(error)));
            let cause = cause.as_ref().map_or(String::new(), |cause| format!(", because {}", setting(cause)));
            format!("fail{error}{cause}")
        }
        Kind::Map(map) => map_words(map),
        Kind::Choice { .. } | Kind::Succeed | Kind::Parallel { .. } => String::new(),
    }
}

fn task_words(state: &State, task: &Task) -> String {
    let resource = Resource::parse(&task.resource);
    let mut words = match resource.target {
        Target::Function(_) | Target::Lambda(_) => function_words(state),
        Target::Integration { service: "sluice" | "lambda", action: "invoke", .. } => function_words(state),
        Target::Activity(arn) => {
            format!("have a worker do the activity {}", arn.rsplit(':').next().unwrap_or(arn))
        }
        Target::Integration { service: "states", action: "startExecution", .. } => {
            "start an execution of another state machine".to_owned()
        }
        Target::Integration { service, action, .. } => format!("ask {service} for {action}"),
    };
    match (resource.callback, resource.wait) {
        (true, _) => words += " and wait until somebody reports with its token",
        (false, Ends::Sync | Ends::Sync2) => words += " and wait for its end",
        (false, Ends::None) => {}
    }
    if let Some(timeout) = &task.timeout_seconds {
        words += &format!(", for at most {}", seconds(timeout));
    }
    if let Some(heartbeat) = &task.heartbeat_seconds {
        words += &format!(", with a heartbeat every {}", seconds(heartbeat));
    }
    words
}

fn function_words(state: &State) -> String {
    let kind = |is_lambda| if is_lambda { "the Lambda function " } else { "" };
    match called(state) {
        Some(called) => match called.name {
            Some(name) => format!("call {}{name}", kind(called.is_lambda)),
            None => "call the function that its arguments name".to_owned(),
        },
        None => "call a function".to_owned(),
    }
}

/// For what there is a token, and how many at once.
fn map_words(map: &Map) -> String {
    let item = if map.batcher.is_some() { "each batch of items" } else { "each item" };
    let source = match (&map.reader, &map.items) {
        (Some(reader), _) => {
            let action = reader.resource.rsplit(":::").next().unwrap_or(&reader.resource);
            format!(" that {action} reads")
        }
        (None, Some(Items::Path(path))) => format!(" of `{}`", path.source()),
        (None, Some(Items::Template(Template::Computed(expression)))) => {
            format!(" of {}", quoted(expression))
        }
        (None, Some(Items::Template(_))) => " of a list".to_owned(),
        (None, None) => " of its input".to_owned(),
    };
    let mut words = format!("{item}{source}");
    match &map.max_concurrency {
        Setting::Fixed(0) => {}
        most => words += &format!(", at most {} at once", setting(most)),
    }
    if matches!(map.mode, MapMode::Distributed { .. }) {
        words += ", each an execution of its own";
    }
    if let Some(count) = &map.tolerated_failure_count {
        words += &format!(", of which {} may fail", setting(count));
    }
    if let Some(percentage) = &map.tolerated_failure_percentage {
        words += &format!(", of which {} % may fail", setting(percentage));
    }
    words
}

/// How a state is tried again.
pub(super) fn retrier(retry: &Retrier) -> String {
    if retry.max_attempts == 0 {
        return "not again".to_owned();
    }
    let times = match retry.max_attempts {
        1 => "once".to_owned(),
        most => format!("up to {most} times"),
    };
    let mut words = format!("again {times}, after {}", amount_ms(retry.interval_seconds * 1000));
    if retry.max_attempts > 1 && retry.backoff_rate > 1.0 {
        words += &format!(", each time {} times as long", retry.backoff_rate);
    }
    if let Some(most) = retry.max_delay_seconds {
        words += &format!(", {} at most", amount_ms(most * 1000));
    }
    if retry.jitter {
        words += ", or any time less";
    }
    words
}

fn seconds(value: &Setting<u64>) -> String {
    match value {
        Setting::Fixed(seconds) => amount_ms(seconds.saturating_mul(1000)),
        Setting::Computed(expression) => format!("{} seconds", quoted(expression)),
    }
}

fn setting<T: Display>(value: &Setting<T>) -> String {
    match value {
        Setting::Fixed(value) => value.to_string(),
        Setting::Computed(expression) => quoted(expression),
    }
}

fn quoted(expression: &Expression) -> String {
    format!("`{}`", expression.source())
}
