//! What a run that succeeded must have called, computed from the whole list of its objects in the order and at the times
//! of their arrival. Knows nothing of how conditions keep their state.

use sluice_engine::objects::{Owner, Slot};
use sluice_engine::{HistoryEntry, HistoryKind, Run};
use sluice_types::{Action, Condition, Scope, pattern};
use std::collections::BTreeMap;

/// Keys and group of one call.
pub type Expected = (Vec<String>, Option<String>);

/// The calls of every function, sorted; functions that wait for events, or for batches with a time limit, are left out.
pub fn expected_calls(run: &Run) -> BTreeMap<String, Vec<Expected>> {
    let program = run.program();
    let mut calls: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
    let arrivals = arrivals(run);
    for trigger in program.triggers.iter().filter(|trigger| trigger.scope == Scope::Run) {
        let Some(firings) = firings(&trigger.condition, &arrivals) else { continue };
        for action in &trigger.actions {
            if let Action::Invoke(function) = action {
                let name = program.functions[function.index()].name.to_string();
                calls.entry(name).or_default().extend(firings.iter().cloned());
            }
        }
    }
    calls.values_mut().for_each(|calls| calls.sort());
    calls
}

struct Arrival<'a> {
    slot: &'a Slot,
    at_ms: u64,
}

impl Arrival<'_> {
    fn key(&self) -> String {
        self.slot.object.key.to_string()
    }
}

/// In the order of their arrival: an object that was opened arrives when it is closed.
fn arrivals(run: &Run) -> Vec<Arrival<'_>> {
    let put = |entry: &HistoryEntry| match entry.kind {
        HistoryKind::ObjectPut { slot } => {
            Some(Arrival { slot: &run.slots()[slot as usize], at_ms: entry.at_ms })
        }
        _ => None,
    };
    run.history()
        .filter_map(|entry| put(&entry))
        .filter(|arrival| arrival.slot.owner != Owner::Firing)
        .collect()
}

fn firings(condition: &Condition, arrivals: &[Arrival<'_>]) -> Option<Vec<Expected>> {
    let bucket = condition.source().map(|source| source.bucket);
    let seen: Vec<_> = arrivals.iter().filter(|arrival| Some(arrival.slot.object.bucket) == bucket).collect();
    let keys: Vec<String> = seen.iter().map(|arrival| arrival.key()).collect();
    let plain = |lists: Vec<Vec<String>>| lists.into_iter().map(|list| (list, None)).collect::<Vec<_>>();
    Some(match condition {
        Condition::Each(_) => plain(keys.into_iter().map(|key| vec![key]).collect()),
        Condition::Name { glob, .. } => plain(
            keys.into_iter().filter(|key| pattern::glob_matches(glob, key)).map(|key| vec![key]).collect(),
        ),
        Condition::Set { keys: wanted, .. } => {
            let complete = wanted.iter().all(|key| keys.iter().any(|seen| **seen == **key));
            plain(complete.then(|| wanted.iter().map(|key| key.to_string()).collect()).into_iter().collect())
        }
        Condition::Batch { n, within_ms: None, .. } => {
            plain(keys.chunks(*n as usize).map(<[String]>::to_vec).collect())
        }
        Condition::First { k, .. } => {
            plain(keys.get(..*k as usize).map(<[String]>::to_vec).into_iter().collect())
        }
        Condition::Window { size_ms, slide_ms, by, .. } => windows(&seen, *size_ms, *slide_ms, by.is_some()),
        Condition::Join { of, .. } => {
            let mut list: Vec<_> =
                seen.iter().filter(|a| a.slot.function == Some(*of)).map(|a| a.key()).collect();
            list.sort();
            plain(vec![list])
        }
        Condition::Group { of, by, .. } => {
            let of: Vec<_> = seen.into_iter().filter(|a| a.slot.function == Some(*of)).collect();
            groups(&of, by.is_some())
        }
        Condition::All(parts) => {
            let firsts = parts.iter().map(|part| firings(part, arrivals)?.into_iter().next());
            let parts: Option<Vec<Expected>> = firsts.collect();
            plain(
                parts
                    .map(|parts| parts.into_iter().flat_map(|(keys, _)| keys).collect())
                    .into_iter()
                    .collect(),
            )
        }
        Condition::Any(parts) => {
            let lists: Option<Vec<_>> = parts.iter().map(|part| firings(part, arrivals)).collect();
            lists?.into_iter().flatten().collect()
        }
        Condition::Batch { .. } | Condition::Event(_) | Condition::Events { .. } | Condition::Cron { .. } => {
            return None;
        }
    })
}

fn prefix(key: &str) -> String {
    key.split('/').next().unwrap_or_default().to_owned()
}

fn windows(seen: &[&Arrival<'_>], size_ms: u64, slide_ms: u64, keyed: bool) -> Vec<Expected> {
    let mut windows: BTreeMap<(u64, Option<String>), Vec<String>> = BTreeMap::new();
    for arrival in seen {
        let starts = (0..=arrival.at_ms / slide_ms).rev().map(|number| number * slide_ms);
        for start in starts.take_while(|start| start + size_ms > arrival.at_ms) {
            let key = arrival.key();
            windows.entry((start, keyed.then(|| prefix(&key)))).or_default().push(key);
        }
    }
    windows.into_iter().map(|((_, group), keys)| (keys, group)).collect()
}

fn groups(seen: &[&Arrival<'_>], by_prefix: bool) -> Vec<Expected> {
    if seen.is_empty() {
        return vec![(Vec::new(), None)];
    }
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for arrival in seen {
        let key = arrival.key();
        let own = arrival.slot.object.group.as_ref().map_or_else(|| key.clone(), |group| group.to_string());
        groups.entry(if by_prefix { prefix(&key) } else { own }).or_default().push(key);
    }
    groups.values_mut().for_each(|keys| keys.sort());
    groups.into_iter().map(|(group, keys)| (keys, Some(group))).collect()
}
