//! Watching a run until it ends, with progress on stderr.

use crate::client::Client;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_api::{FunctionCounts, Retrying, Run};
use sluice_types::Code;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two looks at a run: bounds how old the progress is and how long Ctrl-C takes.
const PERIOD: Duration = Duration::from_millis(200);
/// Least time between two lines of progress where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(2);
/// How long a run that is being cancelled may take to end.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// Most lines of log that are shown of a run that has ended.
const LOG_LINES_MAX: usize = 200;

/// The run once it has ended. On Ctrl-C it is cancelled, and that is the failure.
pub fn until_ended(client: &Client, run: &str, interrupt: &Interrupt) -> Outcome<Run> {
    let mut progress = Progress::new();
    loop {
        let seen = client.run(run, PERIOD)?;
        if seen.status.has_ended() {
            progress.end();
            return Ok(seen);
        }
        if interrupt.is_set() {
            progress.end();
            return Err(cancel(client, run));
        }
        progress.show(&seen);
    }
}

/// What the functions said, on stderr: the last lines, if they are many.
pub fn show_logs(client: &Client, run: &str) -> Outcome<()> {
    let logs = client.logs(run)?;
    let lines = logs.lines.iter().flat_map(|said| said.lines().map(move |text| (&said.function, text)));
    let skipped = lines.clone().count().saturating_sub(LOG_LINES_MAX);
    if skipped > 0 {
        eprintln!("({skipped} earlier lines of log are left out)");
    }
    for (function, text) in lines.skip(skipped) {
        eprintln!("{function}: {text}");
    }
    Ok(())
}

fn cancel(client: &Client, run: &str) -> Failure {
    let cancelled =
        client.cancel(run, "interrupted by the user").and_then(|_| client.run(run, CANCEL_PATIENCE));
    let message = match cancelled {
        Ok(seen) if seen.status.has_ended() => format!("interrupted; run {run} is {}", seen.status),
        Ok(_) => format!("interrupted; run {run} is being cancelled"),
        Err(failure) => {
            format!("interrupted; run {run} could not be cancelled: {}", failure.body.error.message)
        }
    };
    Failure::new(Code::INTERRUPTED, message, "start it again when you like")
}

enum Progress {
    /// One bar per function.
    Bars { all: MultiProgress, bars: Vec<ProgressBar>, idle: ProgressBar },
    /// Lines now and then.
    Lines { started: Instant, told: Instant, last: String },
}

impl Progress {
    fn new() -> Self {
        if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let idle = all.add(ProgressBar::no_length().with_style(style("{msg}")));
            return Self::Bars { all, bars: Vec::new(), idle };
        }
        Self::Lines { started: Instant::now(), told: Instant::now(), last: String::new() }
    }

    fn show(&mut self, run: &Run) {
        match self {
            Self::Bars { all, bars, idle: waits } => {
                while bars.len() < run.functions.len() {
                    bars.push(all.insert_before(waits, bar()));
                }
                waits.set_message(idle(run));
                for (bar, counts) in bars.iter().zip(&run.functions) {
                    bar.set_prefix(counts.function.clone());
                    bar.set_length(counts.started.into());
                    bar.set_position(done(counts).into());
                    bar.set_message(state(counts));
                }
            }
            Self::Lines { started, told, last } => {
                let retries = run.retrying.iter().map(|retrying| format!("\n       {}", retry(retrying)));
                let line = [line(run), idle(run).to_owned()].join(" ").trim().to_owned()
                    + &retries.collect::<String>();
                if told.elapsed() >= LINE_PERIOD && line != *last {
                    eprintln!("{:>4}s  {line}", started.elapsed().as_secs());
                    (*told, *last) = (Instant::now(), line);
                }
            }
        }
    }

    fn end(&mut self) {
        if let Self::Bars { bars, idle, .. } = self {
            bars.iter().chain([&*idle]).for_each(ProgressBar::finish_and_clear);
        }
    }
}

fn bar() -> ProgressBar {
    ProgressBar::new(0).with_style(style("{prefix:>20} {bar:24} {pos}/{len} {msg}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is to be said of a run in which no call is under way.
fn idle(run: &Run) -> &'static str {
    let is_idle = run.functions.iter().all(|counts| counts.running + counts.queued == 0);
    if is_idle && run.retrying.is_empty() {
        "(no call is under way: it waits for a time or an event, or its next calls are about to start)"
    } else {
        ""
    }
}

fn done(counts: &FunctionCounts) -> u32 {
    counts.succeeded + counts.failed + counts.cancelled
}

/// What is under way and what went wrong, as far as there is any.
fn state(counts: &FunctionCounts) -> String {
    let parts = [
        (counts.running, "running"),
        (counts.queued, "queued"),
        (counts.retried, "retried"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

fn line(run: &Run) -> String {
    let function = |counts: &FunctionCounts| {
        let state = state(counts);
        let state = if state.is_empty() { state } else { format!(" ({state})") };
        format!("{} {}/{}{state}", counts.function, done(counts), counts.started)
    };
    let begun = run.functions.iter().filter(|counts| counts.started > 0);
    begun.map(function).collect::<Vec<_>>().join(" · ")
}

/// What failed and is tried again, for people.
pub fn retry(retrying: &Retrying) -> String {
    let Retrying { function, attempts, next_attempt_at, error, .. } = retrying;
    let when = match next_attempt_at {
        Some(at) => format!("attempt {} at {at}", attempts + 1),
        None => format!("attempt {} is under way", attempts + 1),
    };
    format!("{function} failed: {}: {}; {when}", error.r#type, error.message)
}

/// The last line for people: how it ended, and what it took.
pub fn summary(run: &Run) -> String {
    let line = line(run);
    let separator = if line.is_empty() { "" } else { " · " };
    format!("{} {} in {}{separator}{line}", run.run, run.status, seconds(run.duration_ms))
}

/// A duration for people.
pub fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_by_function() {
        let count = FunctionCounts {
            function: "count".into(),
            started: 9,
            succeeded: 4,
            failed: 1,
            running: 2,
            queued: 2,
            retried: 3,
            ..FunctionCounts::default()
        };
        assert_eq!(state(&count), "2 running, 2 queued, 3 retried, 1 failed");
        assert_eq!(done(&count), 5);
        assert_eq!(state(&FunctionCounts { started: 1, succeeded: 1, ..FunctionCounts::default() }), "");
        assert_eq!(seconds(12_034), "12.034 s");
    }
}
