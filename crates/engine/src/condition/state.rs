//! The state of a condition, and how arrivals, events and time change it.

use super::all::AllState;
use super::batch::BatchState;
use super::first::FirstState;
use super::gather::GatherState;
use super::matching::sees;
use super::set::SetState;
use super::window::{Stretch, WindowState};
use super::{Arrival, Collected, Firing, Items};
use serde::{Deserialize, Serialize};
use sluice_types::{Condition, Evaluator, EventList, Expr, Gathering, Scope, pattern};
use std::sync::Arc;

/// The state of one condition of one entity. Has the shape of the condition that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// `each`, `name`, `event`, `cron`.
    Stateless,
    /// `set`
    Set(SetState),
    /// `batch`
    Batch(BatchState<Vec<u32>>),
    /// `window`
    Window(WindowState<Vec<u32>>),
    /// `first`
    First(FirstState<Vec<u32>>),
    /// `join` and `group`
    Gather(GatherState),
    /// `all`
    All(AllState),
    /// `any`
    Any(Vec<State>),
    /// `batch` over events
    EventBatch(BatchState<EventList>),
    /// `window` over events
    EventWindow(WindowState<EventList>),
    /// `first` over events
    EventFirst(FirstState<EventList>),
}

impl State {
    /// The state before anything arrived.
    pub fn new(condition: &Condition, scope: Scope) -> Self {
        match condition {
            Condition::Each(_) | Condition::Name { .. } | Condition::Event(_) | Condition::Cron { .. } => {
                Self::Stateless
            }
            Condition::Set { keys, .. } => Self::Set(SetState::new(keys.len())),
            Condition::Batch { .. } => Self::Batch(BatchState::new(scope)),
            Condition::Window { .. } => Self::Window(WindowState::default()),
            Condition::First { .. } => Self::First(FirstState::new(scope)),
            Condition::Join { .. } | Condition::Group { .. } => Self::Gather(GatherState::default()),
            Condition::All(parts) => Self::All(AllState::new(parts, scope)),
            Condition::Any(parts) => Self::Any(parts.iter().map(|part| Self::new(part, scope)).collect()),
            Condition::Events { gathering, .. } => match gathering {
                Gathering::Batch { .. } => Self::EventBatch(BatchState::new(scope)),
                Gathering::Window { .. } => Self::EventWindow(WindowState::default()),
                Gathering::First { .. } => Self::EventFirst(FirstState::new(scope)),
            },
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
                state.arrive(*n, *within_ms, arrival.now_ms, arrival.item, out);
            }
            (Self::Window(state), Condition::Window { size_ms, slide_ms, by, .. }) => {
                let stretch = Stretch { size_ms: *size_ms, slide_ms: *slide_ms };
                if let Some(key) = key(by.as_ref(), arrival, eval) {
                    state.arrive(stretch, &key, (arrival.now_ms, arrival.scope), arrival.item, out);
                }
            }
            (Self::First(state), Condition::First { k, n, .. }) => {
                state.arrive(*k, *n, arrival.scope, arrival.item, out);
            }
            (Self::Gather(state), Condition::Join { of, .. }) => state.arrive(*of, None, arrival, eval, out),
            (Self::Gather(state), Condition::Group { of, by, .. }) => {
                state.arrive(*of, Some(by), arrival, eval, out)
            }
            (state, leaf) => panic!("state {state:?} does not belong to {leaf:?}"),
        }
    }

    /// Fires what is due.
    pub fn due(&mut self, condition: &Condition, now_ms: u64, out: &mut Collected) {
        match (self, condition) {
            (Self::Batch(state), _) => state.due(now_ms, out),
            (Self::EventBatch(state), _) => state.due(now_ms, out),
            (Self::EventWindow(state), leaf) => state.due(size_ms(leaf), now_ms, out),
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
            (Self::EventBatch(state), _) => state.deadline(),
            (Self::EventWindow(state), leaf) => state.deadline(size_ms(leaf)),
            (Self::Window(state), Condition::Window { size_ms, .. }) => state.deadline(*size_ms),
            (Self::All(all), Condition::All(parts)) => all.deadline(parts),
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter().zip(parts).filter_map(|(state, part)| state.deadline(part)).min()
            }
            _ => None,
        }
    }
}

/// The key of an object's window; `None` when the expression gives none, which counts as not seen.
fn key(by: Option<&Expr>, arrival: &Arrival<'_>, eval: &mut dyn Evaluator) -> Option<Option<Arc<str>>> {
    match by.map(|by| eval.object_text(by, arrival.bucket_name, arrival.object)) {
        None => Some(None),
        Some(Ok(text)) => Some(Some(Arc::from(text))),
        Some(Err(_)) => None,
    }
}

/// Length of the windows of events of a leaf, in milliseconds.
fn size_ms(leaf: &Condition) -> u64 {
    match leaf {
        Condition::Events { gathering: Gathering::Window { size_ms, .. }, .. } => *size_ms,
        other => panic!("{other:?} has no windows of events"),
    }
}
