//! `sluice runs history`: what happened in a run, and in the runs of the workflows that it called, as one list.

use crate::client::Client;
use crate::exit::Outcome;
use crate::show;
use serde_json::Value;
use sluice_api::{History, HistoryEvent};
use sluice_types::Code;
use std::collections::{BTreeMap, VecDeque};

/// The type of the events that name a called run, and the detail that does.
const CALLED: (&str, &str) = ("RunCalled", "called");

/// Prints the history of a run.
pub fn show(client: &Client, run: &str, json: bool) -> Outcome<()> {
    let histories = family(client, run)?;
    let alone = histories.len() == 1;
    let events = merged(histories);
    if json {
        let tagged = events.into_iter().map(|(of, mut event)| {
            if of != run {
                event.details.insert("run".to_owned(), of.into());
            }
            event
        });
        return show::json(&History { events: tagged.collect(), next: None });
    }
    let mut commands = Commands::default();
    let row = |(of, event): &(String, HistoryEvent)| {
        let HistoryEvent { seq, lsn, time, r#type, .. } = event;
        let details = details(event) + &commands.named(of, event);
        let mut row = vec![seq.to_string(), lsn.clone(), time.clone(), r#type.clone(), details];
        if !alone {
            row.insert(0, of.strip_prefix(run).filter(|rest| !rest.is_empty()).unwrap_or(of).to_owned());
        }
        row
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    let headings = ["RUN", "SEQ", "LSN", "TIME", "WHAT", "DETAILS"];
    show::text(&show::table(&headings[usize::from(alone)..], &rows))
}

/// The history of a run, then those of the runs that it called, and that these called. What is forgotten is left out.
fn family(client: &Client, run: &str) -> Outcome<Vec<(String, History)>> {
    let mut histories = vec![(run.to_owned(), client.history(run)?)];
    let mut called: VecDeque<String> = called_in(&histories[0].1).collect();
    while let Some(run) = called.pop_front() {
        match client.history(&run) {
            Ok(history) => {
                called.extend(called_in(&history));
                histories.push((run, history));
            }
            Err(failure) if failure.body.error.code == Code::UNKNOWN_RUN.to_string() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(histories)
}

fn called_in(history: &History) -> impl Iterator<Item = String> + '_ {
    history.events.iter().filter_map(called)
}

/// The run that an event says was called.
pub fn called(event: &HistoryEvent) -> Option<String> {
    let (r#type, detail) = CALLED;
    let named = (event.r#type == r#type).then(|| event.details.get(detail)?.as_str());
    named.flatten().map(str::to_owned)
}

/// The events of all, in the order of the log; of one record, those of the calling run come first.
fn merged(histories: Vec<(String, History)>) -> Vec<(String, HistoryEvent)> {
    let each = histories
        .into_iter()
        .flat_map(|(run, history)| history.events.into_iter().map(move |event| (run.clone(), event)));
    let mut events: Vec<_> = each.collect();
    events.sort_by(|(_, one), (_, other)| one.lsn.cmp(&other.lsn));
    events
}

fn details(event: &HistoryEvent) -> String {
    let details = event.details.iter().map(|(name, value)| match (value.as_str(), number(event, name)) {
        (Some(text), _) => format!("{name}={text}"),
        (None, Some(command)) => format!("{name}={}", show::ordinal(command)),
        (None, None) => format!("{name}={value}"),
    });
    details.collect::<Vec<_>>().join(" ")
}

/// The number of a command, if this detail of an event is one.
fn number(event: &HistoryEvent, detail: &str) -> Option<u64> {
    let is_number = detail == "command" || (detail, &*event.r#type) == ("cancelled", "CommandCancelled");
    event.details.get(detail).filter(|_| is_number)?.as_u64()
}

/// What the commands of runs want, as far as their histories have been read.
#[derive(Default)]
struct Commands(BTreeMap<(String, u64), String>);

impl Commands {
    /// What the command wants that an event tells the end of, in parentheses.
    fn named(&mut self, run: &str, event: &HistoryEvent) -> String {
        let of = |command| (run.to_owned(), command);
        let detail = match &*event.r#type {
            "CommandDone" | "CommandFailed" => "command",
            "CommandCancelled" => "cancelled",
            _ => {
                let wanted = number(event, "command").zip(wanted(event));
                self.0.extend(wanted.map(|(command, wanted)| (of(command), wanted)));
                return String::new();
            }
        };
        let ended = number(event, detail).and_then(|command| self.0.remove(&of(command)));
        ended.map(|wanted| format!(" ({wanted})")).unwrap_or_default()
    }
}

/// What an event says that a command wants.
fn wanted(event: &HistoryEvent) -> Option<String> {
    let detail = |name| event.details.get(name).and_then(Value::as_str);
    Some(match &*event.r#type {
        "CallMade" => format!("call {}", detail("function")?),
        "ChildStarted" => format!("workflow {}", detail("workflow")?),
        "PutMade" => format!("put {}/{}", detail("bucket")?, detail("key")?),
        "EmitMade" => format!("emit {}", detail("event")?),
        "TimerStarted" => "sleep".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_count_commands_from_1_and_are_told_what_they_were() {
        let mut commands = Commands::default();
        let mut told = |r#type: &str, said: Value| {
            let (lsn, time) = (String::new(), String::new());
            let said = said.as_object().unwrap().clone();
            let event = HistoryEvent { seq: 1, lsn, time, r#type: r#type.to_owned(), details: said };
            details(&event) + &commands.named("r", &event)
        };
        assert_eq!(
            told("CallMade", json!({"command": 0, "function": "charge"})),
            "command=1 function=charge"
        );
        assert_eq!(told("TimerStarted", json!({"command": 1, "ms": 5})), "command=2 ms=5");
        assert_eq!(told("CommandDone", json!({"command": 0})), "command=1 (call charge)");
        let cancelled = json!({"command": 2, "cancelled": 1});
        assert_eq!(told("CommandCancelled", cancelled), "cancelled=2 command=3 (sleep)");
        assert_eq!(told("Other", json!({"cancelled": 1})), "cancelled=1");
    }
}
