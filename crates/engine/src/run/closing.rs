//! Closing: what happens when nothing more can arrive somewhere, and when a run ends.

use super::failing::name_keys;
use super::{Cx, Run, Status};
use crate::condition::Incomplete;
use sluice_types::{Code, Condition, FunctionIx, Problem, Trigger};
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

    /// Closes what can be closed; ends the run when all is. Every step on a run ends with this.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>) {
        if let Some(problem) = self.exceeded.take().filter(|_| self.is_running()) {
            self.end(cx, Status::Failed, Some(*problem));
        }
        if !self.sealed || self.is_delegated() || self.workflow_is_under_way() {
            self.ready.clear();
            return;
        }
        while let Some(component) = self.ready.pop() {
            let at = component as usize;
            let is_open = self.is_running() && !self.closed[at];
            if is_open && self.active[at] == 0 && self.open_predecessors[at] == 0 {
                self.close(cx, component);
            }
        }
        if self.is_running() && self.open == 0 {
            self.end(cx, Status::Succeeded, None);
        }
    }

    /// Flushes remainders first, then passes on joins and groups. Either may start work within the component itself,
    /// which then is not closed yet; it comes back here when that work is done.
    fn close(&mut self, cx: &mut Cx<'_>, component: u32) {
        for phase in [Phase::Flush, Phase::Conclude] {
            if !self.close_conditions(cx, component, phase) {
                return;
            }
        }
        if let Some(problem) = self.lacking(cx, component) {
            return self.end(cx, Status::Failed, Some(problem));
        }
        self.closed[component as usize] = true;
        self.open -= 1;
        for &next in cx.compiled.graph.successors(component) {
            let waiting = &mut self.open_predecessors[next as usize];
            *waiting -= 1;
            if *waiting == 0 {
                self.ready.push(next);
            }
        }
    }

    /// False when the component turned out to be still active, or the run failed.
    fn close_conditions(&mut self, cx: &mut Cx<'_>, component: u32, phase: Phase) -> bool {
        let compiled = cx.compiled;
        for &trigger in compiled.closing(component) {
            let declared = &compiled.program.triggers[trigger.index()];
            if let Some(problem) =
                self.lost_join(cx, declared, component).filter(|_| phase == Phase::Conclude)
            {
                self.end(cx, Status::Failed, Some(problem));
                return false;
            }
            let closes =
                |leaf: &Condition| Phase::of(leaf) == phase && compiled.closes_with(leaf) == Some(component);
            self.step_trigger(cx, trigger, None, |state, condition, objects, _, out| {
                state.close(condition, &closes, &|item| &*objects.slot(item).object.key, out);
            });
            if self.active[component as usize] > 0 {
                return false;
            }
        }
        true
    }

    /// What keeps a trigger from ever firing once a component is closed.
    fn lacking(&self, cx: &Cx<'_>, component: u32) -> Option<Problem> {
        let closed = |leaf: &Condition| {
            let with = cx.compiled.closes_with(leaf);
            with.is_some_and(|with| with == component || self.closed[with as usize])
        };
        cx.compiled.closing(component).iter().find_map(|trigger| {
            let declared = &cx.compiled.program.triggers[trigger.index()];
            let state = &self.triggers[trigger.index()];
            let lacking = match state.fired == 0 && !declared.optional {
                true => state.state.lacking(&declared.condition, &closed),
                false => None,
            };
            lacking.map(|lacking| incomplete(declared, cx, &lacking))
        })
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

    /// A named limit was met: the run fails over it at the end of this step.
    pub(super) fn exceed(&mut self, what: &str, most: u64) {
        let message = format!("run {} met a limit: at most {most} {what}", self.id);
        let problem = Problem::new(Code::RUN_LIMIT, message, "look for a loop of triggers, or split the run");
        self.exceeded.get_or_insert_with(|| Box::new(problem.at(format!("run {}", self.id))));
    }
}

/// The two steps of closing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Remainders of batches and windows.
    Flush,
    /// All else.
    Conclude,
}

impl Phase {
    fn of(leaf: &Condition) -> Self {
        match leaf {
            Condition::Batch { .. } | Condition::Window { .. } => Self::Flush,
            _ => Self::Conclude,
        }
    }
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
            format!(
                "trigger {name:?} needs {needed} objects, but only {arrived} arrived before its bucket closed"
            ),
        ),
        Incomplete::All(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| (part + 1).to_string()).collect();
            (Code::SET_INCOMPLETE, format!("part {} of trigger {name:?} can never fire", parts.join(", ")))
        }
    };
    Problem::new(code, message, "put what is missing, or declare the trigger optional=True")
        .at(format!("trigger {name}"))
}
