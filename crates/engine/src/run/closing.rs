//! Closing: what happens when nothing more can arrive somewhere, and when a run ends.

use super::invocations::name_keys;
use super::{Cx, Run, Status};
use crate::condition::{Firings, Incomplete};
use sluice_types::{Code, Condition, FunctionIx, Problem, Trigger, TriggerIx};
use std::sync::Arc;

impl Run {
    /// One activity less in a component.
    pub(super) fn deactivate(&mut self, component: u32) {
        let active = &mut self.active[component as usize];
        assert!(*active > 0, "a component is deactivated no more often than activated");
        *active -= 1;
        if *active == 0 {
            self.ready.push(component);
        }
    }

    /// Looks again at every component that might close now that the inputs are sealed.
    pub(super) fn consider_all(&mut self) {
        self.ready.extend((0..self.closed.len() as u32).rev());
    }

    /// Closes what can be closed; ends the run when all is.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>) {
        if !self.sealed || self.delegated {
            self.ready.clear();
            return;
        }
        while let Some(component) = self.ready.pop() {
            let at = component as usize;
            if self.is_running() && !self.closed[at] && self.active[at] == 0 && self.open_predecessors[at] == 0 {
                self.close(cx, component);
            }
        }
        if self.is_running() && self.open == 0 {
            match self.unfinished_all(cx) {
                Some(problem) => self.end(cx, Status::Failed, Some(problem)),
                None => self.end(cx, Status::Succeeded, None),
            }
        }
    }

    /// Flushes buffers first: that may start work within the component, which then is not closed yet. Only when
    /// nothing was flushed do the conditions fire (or fail) that wait for the component to be closed.
    fn close(&mut self, cx: &mut Cx<'_>, component: u32) {
        if self.close_conditions(cx, component, true) && self.active[component as usize] == 0 {
            if !self.close_conditions(cx, component, false) {
                return;
            }
            assert_eq!(self.active[component as usize], 0, "closing a component starts work only downstream");
            self.closed[component as usize] = true;
            self.open -= 1;
            for index in 0..cx.compiled.graph.successors(component).len() {
                let next = cx.compiled.graph.successors(component)[index];
                let waiting = &mut self.open_predecessors[next as usize];
                *waiting -= 1;
                if *waiting == 0 {
                    self.ready.push(next);
                }
            }
        }
    }

    /// Closes the flushing or the concluding conditions of a component. False when the run failed over it.
    fn close_conditions(&mut self, cx: &mut Cx<'_>, component: u32, flushing: bool) -> bool {
        for index in 0..cx.compiled.closing(component).len() {
            let trigger = cx.compiled.closing(component)[index];
            let declared = &cx.compiled.program.triggers[trigger.index()];
            if let Some(problem) = self.lost_join(cx, declared, component).filter(|_| !flushing) {
                self.end(cx, Status::Failed, Some(problem));
                return false;
            }
            let closes = |leaf: &Condition| {
                let flushes = matches!(leaf, Condition::Batch { .. } | Condition::Window { .. });
                flushes == flushing && cx.compiled.closes_with(leaf) == Some(component)
            };
            let objects = &self.objects;
            let key_of = |item: u32| objects.slot(item).object.key.clone();
            let mut firings = Firings::new();
            let state = &mut self.triggers[trigger.index()].state;
            let closed = state.close(&declared.condition, &closes, &key_of, &mut firings);
            self.fire_all(cx, trigger, firings);
            if let (Err(lacking), false) = (closed, declared.optional) {
                let problem = incomplete(declared, cx, &lacking);
                self.end(cx, Status::Failed, Some(problem));
                return false;
            }
        }
        true
    }

    /// Whether a join or group of this trigger waits for invocations that are out of attempts.
    fn lost_join(&self, cx: &Cx<'_>, trigger: &Trigger, component: u32) -> Option<Problem> {
        if self.lost.is_empty() || trigger.optional {
            return None;
        }
        let mut awaited: Vec<FunctionIx> = Vec::new();
        trigger.condition.each_leaf(&mut |leaf| {
            if let Condition::Join { of, .. } | Condition::Group { of, .. } = leaf
                && cx.compiled.closes_with(leaf) == Some(component)
            {
                awaited.push(*of);
            }
        });
        let lost: Vec<_> = self.lost.iter().filter(|lost| awaited.contains(&lost.function)).collect();
        let first = lost.first()?;
        let mut keys: Vec<Arc<str>> = lost.iter().flat_map(|lost| lost.keys.iter().cloned()).collect();
        keys.sort();
        let function = &cx.program().functions[first.function.index()].name;
        Some(Problem {
            code: Code::JOIN_CANNOT_COMPLETE,
            message: format!(
                "trigger {:?} can no longer complete: {:?} is out of attempts for {}; the first failure: {}",
                &*trigger.name,
                &**function,
                match keys.is_empty() {
                    true => "an invocation without a key".to_owned(),
                    false => format!("missing keys {}", name_keys(&keys)),
                },
                first.problem.message
            ),
            place: format!("trigger {}", trigger.name),
            fix: first.problem.fix.clone(),
            cause: first.problem.cause.clone(),
        })
    }

    /// An `all` of which a part never fired.
    fn unfinished_all(&self, cx: &Cx<'_>) -> Option<Problem> {
        let triggers = cx.program().triggers.iter().zip(&self.triggers);
        for (declared, state) in triggers.filter(|(d, s)| s.fired == 0 && !d.optional && is_run_scoped(d)) {
            if let Some(parts) = state.state.unfired() {
                return Some(incomplete(declared, cx, &Incomplete::All(parts)));
            }
        }
        None
    }

    /// Whether a trigger's timer is due.
    pub(crate) fn trigger_due(&mut self, cx: &mut Cx<'_>, trigger: TriggerIx) {
        let condition = &cx.compiled.program.triggers[trigger.index()].condition;
        let mut firings = Firings::new();
        let state = &mut self.triggers[trigger.index()];
        // The queue gave the timer up when it came due.
        state.deadline_ms = None;
        state.state.due(condition, cx.now_ms, &mut firings);
        self.fire_all(cx, trigger, firings);
        self.settle(cx);
    }
}

fn is_run_scoped(trigger: &Trigger) -> bool {
    trigger.scope == sluice_types::Scope::Run
}

fn incomplete(trigger: &Trigger, cx: &Cx<'_>, lacking: &Incomplete) -> Problem {
    let name = &*trigger.name;
    let (code, message) = match lacking {
        Incomplete::Set(keys) => {
            let bucket = trigger.condition.source().map(|s| &*cx.program().buckets[s.bucket.index()].name);
            let bucket = bucket.map(|b| format!(" of bucket {b:?}")).unwrap_or_default();
            (Code::SET_INCOMPLETE, format!("trigger {name:?} misses the keys {}{bucket}", name_keys(keys)))
        }
        Incomplete::First { arrived, needed } => (
            Code::FIRST_INCOMPLETE,
            format!("trigger {name:?} needs {needed} objects, but only {arrived} arrived before its bucket closed"),
        ),
        Incomplete::All(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| (part + 1).to_string()).collect();
            (Code::SET_INCOMPLETE, format!("part {} of trigger {name:?} never fired", parts.join(", ")))
        }
    };
    Problem::new(code, message, "put what is missing, or declare the trigger optional=True")
        .at(format!("trigger {name}"))
}
