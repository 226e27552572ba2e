//! The journal as a worker gets it that has lost a workflow, or never had it.

use crate::command::Want;
use crate::entry::head;
use crate::execution::Line;
use sluice_types::{ContentType, Object, Payload, Program, ReturnValue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The arguments of a turn with everything in them: the lines of the journal in their order, of which the first `told`
/// entries were told before or are in this turn; later ones are left for the next.
pub fn journal(
    lines: impl IntoIterator<Item = Line>,
    told: u64,
    turn: Option<u32>,
    seed: u64,
) -> Vec<Object> {
    retold(lines, told, &BTreeMap::new(), turn, seed)
}

/// The same, for a turn in which the code is to want some commands once more.
pub fn retold(
    lines: impl IntoIterator<Item = Line>,
    told: u64,
    again: &BTreeMap<u64, Want>,
    turn: Option<u32>,
    seed: u64,
) -> Vec<Object> {
    let mut objects = vec![head(None, turn, seed)];
    let mut entries = 0;
    for line in lines {
        match line {
            Line::Entry(entry) => {
                entries += 1;
                if entries <= told {
                    objects.push(entry.to_object());
                }
            }
            Line::Command { number, want, digest, value } => {
                let mark = if again.contains_key(&number) { '+' } else { '=' };
                objects.push(object(format!("{mark} {digest} {want}").into(), value));
            }
            Line::Run(id) => objects.push(object(format!("run {id}").into(), None)),
        }
    }
    objects
}

/// The arguments of a call that tells code a whole journal, to see whether it wants what the journal holds.
pub fn checked(lines: impl IntoIterator<Item = Line>, told: u64, seed: u64) -> Vec<Object> {
    let mut objects = journal(lines, told, None, seed);
    objects[0].key = format!("check - - {seed}").into();
    objects
}

fn object(key: Arc<str>, value: Option<ReturnValue>) -> Object {
    let (content_type, payload) = match value {
        Some(ReturnValue { content_type, payload }) => (content_type, payload),
        None => (ContentType::Bytes, Payload::Inline(Default::default())),
    };
    Object { bucket: Program::INPUT, key, content_type, payload, group: None, meta: None }
}
