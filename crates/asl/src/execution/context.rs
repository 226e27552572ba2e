//! The context object: `$$` and `$states.context`.

use super::Execution;
use super::clock;
use super::frames::{Frame, Item};
use crate::machine::{Kind, State};
use sluice_expression::{Map, Value};
use std::sync::Arc;

/// The parts that stay the same throughout an execution.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    execution: Value,
    machine: Value,
}

impl Execution {
    /// The context object of a state.
    pub(super) fn context(&mut self, frame: &Frame, state: &State, token: Option<&Arc<str>>) -> Value {
        let fixed = self.fixed_context();
        let mut context = Map::default();
        let execution = self.child_context(frame, &fixed.execution);
        context.insert("Execution".into(), execution.unwrap_or(fixed.execution));
        context.insert("StateMachine".into(), fixed.machine);
        context.insert("State".into(), state_context(frame, state));
        if let Some(token) = token {
            context.insert("Task".into(), Value::fields([("Token", Value::String(token.clone()))]));
        }
        if let Some(item) = &frame.item {
            context.insert("Map".into(), Value::fields([("Item", item.context())]));
        }
        Value::object(context)
    }

    fn fixed_context(&mut self) -> Fixed {
        let Self { fixed_context, settings, .. } = self;
        if let Some(fixed) = fixed_context {
            return fixed.clone();
        }
        let mut execution = Map::default();
        execution.insert("Id".into(), Value::String(settings.id.clone()));
        execution.insert("Input".into(), self.input.clone());
        execution.insert("StartTime".into(), Value::string(clock::rfc3339(settings.start_ms)));
        execution.insert("Name".into(), Value::String(settings.name.clone()));
        execution.insert("RoleArn".into(), Value::String(settings.role.clone()));
        execution.insert("RedriveCount".into(), Value::Int(i64::from(self.redrives)));
        if let Some(redriven_ms) = self.redriven_ms {
            execution.insert("RedriveTime".into(), Value::string(clock::rfc3339(redriven_ms)));
        }
        let machine = Value::fields([
            ("Id", Value::String(settings.machine_id.clone())),
            ("Name", Value::String(settings.machine_name.clone())),
        ]);
        let fixed = Fixed { execution: Value::object(execution), machine };
        self.fixed_context = Some(fixed.clone());
        fixed
    }

    /// `Execution` of a child execution of a distributed Map.
    fn child_context(&self, frame: &Frame, own: &Value) -> Option<Value> {
        let child = self.ledgers.get(frame.ledger).child.as_deref()?;
        let mut execution = own.as_object().cloned().unwrap_or_default();
        execution.insert("Id".into(), Value::String(child.arn.clone()));
        execution.insert("Input".into(), child.input.clone());
        execution.insert("StartTime".into(), Value::string(clock::rfc3339(child.start_ms)));
        execution.insert("Name".into(), Value::String(child.name.clone()));
        Some(Value::object(execution))
    }
}

fn state_context(frame: &Frame, state: &State) -> Value {
    let mut about = Map::default();
    about.insert("Name".into(), Value::String(state.name.clone()));
    about.insert("EnteredTime".into(), Value::string(clock::rfc3339(frame.entered_ms)));
    if matches!(state.kind, Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)) {
        about.insert("RetryCount".into(), Value::Int(i64::from(frame.retries())));
    }
    Value::object(about)
}

impl Item {
    fn context(&self) -> Value {
        let mut item = Map::default();
        item.insert("Index".into(), Value::Int(i64::from(self.index)));
        if let Some(key) = &self.key {
            item.insert("Key".into(), Value::String(key.clone()));
        }
        item.insert("Value".into(), self.value.clone());
        if let Some(source) = &self.source {
            item.insert("Source".into(), Value::String(source.clone()));
        }
        Value::object(item)
    }
}
