//! The state of a condition, and how arrivals, events and time change it.

use super::all::AllState;
use super::batch::BatchState;
use super::first::FirstState;
use super::gather::GatherState;
use super::matching::sees;
use super::set::SetState;
use super::window::WindowState;
use super::{Arrival, Collected, Firing, Items};
use serde::{Deserialize, Serialize};
use sluice_types::{Condition, Evaluator, Event, Scope, pattern};
use std::sync::Arc;

/// The state of one condition of one entity. Has the shape of the condition that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// `each`, `name`, `event`, `cron`.
    Stateless,
    /// `set`
    Set(SetState),
    /// `batch`
    Batch(BatchState),
    /// `window`
    Window(WindowState),
    /// `first`
    First(FirstState),
    /// `join` and `group`
    Gather(GatherState),
    /// `all`
    All(AllState),
    /// `any`
    Any(Vec<State>),
}

impl State {
    /// The state before anything arrived.
    pub fn new(condition: &Condition, scope: Scope) -> Self {
        match condition {
            Condition::Each(_) | Condition::Name { .. } | Condition::Event(_) | Condition::Cron { .. } => {
                Self::Stateless
            }
            Condition::Set { keys, .. } => Self::Set(SetState::new(keys.len())),
            Condition::Batch { .. } => Self::Batch(BatchState::default()),
            Condition::Window { .. } => Self::Window(WindowState::default()),
            Condition::First { .. } => Self::First(FirstState::default()),
            Condition::Join { .. } | Condition::Group { .. } => Self::Gather(GatherState::default()),
            Condition::All(parts) => Self::All(AllState::new(parts, scope)),
            Condition::Any(parts) => Self::Any(parts.iter().map(|part| Self::new(part, scope)).collect()),
        }
    }

    /// An object arrives.
    pub fn arrive(
        &mut self,
        condition: &Condition,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) {
        match (self, condition) {
            (Self::All(all), Condition::All(parts)) => {
                all.step(parts, out, |state, part, inner| state.arrive(part, arrival, eval, inner));
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter_mut().zip(parts).for_each(|(state, part)| state.arrive(part, arrival, eval, out));
            }
            (state, leaf) => {
                if leaf.source().is_some_and(|source| sees(source, arrival, eval)) {
                    state.arrive_leaf(leaf, arrival, eval, out);
                }
            }
        }
    }

    fn arrive_leaf(
        &mut self,
        leaf: &Condition,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) {
        match (self, leaf) {
            (Self::Stateless, Condition::Each(_)) => out.take(Firing::of(Items::One(arrival.item))),
            (Self::Stateless, Condition::Name { glob, .. }) => {
                if pattern::glob_matches(glob, &arrival.object.key) {
                    out.take(Firing::of(Items::One(arrival.item)));
                }
            }
            (Self::Set(state), Condition::Set { keys, .. }) => state.arrive(keys, arrival, out),
            (Self::Batch(state), Condition::Batch { n, within_ms, .. }) => {
                state.arrive(*n, *within_ms, arrival, out);
            }
            (Self::Window(state), Condition::Window { size_ms, slide_ms, by, .. }) => {
                state.arrive(*size_ms, *slide_ms, by.as_ref(), arrival, eval, out);
            }
            (Self::First(state), Condition::First { k, n, .. }) => state.arrive(*k, *n, arrival, out),
            (Self::Gather(state), Condition::Join { of, .. }) => state.arrive(*of, None, arrival, eval, out),
            (Self::Gather(state), Condition::Group { of, by, .. }) => {
                state.arrive(*of, Some(by), arrival, eval, out)
            }
            (state, leaf) => panic!("state {state:?} does not belong to {leaf:?}"),
        }
    }

    /// Something happened that the leaves for which `matches` holds wait for: an event, or a point in time.
    pub fn occur(
        &mut self,
        condition: &Condition,
        event: &Arc<Event>,
        matches: &mut dyn FnMut(&Condition) -> bool,
        out: &mut Collected,
    ) {
        match (self, condition) {
            (Self::All(all), Condition::All(parts)) => {
                all.step(parts, out, |state, part, inner| state.occur(part, event, matches, inner));
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter_mut().zip(parts).for_each(|(state, part)| state.occur(part, event, matches, out));
            }
            (_, leaf) => {
                if matches(leaf) {
                    out.firings.push(Firing::of(Items::Event(event.clone())));
                }
            }
        }
    }

    /// Fires what is due.
    pub fn due(&mut self, condition: &Condition, now_ms: u64, out: &mut Collected) {
        match (self, condition) {
            (Self::Batch(state), _) => state.due(now_ms, out),
            (Self::Window(state), Condition::Window { size_ms, .. }) => state.due(*size_ms, now_ms, out),
            (Self::All(all), Condition::All(parts)) => {
                all.step(parts, out, |state, part, inner| state.due(part, now_ms, inner));
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter_mut().zip(parts).for_each(|(state, part)| state.due(part, now_ms, out));
            }
            _ => {}
        }
    }

    /// When `due` has something to do next, in milliseconds since the Unix epoch.
    pub fn deadline(&self, condition: &Condition) -> Option<u64> {
        match (self, condition) {
            (Self::Batch(state), _) => state.deadline(),
            (Self::Window(state), Condition::Window { size_ms, .. }) => state.deadline(*size_ms),
            (Self::All(all), Condition::All(parts)) => all.deadline(parts),
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter().zip(parts).filter_map(|(state, part)| state.deadline(part)).min()
            }
            _ => None,
        }
    }
}
