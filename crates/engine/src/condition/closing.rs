//! What conditions do when nothing more can arrive, and what they then lack.

use super::all::AllState;
use super::{Collected, State};
use sluice_types::{Condition, EventList};
use std::sync::Arc;

/// What a condition lacks that can come no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// A `set` lacks these keys.
    Set(Vec<Arc<str>>),
    /// A `first` got this many of the objects it needs.
    First {
        /// Objects that arrived.
        arrived: u32,
        /// Objects needed.
        needed: u32,
    },
    /// Parts of an `all`, by position, can fire no more.
    All(Vec<usize>),
}

impl State {
    /// Fires what the leaves for which `closes` holds still have: remainders of batches and windows, joins and groups.
    pub fn close<'a>(
        &mut self,
        condition: &Condition,
        closes: &dyn Fn(&Condition) -> bool,
        key_of: &dyn Fn(u32) -> &'a str,
        out: &mut Collected,
    ) {
        match (self, condition) {
            (Self::All(all), Condition::All(parts)) => {
                all.step(parts, out, |state, part, inner| state.close(part, closes, key_of, inner));
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter_mut().zip(parts).for_each(|(state, part)| state.close(part, closes, key_of, out));
            }
            (_, leaf) if !closes(leaf) => {}
            (Self::Batch(state), _) => state.flush(out),
            (Self::Window(state), _) => state.flush(out),
            (Self::Gather(state), Condition::Join { .. }) => state.close_join(key_of, out),
            (Self::Gather(state), _) => state.close_group(key_of, out),
            _ => {}
        }
    }

    /// What keeps a condition that never fired from ever doing so, given which leaves see nothing more. `each`, `name`,
    /// `batch` and `window` need nothing, unless they are parts of an `all`.
    pub fn lacking(&self, condition: &Condition, closed: &dyn Fn(&Condition) -> bool) -> Option<Incomplete> {
        match (self, condition) {
            (Self::Set(state), Condition::Set { keys, .. }) => {
                (!state.fired && closed(condition)).then(|| Incomplete::Set(state.missing(keys)))
            }
            (Self::First(state), Condition::First { k, .. }) => (!state.fired && closed(condition))
                .then_some(Incomplete::First { arrived: state.arrived, needed: *k }),
            (Self::All(all), Condition::All(parts)) => all.lacking(parts, closed),
            (Self::Any(states), Condition::Any(parts)) => {
                let stuck = states.iter().zip(parts).all(|(state, part)| !state.can_fire(part, closed));
                let mut lacking =
                    states.iter().zip(parts).filter_map(|(state, part)| state.lacking(part, closed));
                stuck.then(|| lacking.next()).flatten()
            }
            _ => None,
        }
    }

    /// Whether a condition that has not fired still may.
    fn can_fire(&self, condition: &Condition, closed: &dyn Fn(&Condition) -> bool) -> bool {
        match (self, condition) {
            (Self::All(all), Condition::All(parts)) => all.stuck(parts, closed).is_empty(),
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter().zip(parts).any(|(state, part)| state.can_fire(part, closed))
            }
            (_, leaf) => !closed(leaf),
        }
    }

    /// Whether nothing that still arrives can change what this run-scoped condition does.
    pub fn is_satisfied(&self) -> bool {
        match self {
            Self::Set(state) => state.fired,
            Self::First(state) => state.fired,
            Self::EventFirst(state) => state.fired,
            Self::All(state) => state.fired,
            Self::Gather(state) => state.concluded,
            Self::Any(states) => states.iter().all(Self::is_satisfied),
            Self::Stateless
            | Self::Batch(_)
            | Self::Window(_)
            | Self::EventBatch(_)
            | Self::EventWindow(_) => false,
        }
    }

    /// Visits every list of events that is being collected, or waits in an `all`.
    pub(crate) fn each_list(&self, visit: &mut dyn FnMut(&EventList)) {
        match self {
            Self::EventBatch(state) => visit(&state.items),
            Self::EventWindow(state) => state.0.values().for_each(visit),
            Self::EventFirst(state) => visit(&state.items),
            Self::All(state) => {
                for part in &state.parts {
                    part.state.each_list(visit);
                    part.fired.iter().for_each(|items| items.each_list(visit));
                }
            }
            Self::Any(states) => states.iter().for_each(|state| state.each_list(visit)),
            _ => {}
        }
    }

    /// Visits every item that buffers hold, once per reference.
    pub fn each_held(&self, visit: &mut dyn FnMut(u32)) {
        match self {
            Self::Stateless | Self::EventBatch(_) | Self::EventWindow(_) | Self::EventFirst(_) => {}
            Self::Set(state) => state.arrived.iter().flatten().for_each(|item| visit(*item)),
            Self::Batch(state) => state.items.iter().for_each(|item| visit(*item)),
            Self::Window(state) => state.0.values().flatten().for_each(|item| visit(*item)),
            Self::First(state) => state.items.iter().for_each(|item| visit(*item)),
            Self::Gather(state) => state.items.iter().for_each(|(_, item)| visit(*item)),
            Self::All(state) => state.each_held(visit),
            Self::Any(states) => states.iter().for_each(|state| state.each_held(visit)),
        }
    }
}

impl AllState {
    fn stuck(&self, conditions: &[Condition], closed: &dyn Fn(&Condition) -> bool) -> Vec<usize> {
        let parts = self.parts.iter().zip(conditions).enumerate();
        let stuck = parts
            .filter(|(_, (part, condition))| part.fired.is_none() && !part.state.can_fire(condition, closed));
        stuck.map(|(at, _)| at).collect()
    }

    fn lacking(&self, conditions: &[Condition], closed: &dyn Fn(&Condition) -> bool) -> Option<Incomplete> {
        if self.fired {
            return None;
        }
        let stuck = self.stuck(conditions, closed);
        let first = *stuck.first()?;
        let named = self.parts[first].state.lacking(&conditions[first], closed);
        Some(named.unwrap_or(Incomplete::All(stuck)))
    }
}
