//! `sluice runs history`: what happened in a run, and in the runs of the workflows that it called, as one list.

use crate::client::Client;
use crate::exit::Outcome;
use crate::show;
use sluice_api::{History, HistoryEvent};
use sluice_types::Code;
use std::collections::VecDeque;

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
    let row = |(of, event): &(String, HistoryEvent)| {
        let HistoryEvent { seq, lsn, time, r#type, .. } = event;
        let mut row = vec![seq.to_string(), lsn.clone(), time.clone(), r#type.clone(), details(event)];
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
    let (r#type, detail) = CALLED;
    let named = move |event: &HistoryEvent| Some(event.details.get(detail)?.as_str()?.to_owned());
    history.events.iter().filter(move |event| event.r#type == r#type).filter_map(named)
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
    let details = event.details.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    details.collect::<Vec<_>>().join(" ")
}
