//! A run as it stands, or stood right after a record, for people.

use crate::client::Client;
use crate::exit::Outcome;
use crate::{outputs, show, watch};
use sluice_api::{CodeAt, CommandAt, ForkedFrom, Run, RunAt};
use sluice_types::Code;
use std::time::Duration;

/// Most runs that a run has called, and most of each kind that it waits for, that are named.
const NAMED_MAX: usize = 5;
/// Most pages of its history that are read for that.
const PAGES_MAX: usize = 20;

/// Prints a run.
pub fn show(client: &Client, run: &Run) -> Outcome<()> {
    show::line(&watch::summary(run))?;
    show::line(&format!("  app {}, version {}", run.app, run.version))?;
    run.retrying.iter().try_for_each(|retrying| show::line(&format!("  {}", watch::retry(retrying))))?;
    if let Some(ForkedFrom { run, lsn }) = &run.forked_from {
        show::line(&format!("  forked from {run} at {lsn}"))?;
    }
    match told(client, run) {
        Ok(lines) => lines.iter().try_for_each(|line| show::line(&format!("  {line}")))?,
        // The run itself is known all the same.
        Err(failure) => show::line(&format!("  its history: {}", failure.body.error.message))?,
    }
    run.at.iter().try_for_each(at)?;
    outputs::print(run)
}

/// What its history says beyond the run itself: what it has called and, unless it is shown as it was, waits for.
fn told(client: &Client, run: &Run) -> Outcome<Vec<String>> {
    let history = History::of(client, run)?;
    let mut lines: Vec<String> = history.called_line(client, run.at.is_some())?.into_iter().collect();
    let goes_on = !run.status.has_ended() && run.retrying.is_empty() && run.at.is_none();
    if let Some(last) = history.last.filter(|_| goes_on) {
        let now = client.run_at(&run.run, &last)?;
        lines.extend(now.at.iter().flat_map(|at| waits(&run.run, at)));
    }
    Ok(lines)
}

/// What a run waits for beside the calls that it counts, the first few of each kind.
fn waits(run: &str, at: &RunAt) -> Vec<String> {
    let states = at.states.iter().map(|state| format!("in state {} since {}", state.state, state.since));
    let tasks = at.tasks.iter().filter_map(|(task, what)| match happened_to(what) {
        "ready" => Some(format!("task {task} waits for its turn")),
        "started" => Some(format!("task {task} is under way")),
        _ => None,
    });
    let (mut lines, tasks) = (few(states.collect()), few(tasks.collect()));
    lines.extend(tasks);
    if let Some(code) = at.code.as_ref().filter(|code| code.end.is_none()) {
        let is_call = |command: &&CommandAt| command.what.starts_with("call ");
        let others = code.waiting.iter().filter(|command| !is_call(command));
        lines.extend(few(others.map(waiting).collect()));
        if !code.waiting.iter().any(|command| is_call(&command)) {
            lines.push(format!(
                "`sluice runs query {run} sluice.waiting` tells which events it waits for, if any"
            ));
        }
    }
    lines
}

/// The first lines, and how many there are beyond.
fn few(mut lines: Vec<String>) -> Vec<String> {
    let beyond = lines.len().saturating_sub(NAMED_MAX);
    lines.truncate(NAMED_MAX);
    lines.extend((beyond > 0).then(|| format!("and {beyond} more")));
    lines
}

/// What was under way at a record.
fn at(at: &RunAt) -> Outcome<()> {
    show::line(&format!("  at {}, {}, {} lines, {} objects", at.lsn, at.time, at.lines, at.objects))?;
    for call in &at.calls {
        let next = call.next_attempt_at.iter().map(|time| format!(", next attempt at {time}"));
        let next = next.collect::<String>();
        show::line(&format!("  call {}#{}, {} failed{next}", call.function, call.invocation, call.failed))?;
    }
    for state in &at.states {
        show::line(&format!("  in state {} since {}", state.state, state.since))?;
    }
    at.tasks
        .iter()
        .try_for_each(|(task, what)| show::line(&format!("  task {task} {}", happened_to(what))))?;
    at.code.iter().flat_map(code).try_for_each(|line| show::line(&format!("  {line}")))
}

/// Where code was.
fn code(code: &CodeAt) -> Vec<String> {
    let mut lines = vec![format!("{} commands so far", code.commands)];
    lines.extend(code.waiting.iter().map(waiting));
    lines.extend(code.news.iter().map(|news| format!("{} {}", news.time, happened(&news.what))));
    lines.extend(code.updates.iter().map(|update| format!("update {update} waits for its answer")));
    lines.extend(code.end.iter().map(|end| format!("ended: {end}")));
    if code.waiting.is_empty() && code.end.is_none() {
        lines.push("waits for no command: the code runs, or waits for an event".to_owned());
    }
    lines
}

fn waiting(CommandAt { command, what, since, due }: &CommandAt) -> String {
    let due = due.iter().map(|due| format!(", due {due}")).collect::<String>();
    let slept = what.strip_prefix("sleep ").and_then(|ms| ms.parse().ok());
    let what = slept.map_or_else(|| what.clone(), |ms| format!("timer of {}", watch::seconds(ms)));
    format!("waits for command {}, {what}, since {since}{due}", show::ordinal(*command))
}

/// What had happened to a task, from the name that its line in the history has.
fn happened_to(what: &str) -> &str {
    match what {
        "TaskReady" => "ready",
        "TaskStarted" => "started",
        "TaskSucceeded" => "succeeded",
        "TaskFailed" => "failed",
        "TaskUpstreamFailed" => "not started: one before it failed",
        "TaskSkipped" => "skipped",
        other => other,
    }
}

/// What had happened, with the number of the command as people count.
fn happened(what: &str) -> String {
    let of_command = what.split_once(' ').filter(|(verb, _)| matches!(*verb, "done" | "failed"));
    match of_command.and_then(|(verb, number)| Some((verb, number.parse().ok()?))) {
        Some((verb, number)) => format!("command {} {verb}", show::ordinal(number)),
        None => what.to_owned(),
    }
}

/// What a run's history tells of it, up to the record that it is shown at.
struct History {
    /// The runs that it has called.
    called: Vec<String>,
    /// Its last record, if the history was read to its end.
    last: Option<String>,
}

impl History {
    fn of(client: &Client, run: &Run) -> Outcome<Self> {
        let (mut called, mut read_to, mut after) = (Vec::new(), None, 0);
        let last = run.at.as_ref().map(|at| &at.lsn);
        for _ in 0..PAGES_MAX {
            let page = client.history_page(&run.run, after)?;
            let until = page.events.iter().filter(|event| last.is_none_or(|last| event.lsn <= *last));
            called.extend(until.filter_map(super::history::called));
            let is_past = page.events.last().is_none_or(|event| last.is_some_and(|last| event.lsn > *last));
            read_to = page.events.last().map(|event| event.lsn.clone()).or(read_to);
            match page.next.filter(|next| *next > after && !is_past) {
                Some(next) => after = next,
                None => return Ok(Self { called, last: read_to }),
            }
        }
        Ok(Self { called, last: None })
    }

    /// The latest of them, if there are any; how they stand, unless the run is shown as it `was`.
    fn called_line(&self, client: &Client, was: bool) -> Outcome<Option<String>> {
        let are_all = self.last.is_some();
        if self.called.is_empty() {
            return Ok((!are_all).then(|| "called no run early in its long history".to_owned()));
        }
        let (rest, named) = self.called.split_at(self.called.len().saturating_sub(NAMED_MAX));
        let mut told = Vec::new();
        for id in named {
            told.push(if was { id.clone() } else { format!("{id} ({})", status(client, id)?) });
        }
        let rest = match (rest.len(), are_all) {
            (0, true) => String::new(),
            (0, false) => " and maybe more".to_owned(),
            (count, true) => format!(" and {count} more"),
            (count, false) => format!(" and {count} more, at least"),
        };
        Ok(Some(format!("called {}{rest}", told.join(", "))))
    }
}

fn status(client: &Client, run: &str) -> Outcome<String> {
    match client.run(run, Duration::ZERO) {
        Ok(run) => Ok(run.status.to_string()),
        Err(failure) if failure.body.error.code == Code::UNKNOWN_RUN.to_string() => {
            Ok("forgotten".to_owned())
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::NewsAt;

    #[test]
    fn people_count_commands_from_1() {
        let (since, due) = ("S".to_owned(), Some("D".to_owned()));
        let at = CodeAt {
            commands: 3,
            waiting: vec![CommandAt { command: 2, what: "sleep 10000".to_owned(), since, due }],
            news: ["done 0", "failed 1", "signal done 1", "start"]
                .map(|what| NewsAt { time: "T".to_owned(), what: what.to_owned() })
                .into(),
            updates: vec!["u".to_owned()],
            end: None,
        };
        let told = [
            "3 commands so far",
            "waits for command 3, timer of 10.000 s, since S, due D",
            "T command 1 done",
            "T command 2 failed",
            "T signal done 1",
            "T start",
            "update u waits for its answer",
        ];
        assert_eq!(code(&at), told);
        let at = CodeAt { waiting: Vec::new(), news: Vec::new(), updates: Vec::new(), ..at };
        let told = ["3 commands so far", "waits for no command: the code runs, or waits for an event"];
        assert_eq!(code(&at), told);
    }

    #[test]
    fn what_a_run_waits_for_is_told_in_a_few_lines() {
        let command = |number, what: &str| CommandAt {
            command: number,
            what: what.to_owned(),
            since: "S".to_owned(),
            due: None,
        };
        let code = CodeAt {
            commands: 8,
            waiting: (0..7).map(|at| command(at, "workflow w")).collect(),
            news: Vec::new(),
            updates: Vec::new(),
            end: None,
        };
        let mut at = RunAt {
            lsn: "L".to_owned(),
            lines: 9,
            time: "T".to_owned(),
            objects: 0,
            calls: Vec::new(),
            code: Some(code.clone()),
            states: Vec::new(),
            tasks: [("a", "TaskSucceeded"), ("b", "TaskReady"), ("c", "TaskStarted")]
                .map(|(task, what)| (task.to_owned(), what.to_owned()))
                .into(),
        };
        let told = waits("r", &at);
        assert_eq!(told[..2], ["task b waits for its turn", "task c is under way"]);
        assert_eq!(told[2], "waits for command 1, workflow w, since S");
        assert_eq!(told[6..8], ["waits for command 5, workflow w, since S", "and 2 more"]);
        assert_eq!(
            told[8..],
            ["`sluice runs query r sluice.waiting` tells which events it waits for, if any"]
        );
        // A call is among the counts of the run's functions.
        at.tasks.clear();
        at.code = Some(CodeAt { waiting: vec![command(0, "call f")], ..code });
        assert_eq!(waits("r", &at), [""; 0]);
    }
}
