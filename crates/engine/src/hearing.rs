//! Which triggers may hear an event, found by its attributes instead of asked one by one.

use crate::condition::attributes_match;
use rustc_hash::FxHashMap;
use sluice_types::{Condition, EventHead, Program, TriggerIx};
use std::sync::Arc;

/// What in a pattern is special.
const WILDCARD: char = '*';

/// The event triggers of one scope, by what their patterns name.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    all: Vec<TriggerIx>,
    by_subject: FxHashMap<Arc<str>, Vec<TriggerIx>>,
    by_type: FxHashMap<Arc<str>, Vec<TriggerIx>>,
    rest: Vec<TriggerIx>,
}

/// A trigger that listens for events like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ear {
    pub trigger: TriggerIx,
    /// Whether its condition is one leaf, whose attributes are matched.
    pub attributes_match: bool,
}

impl Hearing {
    /// Adds a trigger, once for each of its leaves, in the order of triggers.
    pub fn add(&mut self, trigger: TriggerIx, leaf: &Condition) {
        let Some(pattern) = leaf.pattern() else { return };
        let named = |text: &Option<Arc<str>>| text.clone().filter(|text| !text.contains(WILDCARD));
        let list = match (named(&pattern.subject), named(&pattern.r#type)) {
            (Some(subject), _) => self.by_subject.entry(subject).or_default(),
            (None, Some(r#type)) => self.by_type.entry(r#type).or_default(),
            (None, None) => &mut self.rest,
        };
        for list in [list, &mut self.all] {
            if list.last() != Some(&trigger) {
                list.push(trigger);
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> &[TriggerIx] {
        &self.all
    }

    /// Those that may hear events with this head, in the order of triggers.
    pub fn of(&self, program: &Program, head: &EventHead) -> Vec<Ear> {
        let subject = head.subject.as_ref().and_then(|subject| self.by_subject.get(subject));
        let lists = [subject, self.by_type.get(&head.r#type), Some(&self.rest)];
        let mut triggers: Vec<TriggerIx> = lists.into_iter().flatten().flatten().copied().collect();
        triggers.sort_unstable();
        triggers.dedup();
        let ear = |trigger: TriggerIx| {
            let condition = &program.triggers[trigger.index()].condition;
            match condition.pattern() {
                Some(pattern) => {
                    attributes_match(pattern, head).then_some(Ear { trigger, attributes_match: true })
                }
                None => Some(Ear { trigger, attributes_match: false }),
            }
        };
        triggers.into_iter().filter_map(ear).collect()
    }
}
