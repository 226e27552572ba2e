//! Triggers: those that stand by themselves and those that functions carry in `on`.

use super::Lowering;
use crate::definition::{Condition, Trigger, Watched};
use crate::diagnostic::Diagnostic;
use sluice_types::{Action, Code, Scope, Trigger as Lowered};
use std::collections::BTreeSet;

impl Lowering<'_> {
    pub(super) fn triggers(&mut self) -> Vec<Lowered> {
        let definition = self.definition;
        let mut triggers = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (name, function) in &definition.functions {
            let path = format!("functions.{name}");
            let Some(on) = &function.on else {
                let message =
                    || "`scope` and `optional` describe the trigger in `on`, which is absent".to_owned();
                let holds = function.scope.is_none() && function.optional.is_none();
                self.require(holds, &path, message, "add `on`, or remove them");
                continue;
            };
            names.insert(name.clone());
            let actions =
                self.functions.find(name).map(|f| vec![Action::Invoke(sluice_types::FunctionIx(f))]);
            let optional = function.optional.unwrap_or(false);
            triggers.extend(self.trigger(
                &path,
                name,
                on,
                function.scope,
                optional,
                actions.unwrap_or_default(),
            ));
        }
        let given = definition.triggers.iter().filter_map(|t| t.name.clone());
        let reserved: BTreeSet<String> = names.iter().cloned().chain(given).collect();
        for (i, trigger) in definition.triggers.iter().enumerate() {
            let path = format!("triggers.{i}");
            let name = self.trigger_name(&path, trigger, &names, &reserved);
            names.insert(name.clone());
            let actions = self.actions(&path, trigger);
            triggers.extend(self.trigger(
                &path,
                &name,
                &trigger.on,
                trigger.scope,
                trigger.optional,
                actions,
            ));
        }
        self.check_count("triggers", triggers.len());
        triggers
    }

    /// The given name, or that of what the trigger does, with a number where that is taken.
    fn trigger_name(
        &mut self,
        path: &str,
        trigger: &Trigger,
        taken: &BTreeSet<String>,
        reserved: &BTreeSet<String>,
    ) -> String {
        if let Some(name) = &trigger.name {
            self.check_name(&format!("{path}.name"), name, "trigger");
            let message =
                || format!("two triggers are named `{name}`; `on` of a function has the function's name");
            self.require(
                !taken.contains(name),
                &format!("{path}.name"),
                message,
                "give one of them another name",
            );
            return name.clone();
        }
        let base = trigger.invoke.0.first().map_or("emit", String::as_str);
        let numbered = (2..).map(|n| format!("{base}-{n}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        names.find(|name| !taken.contains(name) && !reserved.contains(name)).expect("numbers do not run out")
    }

    fn actions(&mut self, path: &str, trigger: &Trigger) -> Vec<Action> {
        let mut actions = Vec::new();
        for name in &trigger.invoke.0 {
            actions.extend(self.function_named(&format!("{path}.invoke"), name).map(Action::Invoke));
        }
        if let Some(emit) = &trigger.emit {
            let path = format!("{path}.emit");
            self.require(
                !emit.r#type.is_empty(),
                &path,
                || "an event needs a type".to_owned(),
                "give `type`",
            );
            let subject = emit.subject.as_deref().map(Into::into);
            actions.push(Action::Emit { r#type: emit.r#type.as_str().into(), subject });
        }
        let does_something = !trigger.invoke.0.is_empty() || trigger.emit.is_some();
        let message = || "this trigger does nothing".to_owned();
        self.require(does_something, path, message, "add `invoke: FUNCTION` or `emit: {type: T}`");
        actions
    }

    fn trigger(
        &mut self,
        path: &str,
        name: &str,
        on: &Condition,
        scope: Option<Scope>,
        optional: bool,
        actions: Vec<Action>,
    ) -> Option<Lowered> {
        let scope = self.scope(path, on, scope);
        let condition = self.condition(&format!("{path}.on"), on, scope)?;
        Some(Lowered { name: name.into(), scope, condition, actions, optional })
    }

    /// The scope given, or `run`, or `app` for what belongs to no run: what consists of points in time and of events
    /// that are gathered.
    fn scope(&mut self, path: &str, on: &Condition, given: Option<Scope>) -> Scope {
        let outside = |c: &Condition| matches!(c, Condition::Cron(..)) || gathers_events(c);
        if !contains(on, &|c| matches!(c, Condition::Cron(..))) {
            let is_outside = contains(on, &outside) && !contains(on, &|c| !is_list(c) && !outside(c));
            return given.unwrap_or(if is_outside { Scope::App } else { Scope::Run });
        }
        let only_cron =
            !contains(on, &|c| !(matches!(c, Condition::Cron(..) | Condition::Any(_)) || gathers_events(c)));
        if given == Some(Scope::Run) || (given.is_none() && !only_cron) {
            let message = "`cron` belongs to no run, so this trigger cannot have the scope of a run";
            let finding = Diagnostic::error(Code::APP_INVALID, format!("{path}.on"), message);
            self.report(finding.fix("make the cron a trigger of its own, or set `scope: app`"));
        }
        Scope::App
    }
}

fn is_list(condition: &Condition) -> bool {
    matches!(condition, Condition::All(_) | Condition::Any(_))
}

/// Whether a condition gathers events: they come from outside, and mostly while no run is open.
fn gathers_events(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::Batch(Watched::Events(_), ..)
            | Condition::Window(Watched::Events(_), ..)
            | Condition::First(Watched::Events(_), ..)
    )
}

/// Whether the test holds for a condition or one inside it.
fn contains(condition: &Condition, test: &dyn Fn(&Condition) -> bool) -> bool {
    let inner: &[Condition] = match condition {
        Condition::All(list) | Condition::Any(list) => list,
        _ => &[],
    };
    test(condition) || inner.iter().any(|c| contains(c, test))
}
