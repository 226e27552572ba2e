//! A run as it stands, or stood right after a record, for people.

use crate::client::Client;
use crate::exit::Outcome;
use crate::{outputs, show, watch};
use sluice_api::{CodeAt, CommandAt, ForkedFrom, Run, RunAt};
use sluice_types::Code;
use std::time::Duration;

/// Most runs that a run has called that are named.
const NAMED_MAX: usize = 5;
/// Most pages of its history in which they are looked for.
const PAGES_MAX: usize = 20;

/// Prints a run.
pub fn show(client: &Client, run: &Run) -> Outcome<()> {
    show::line(&watch::summary(run))?;
    show::line(&format!("  app {}, version {}", run.app, run.version))?;
    run.retrying.iter().try_for_each(|retrying| show::line(&format!("  {}", watch::retry(retrying))))?;
    if let Some(ForkedFrom { run, lsn }) = &run.forked_from {
        show::line(&format!("  forked from {run} at {lsn}"))?;
    }
    match Called::by(client, run).and_then(|called| called.line(client, run.at.is_some())) {
        Ok(line) => line.iter().try_for_each(|line| show::line(line))?,
        // The run itself is known all the same.
        Err(failure) => show::line(&format!("  what it has called: {}", failure.body.error.message))?,
    }
    run.at.iter().try_for_each(at)?;
    outputs::print(run)
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
    at.tasks.iter().try_for_each(|(task, what)| show::line(&format!("  {task} {what}")))?;
    at.code.iter().flat_map(code).try_for_each(|line| show::line(&format!("  {line}")))
}

/// Where code was.
fn code(code: &CodeAt) -> Vec<String> {
    let mut lines = vec![format!("{} commands so far", code.commands)];
    lines.extend(code.waiting.iter().map(|CommandAt { command, what, since, due }| {
        let due = due.iter().map(|due| format!(", due {due}")).collect::<String>();
        format!("waits for command {}, {what}, since {since}{due}", show::ordinal(*command))
    }));
    lines.extend(code.news.iter().map(|news| format!("{} {}", news.time, happened(&news.what))));
    lines.extend(code.updates.iter().map(|update| format!("update {update} waits for its answer")));
    lines.extend(code.end.iter().map(|end| format!("ended: {end}")));
    if code.waiting.is_empty() && code.end.is_none() {
        lines.push("waits for no command: the code runs, or waits for an event".to_owned());
    }
    lines
}

/// What had happened, with the number of the command as people count.
fn happened(what: &str) -> String {
    let of_command = what.split_once(' ').filter(|(verb, _)| matches!(*verb, "done" | "failed"));
    match of_command.and_then(|(verb, number)| Some((verb, number.parse().ok()?))) {
        Some((verb, number)) => format!("command {} {verb}", show::ordinal(number)),
        None => what.to_owned(),
    }
}

/// The runs that a run has called.
struct Called {
    ids: Vec<String>,
    /// Whether there are no others.
    are_all: bool,
}

impl Called {
    /// Those of which a run's history tells, up to the record that it is shown at.
    fn by(client: &Client, run: &Run) -> Outcome<Self> {
        let (mut ids, mut after) = (Vec::new(), 0);
        let last = run.at.as_ref().map(|at| &at.lsn);
        for _ in 0..PAGES_MAX {
            let page = client.history_page(&run.run, after)?;
            let until = page.events.iter().filter(|event| last.is_none_or(|last| event.lsn <= *last));
            ids.extend(until.filter_map(super::history::called));
            let is_past = page.events.last().is_none_or(|event| last.is_some_and(|last| event.lsn > *last));
            match page.next.filter(|next| *next > after && !is_past) {
                Some(next) => after = next,
                None => return Ok(Self { ids, are_all: true }),
            }
        }
        Ok(Self { ids, are_all: false })
    }

    /// The latest of them, if there are any; how they stand, unless the run is shown as it `was`.
    fn line(&self, client: &Client, was: bool) -> Outcome<Option<String>> {
        if self.ids.is_empty() {
            return Ok((!self.are_all).then(|| "  called no run early in its long history".to_owned()));
        }
        let (rest, named) = self.ids.split_at(self.ids.len().saturating_sub(NAMED_MAX));
        let mut told = Vec::new();
        for id in named {
            told.push(if was { id.clone() } else { format!("{id} ({})", status(client, id)?) });
        }
        let rest = match (rest.len(), self.are_all) {
            (0, true) => String::new(),
            (0, false) => " and maybe more".to_owned(),
            (count, true) => format!(" and {count} more"),
            (count, false) => format!(" and {count} more, at least"),
        };
        Ok(Some(format!("  called {}{rest}", told.join(", "))))
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
            waiting: vec![CommandAt { command: 2, what: "sleep 10".to_owned(), since, due }],
            news: ["done 0", "failed 1", "signal done 1", "start"]
                .map(|what| NewsAt { time: "T".to_owned(), what: what.to_owned() })
                .into(),
            updates: vec!["u".to_owned()],
            end: None,
        };
        let told = [
            "3 commands so far",
            "waits for command 3, sleep 10, since S, due D",
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
}
