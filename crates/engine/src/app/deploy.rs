//! A new version of an app, and what its app-scoped triggers keep of what they collected.

use super::{App, AppCx, AppTrigger, AppVersion};
use crate::compiled::Compiled;
use crate::condition::State;
use crate::effect::Reply;
use crate::input::Deploy;
use crate::timers::Entity;
use sluice_types::{BucketIx, Code, Condition, FunctionIx, Problem, Program, Scope, Source, Trigger};
use std::sync::Arc;

impl App {
    /// A new version. App-scoped conditions that did not change keep what they collected.
    pub(crate) fn deploy(&mut self, cx: &mut AppCx<'_>, deploy: Deploy) -> Reply {
        let old = self.versions.last_key_value().map(|(_, newest)| newest.program.clone());
        if let Some(problem) = old.as_deref().and_then(|old| self.would_lose(old, &deploy)) {
            return Reply::Rejected(Box::new(problem));
        }
        for (id, due_ms) in self.deadlines() {
            cx.timers.update(Entity::App(self.key), id, Some(due_ms), None);
        }
        self.replace_triggers(cx, old.as_deref(), &deploy.program);
        let version = AppVersion {
            compiled: Some(Arc::new(Compiled::new(deploy.program.clone()))),
            program: deploy.program,
            bundle: deploy.bundle,
            deployed_ms: cx.now_ms,
            deployed_at: cx.lsn,
        };
        self.versions.insert(deploy.version, version);
        for (id, due_ms) in self.deadlines() {
            cx.timers.update(Entity::App(self.key), id, None, Some(due_ms));
        }
        Reply::Accepted
    }

    fn replace_triggers(&mut self, cx: &mut AppCx<'_>, old: Option<&Program>, new: &Program) {
        let mut before: Vec<Option<AppTrigger>> =
            std::mem::take(&mut self.triggers).into_iter().map(Some).collect();
        for declared in &new.triggers {
            let kept = old.and_then(|old| {
                let at =
                    old.triggers.iter().position(|trigger| same_condition(old, trigger, new, declared))?;
                before[at].take()
            });
            let fresh = || AppTrigger { state: State::new(&declared.condition, declared.scope), fired: 0 };
            self.triggers.push(kept.unwrap_or_else(fresh));
        }
        for dropped in before.into_iter().flatten() {
            dropped.state.each_held(&mut |item| self.items.let_go(item, cx.effects));
        }
    }

    fn would_lose(&self, old: &Program, deploy: &Deploy) -> Option<Problem> {
        let new = &deploy.program;
        let lost = old.triggers.iter().zip(&self.triggers).find(|(declared, trigger)| {
            declared.scope == Scope::App
                && trigger.state != State::new(&declared.condition, declared.scope)
                && !deploy.reset_triggers.contains(&declared.name)
                && !new.triggers.iter().any(|candidate| same_condition(old, declared, new, candidate))
        })?;
        let name = &lost.0.name;
        let message = format!(
            "app-scoped trigger {name:?} has collected objects, and its condition changed or is gone: they would be lost"
        );
        let fix = format!("deploy with --reset-trigger {name} to drop them, or keep the condition");
        Some(Problem::new(Code::TRIGGER_STATE_WOULD_BE_LOST, message, fix).at(format!("trigger {name}")))
    }
}

/// Whether two triggers of two versions are the same trigger: buckets and functions are compared by name.
fn same_condition(old: &Program, a: &Trigger, new: &Program, b: &Trigger) -> bool {
    a.name == b.name
        && a.scope == b.scope
        && translated(old, new, &a.condition).as_ref() == Some(&b.condition)
}

/// A condition of one program in the numbers of another; `None` when the other lacks a name.
fn translated(old: &Program, new: &Program, condition: &Condition) -> Option<Condition> {
    let bucket = |ix: BucketIx| new.bucket(&old.buckets[ix.index()].name);
    let function = |ix: FunctionIx| new.function(&old.functions[ix.index()].name);
    let mut translated = condition.clone();
    match &mut translated {
        Condition::Each(Source { bucket: from, .. })
        | Condition::Name { from: Source { bucket: from, .. }, .. }
        | Condition::Set { from: Source { bucket: from, .. }, .. }
        | Condition::Batch { from: Source { bucket: from, .. }, .. }
        | Condition::Window { from: Source { bucket: from, .. }, .. }
        | Condition::First { from: Source { bucket: from, .. }, .. } => *from = bucket(*from)?,
        Condition::Join { from, of } | Condition::Group { from, of, .. } => {
            from.bucket = bucket(from.bucket)?;
            *of = function(*of)?;
        }
        Condition::Event(_) | Condition::Events { .. } | Condition::Cron { .. } => {}
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                *part = self::translated(old, new, part)?;
            }
        }
    }
    Some(translated)
}
