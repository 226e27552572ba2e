//! The journal as a worker gets it that has lost a workflow, or never had it.

use crate::checkpoint::{Checkpoint, object};
use crate::command::Want;
use crate::entry::{Entry, News, head};
use crate::execution::Line;
use sluice_types::{Object, ReturnValue};
use std::collections::BTreeMap;

/// Where a worker begins that does not begin at the start of the workflow.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The last checkpoint.
    pub checkpoint: Checkpoint,
    /// The input of the workflow.
    pub input: Option<ReturnValue>,
    /// Entries of the journal that come before the lines that are told.
    pub before: u64,
}

/// The arguments of a turn with everything in them: the lines of the journal in their order, of which the first `told`
/// entries were told before or are in this turn; later ones are left for the next. With an origin, what came before the
/// checkpoint is left out.
pub fn journal(
    lines: impl IntoIterator<Item = Line>,
    origin: Option<&Origin>,
    told: u64,
    turn: Option<u32>,
    seed: u64,
) -> Vec<Object> {
    retold(lines, origin, told, &BTreeMap::new(), turn, seed)
}

/// The same, for a turn in which the code is to want some commands once more.
pub fn retold(
    lines: impl IntoIterator<Item = Line>,
    origin: Option<&Origin>,
    told: u64,
    again: &BTreeMap<u64, Want>,
    turn: Option<u32>,
    seed: u64,
) -> Vec<Object> {
    let (mut entries, over, first) = match origin {
        Some(Origin { checkpoint, before, .. }) => (*before, checkpoint.entries, checkpoint.command + 1),
        None => (0, 0, 0),
    };
    let (mut objects, mut saved) = (Vec::new(), None);
    for line in lines {
        match line {
            Line::Entry(entry) => {
                entries += 1;
                if (over + 1..=told).contains(&entries) {
                    objects.push(entry.since(first).to_object());
                }
            }
            Line::Command { number, value, .. } if number + 1 == first => saved = value,
            Line::Command { number, .. } if number < first => {}
            Line::Command { number, want, digest, value } => {
                let mark = if again.contains_key(&number) { '+' } else { '=' };
                objects.push(object(format!("{mark} {digest} {want}"), value));
            }
            Line::Run(_) if origin.is_some() && entries <= over => {}
            Line::Run(id) => objects.push(object(format!("run {id}"), None)),
        }
    }
    let mut beginning = vec![head(None, turn, seed)];
    if let Some(Origin { checkpoint, input, .. }) = origin {
        let start = Entry { at_ms: checkpoint.at_ms, news: News::Started, value: input.clone() };
        beginning.extend([checkpoint.to_object(saved), start.to_object()]);
    }
    beginning.append(&mut objects);
    beginning
}

/// The arguments of a call that tells code a whole journal, to see whether it wants what the journal holds.
pub fn checked(
    lines: impl IntoIterator<Item = Line>,
    origin: Option<&Origin>,
    told: u64,
    seed: u64,
) -> Vec<Object> {
    let mut objects = journal(lines, origin, told, None, seed);
    objects[0].key = format!("check - - {seed}").into();
    objects
}
