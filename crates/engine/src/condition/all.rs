//! `all`: once, when every part has fired. A part that has fired looks at nothing more until the whole has.

use super::{Collected, Firing, Items, State};
use serde::{Deserialize, Serialize};
use sluice_types::{Condition, Scope};

/// The parts. App-scoped they all start afresh after a firing; run-scoped that was the only one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllState {
    scope: Scope,
    pub(super) parts: Vec<Part>,
    pub(super) fired: bool,
}

/// One part: its state, and what it fired with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub(super) state: State,
    pub(super) fired: Option<Items>,
}

impl AllState {
    pub(super) fn new(conditions: &[Condition], scope: Scope) -> Self {
        let part = |condition| Part { state: State::new(condition, scope), fired: None };
        Self { scope, parts: conditions.iter().map(part).collect(), fired: false }
    }

    /// Takes a step in each part that has not fired. Of several firings of a part only the first counts.
    pub(super) fn step(
        &mut self,
        conditions: &[Condition],
        out: &mut Collected,
        mut step: impl FnMut(&mut State, &Condition, &mut Collected),
    ) {
        if self.fired {
            return;
        }
        for (part, condition) in
            self.parts.iter_mut().zip(conditions).filter(|(part, _)| part.fired.is_none())
        {
            let mut inner = Collected::default();
            step(&mut part.state, condition, &mut inner);
            out.held += inner.held;
            out.dropped.append(&mut inner.dropped);
            let mut firings = inner.firings.into_iter();
            if let Some(first) = firings.next() {
                part.fired = Some(first.items);
                firings.for_each(|firing| firing.items.each(&mut |item| out.dropped.push(item)));
                part.state.each_held(&mut |item| out.dropped.push(item));
                part.state = State::new(condition, self.scope);
            }
        }
        if self.parts.iter().all(|part| part.fired.is_some()) {
            let items = self.parts.iter_mut().filter_map(|part| part.fired.take()).collect();
            out.firings.push(Firing::of(Items::Parts(items)));
            self.fired = self.scope == Scope::Run;
        }
    }

    pub(super) fn each_held(&self, visit: &mut dyn FnMut(u32)) {
        for part in &self.parts {
            part.state.each_held(visit);
            part.fired.iter().for_each(|items| items.each(visit));
        }
    }

    /// When a part that still waits has something to do next.
    pub(super) fn deadline(&self, conditions: &[Condition]) -> Option<u64> {
        let waiting =
            self.parts.iter().zip(conditions).filter(|(part, _)| !self.fired && part.fired.is_none());
        waiting.filter_map(|(part, condition)| part.state.deadline(condition)).min()
    }
}
