//! Condition state: one small evaluator per kind, all serialisable.
//!
//! Conditions see objects as *items*, numbers that their entity gives out. They say how many references to an
//! arriving item they keep (in buffers and in firings); an item that moves from a buffer to a firing keeps its
//! reference. What a firing does is the entity's business.

mod batch;
mod first;
mod gather;
mod set;
mod window;

use batch::BatchState;
use first::FirstState;
use gather::GatherState;
use serde::{Deserialize, Serialize};
use set::SetState;
use sluice_types::{Condition, Evaluator, Event, EventPattern, FunctionIx, Object, Payload, Program, Scope, Source, pattern};
use smallvec::SmallVec;
use std::sync::Arc;
use window::WindowState;

/// What a condition collected when it fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Items {
    /// One object.
    One(u32),
    /// A list, in the order that semantics gives the kind.
    List(Vec<u32>),
    /// An event.
    Event(Arc<Event>),
}

/// One firing of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// What it collected.
    pub items: Items,
    /// The group, or the key of a keyed window.
    pub group: Option<Arc<str>>,
    /// Whether return values are numbered (`batch`, `window`).
    pub numbered: bool,
}

impl Firing {
    fn list(items: Vec<u32>) -> Self {
        Self { items: Items::List(items), group: None, numbered: false }
    }

    fn numbered(items: Vec<u32>) -> Self {
        Self { numbered: true, ..Self::list(items) }
    }
}

/// Firings of one step; nearly always none or one.
pub type Firings = SmallVec<[Firing; 1]>;

/// An object that arrives at a condition.
pub struct Arrival<'a> {
    /// Its number in the entity.
    pub item: u32,
    /// The object.
    pub object: &'a Object,
    /// Name of its bucket, for expressions.
    pub bucket_name: &'a str,
    /// The function that put it, if one did.
    pub from: Option<FunctionIx>,
    /// Time of arrival.
    pub now_ms: u64,
    /// The trigger's scope.
    pub scope: Scope,
}

/// Whether a list condition could be completed at closing.
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
    /// Parts of an `all`, by position, never fired.
    All(Vec<usize>),
}

/// The state of one condition of one entity.
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
    /// `all`: the parts, and what each fired with first.
    All(Vec<Part>),
    /// `any`
    Any(Vec<State>),
}

impl State {
    /// The state before anything arrived.
    pub fn new(condition: &Condition) -> Self {
        match condition {
            Condition::Each(_) | Condition::Name { .. } | Condition::Event(_) | Condition::Cron { .. } => {
                Self::Stateless
            }
            Condition::Set { keys, .. } => Self::Set(SetState::new(keys.len())),
            Condition::Batch { .. } => Self::Batch(BatchState::default()),
            Condition::Window { .. } => Self::Window(WindowState::default()),
            Condition::First { .. } => Self::First(FirstState::default()),
            Condition::Join { .. } | Condition::Group { .. } => Self::Gather(GatherState::default()),
            Condition::All(parts) => Self::All(parts.iter().map(|part| (Self::new(part), None)).collect()),
            Condition::Any(parts) => Self::Any(parts.iter().map(Self::new).collect()),
        }
    }

    /// An object arrives. Returns how many references to it are now held by buffers and by the firings added.
    pub fn arrive(
        &mut self,
        condition: &Condition,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        firings: &mut Firings,
    ) -> u32 {
        match (self, condition) {
            (Self::All(states), Condition::All(parts)) => {
                let mut held = 0;
                for (state, fired, part) in waiting(states, parts) {
                    let mut inner = Firings::new();
                    let kept = state.arrive(part, arrival, eval, &mut inner);
                    held += keep_first(fired, inner, kept);
                }
                held
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter_mut().zip(parts).map(|(state, part)| state.arrive(part, arrival, eval, firings)).sum()
            }
            (state, leaf) => match leaf.source() {
                Some(source) if sees(source, arrival, eval) => state.arrive_leaf(leaf, arrival, eval, firings),
                _ => 0,
            },
        }
    }

    fn arrive_leaf(
        &mut self,
        condition: &Condition,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        firings: &mut Firings,
    ) -> u32 {
        let one = || Firing { items: Items::One(arrival.item), group: None, numbered: false };
        match (self, condition) {
            (Self::Stateless, Condition::Each(_)) => {
                firings.push(one());
                1
            }
            (Self::Stateless, Condition::Name { glob, .. }) => {
                let matches = pattern::glob_matches(glob, &arrival.object.key);
                if matches {
                    firings.push(one());
                }
                u32::from(matches)
            }
            (Self::Set(state), Condition::Set { keys, .. }) => state.arrive(keys, arrival, firings),
            (Self::Batch(state), Condition::Batch { n, within_ms, .. }) => {
                state.arrive(*n, *within_ms, arrival, firings)
            }
            (Self::Window(state), Condition::Window { size_ms, slide_ms, by, .. }) => {
                state.arrive(*size_ms, *slide_ms, by.as_ref(), arrival, eval)
            }
            (Self::First(state), Condition::First { k, n, .. }) => state.arrive(*k, *n, arrival, firings),
            (Self::Gather(state), Condition::Join { of, .. }) => state.arrive(*of, None, arrival, eval),
            (Self::Gather(state), Condition::Group { of, by, .. }) => state.arrive(*of, Some(by), arrival, eval),
            (state, condition) => panic!("state {state:?} does not belong to {condition:?}"),
        }
    }

    /// An event arrives.
    pub fn event(
        &mut self,
        condition: &Condition,
        event: &Arc<Event>,
        eval: &mut dyn Evaluator,
        firings: &mut Firings,
    ) {
        match (self, condition) {
            (Self::All(states), Condition::All(parts)) => {
                for (state, fired, part) in waiting(states, parts) {
                    let mut inner = Firings::new();
                    state.event(part, event, eval, &mut inner);
                    keep_first(fired, inner, 0);
                }
            }
            (Self::Any(states), Condition::Any(parts)) => {
                for (state, part) in states.iter_mut().zip(parts) {
                    state.event(part, event, eval, firings);
                }
            }
            (_, Condition::Event(pattern)) if event_matches(pattern, event, eval) => {
                firings.push(Firing { items: Items::Event(event.clone()), group: None, numbered: false });
            }
            _ => {}
        }
    }

    /// Takes what an `all` has collected once every part has fired. Called after `arrive`, `event`, `due`, `close`.
    pub fn take_all(&mut self) -> Option<Vec<Items>> {
        let Self::All(parts) = self else { return None };
        if parts.is_empty() || parts.iter().any(|(_, fired)| fired.is_none()) {
            return None;
        }
        Some(parts.iter_mut().filter_map(|(_, fired)| fired.take()).collect())
    }

    /// Fires what is due.
    pub fn due(&mut self, condition: &Condition, now_ms: u64, firings: &mut Firings) {
        match (self, condition) {
            (Self::Batch(state), _) => state.due(now_ms, firings),
            (Self::Window(state), Condition::Window { size_ms, .. }) => state.due(*size_ms, now_ms, firings),
            (Self::All(states), Condition::All(parts)) => {
                for (state, fired, part) in waiting(states, parts) {
                    let mut inner = Firings::new();
                    state.due(part, now_ms, &mut inner);
                    keep_first(fired, inner, 0);
                }
            }
            (Self::Any(states), Condition::Any(parts)) => {
                for (state, part) in states.iter_mut().zip(parts) {
                    state.due(part, now_ms, firings);
                }
            }
            _ => {}
        }
    }

    /// When `due` has something to do next, in milliseconds since the Unix epoch.
    pub fn deadline(&self, condition: &Condition) -> Option<u64> {
        match (self, condition) {
            (Self::Batch(state), _) => state.deadline(),
            (Self::Window(state), Condition::Window { size_ms, .. }) => state.deadline(*size_ms),
            (Self::All(states), Condition::All(parts)) => {
                states.iter().zip(parts).filter_map(|((state, _), part)| state.deadline(part)).min()
            }
            (Self::Any(states), Condition::Any(parts)) => {
                states.iter().zip(parts).filter_map(|(state, part)| state.deadline(part)).min()
            }
            _ => None,
        }
    }

    /// The leaves for which `closes` holds see no more objects: the last firings, or what is lacking.
    pub fn close(
        &mut self,
        condition: &Condition,
        closes: &dyn Fn(&Condition) -> bool,
        key_of: &dyn Fn(u32) -> Arc<str>,
        firings: &mut Firings,
    ) -> Result<(), Incomplete> {
        match (self, condition) {
            (Self::All(states), Condition::All(parts)) => {
                for (state, fired, part) in waiting(states, parts) {
                    let mut inner = Firings::new();
                    state.close(part, closes, key_of, &mut inner)?;
                    keep_first(fired, inner, 0);
                }
                Ok(())
            }
            (Self::Any(states), Condition::Any(parts)) => states
                .iter_mut()
                .zip(parts)
                .try_for_each(|(state, part)| state.close(part, closes, key_of, firings)),
            (state, leaf) if closes(leaf) => state.close_leaf(leaf, key_of, firings),
            _ => Ok(()),
        }
    }

    fn close_leaf(
        &mut self,
        leaf: &Condition,
        key_of: &dyn Fn(u32) -> Arc<str>,
        firings: &mut Firings,
    ) -> Result<(), Incomplete> {
        match (self, leaf) {
            (Self::Set(state), Condition::Set { keys, .. }) => state.close(keys),
            (Self::First(state), Condition::First { k, .. }) => state.close(*k),
            (Self::Batch(state), _) => Ok(state.flush(firings)),
            (Self::Window(state), _) => Ok(state.flush(firings)),
            (Self::Gather(state), Condition::Join { .. }) => Ok(state.close_join(key_of, firings)),
            (Self::Gather(state), _) => Ok(state.close_group(key_of, firings)),
            _ => Ok(()),
        }
    }

    /// Whether nothing that still arrives can change what this trigger does (used to cancel stragglers).
    pub fn is_satisfied(&self) -> bool {
        match self {
            Self::Set(state) => state.is_satisfied(),
            Self::First(state) => state.is_satisfied(),
            Self::Any(states) => states.iter().all(Self::is_satisfied),
            Self::Stateless | Self::Batch(_) | Self::Window(_) | Self::Gather(_) | Self::All(_) => false,
        }
    }

    /// The parts of an `all` that have not fired.
    pub fn unfired(&self) -> Option<Vec<usize>> {
        let Self::All(parts) = self else { return None };
        Some(parts.iter().enumerate().filter(|(_, (_, fired))| fired.is_none()).map(|(i, _)| i).collect())
    }
}

/// Keeps the first firing of a part of an `all`. An `any` inside can fire twice for one object: the second firing is
/// let go. Returns how many references to the arriving item remain held.
fn keep_first(fired: &mut Option<Items>, inner: Firings, kept: u32) -> u32 {
    let extra = (inner.len() as u32).saturating_sub(1);
    if let Some(firing) = inner.into_iter().next() {
        *fired = Some(firing.items);
    }
    kept.saturating_sub(extra)
}

type Part = (State, Option<Items>);

/// The parts of an `all` that have not fired; the others look at nothing more.
fn waiting<'a>(
    states: &'a mut [Part],
    parts: &'a [Condition],
) -> impl Iterator<Item = (&'a mut State, &'a mut Option<Items>, &'a Condition)> {
    states
        .iter_mut()
        .zip(parts)
        .filter(|((_, fired), _)| fired.is_none())
        .map(|((state, fired), part)| (state, fired, part))
}

fn sees(source: &Source, arrival: &Arrival<'_>, eval: &mut dyn Evaluator) -> bool {
    source.bucket == arrival.object.bucket
        && match &source.when {
            None => true,
            Some(when) => eval.object_matches(when, arrival.bucket_name, arrival.object).unwrap_or(false),
        }
}

/// An event as it takes part in a list: an object that holds its data, under its id.
pub fn event_object(event: &Event) -> Object {
    Object {
        bucket: Program::INPUT,
        key: event.id.clone(),
        content_type: event.content_type.clone(),
        payload: Payload::Inline(event.data.clone()),
        group: None,
        meta: None,
    }
}

/// Whether an event has the attributes that a pattern asks for.
pub fn event_matches(pattern: &EventPattern, event: &Event, eval: &mut dyn Evaluator) -> bool {
    fn attribute(pattern: &Option<Arc<str>>, value: Option<&str>) -> bool {
        match (pattern, value) {
            (None, _) => true,
            (Some(pattern), Some(value)) => pattern::wildcard_matches(pattern, value),
            (Some(_), None) => false,
        }
    }
    attribute(&pattern.r#type, Some(&event.r#type))
        && attribute(&pattern.source, Some(&event.source))
        && attribute(&pattern.subject, event.subject.as_deref())
        && pattern.when.as_ref().is_none_or(|when| eval.event_matches(when, event).unwrap_or(false))
}
