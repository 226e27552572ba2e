//! What happens to conditions besides objects: events and points in time.

use super::matching::pattern_matches;
use super::window::Stretch;
use super::{Collected, Firing, Items, State};
use sluice_types::{Condition, Evaluator, EventView, Expr, Gathering, Scope};
use std::sync::Arc;

/// Something that the leaves of a condition may wait for.
pub enum Happening<'a> {
    /// An event.
    Event {
        /// The event.
        event: EventView<'a>,
        /// Whether its attributes are known to be those that the one leaf asks for.
        attributes_match: bool,
        /// The time of arrival.
        now_ms: u64,
        /// The trigger's scope.
        scope: Scope,
    },
    /// A point in time of the `cron` leaves; the event says which.
    Cron(&'a Arc<sluice_types::Event>),
}

impl State {
    /// Something happened. Answers whether a leaf waited for it.
    pub fn occur(
        &mut self,
        condition: &Condition,
        happening: &Happening<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) -> bool {
        let mut matched = false;
        match (self, condition) {
            (Self::All(all), Condition::All(parts)) => {
                all.step(parts, out, |state, part, inner| {
                    matched |= state.occur(part, happening, eval, inner);
                });
            }
            (Self::Any(states), Condition::Any(parts)) => {
                for (state, part) in states.iter_mut().zip(parts) {
                    matched |= state.occur(part, happening, eval, out);
                }
            }
            (state, leaf) => matched = state.occur_leaf(leaf, happening, eval, out),
        }
        matched
    }

    fn occur_leaf(
        &mut self,
        leaf: &Condition,
        happening: &Happening<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) -> bool {
        match *happening {
            Happening::Cron(event) => {
                let matches = matches!(leaf, Condition::Cron { .. });
                if matches {
                    out.firings.push(Firing::of(Items::Event(event.clone())));
                }
                matches
            }
            Happening::Event { event, attributes_match, now_ms, scope } => {
                let matches =
                    leaf.pattern().is_some_and(|of| pattern_matches(of, &event, attributes_match, eval));
                if matches {
                    self.collect(leaf, event, (now_ms, scope), eval, out);
                }
                matches
            }
        }
    }

    fn collect(
        &mut self,
        leaf: &Condition,
        event: EventView<'_>,
        (now_ms, scope): (u64, Scope),
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) {
        let Condition::Events { gathering, .. } = leaf else {
            return out.firings.push(Firing::of(Items::Event(Arc::new(event.to_event()))));
        };
        match (self, gathering) {
            (Self::EventBatch(state), Gathering::Batch { n, within_ms }) => {
                state.arrive(*n, *within_ms, now_ms, event, out);
            }
            (Self::EventWindow(state), Gathering::Window { size_ms, slide_ms, by }) => {
                let stretch = Stretch { size_ms: *size_ms, slide_ms: *slide_ms };
                if let Some(key) = key(by.as_ref(), &event, eval) {
                    state.arrive(stretch, &key, (now_ms, scope), event, out);
                }
            }
            (Self::EventFirst(state), Gathering::First { k, n }) => state.arrive(*k, *n, scope, event, out),
            (state, leaf) => panic!("state {state:?} does not belong to {leaf:?}"),
        }
    }
}

/// The key of an event's window; `None` when the expression gives none, which counts as not seen.
fn key(by: Option<&Expr>, event: &EventView<'_>, eval: &mut dyn Evaluator) -> Option<Option<Arc<str>>> {
    match by.map(|by| eval.event_text(by, &event.to_event())) {
        None => Some(None),
        Some(Ok(text)) => Some(Some(Arc::from(text))),
        Some(Err(_)) => None,
    }
}
