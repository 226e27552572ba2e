//! The context object: `$$` and `$states.context`; built when an expression asks for it.

use super::clock;
use super::frames::{Frame, Item};
use super::ledgers::Ledgers;
use super::settings::Settings;
use crate::Context;
use crate::machine::{Kind, State};
use sluice_expression::{Map, Value};
use std::cell::OnceCell;
use std::sync::{Arc, OnceLock};

/// The parts that stay the same throughout an execution.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    execution: Value,
    machine: Value,
}

/// What the context object tells of the execution.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub settings: &'a Settings,
    pub input: &'a Value,
    pub ledgers: &'a Ledgers,
    pub redrives: u32,
    pub redriven_ms: Option<u64>,
    /// Takes the place of what is told here, field by field.
    pub given: Option<&'a Value>,
    pub fixed: &'a OnceLock<Fixed>,
}

/// The context object of a state.
pub(super) struct StateContext<'a> {
    pub about: About<'a>,
    pub frame: &'a Frame,
    pub state: &'a State,
    pub token: Option<&'a Arc<str>>,
    pub built: OnceCell<Value>,
}

impl Context for StateContext<'_> {
    fn value(&self) -> &Value {
        self.built.get_or_init(|| self.build())
    }
}

impl StateContext<'_> {
    fn build(&self) -> Value {
        let fixed = self.about.fixed.get_or_init(|| self.about.fixed());
        let mut context = Map::default();
        let child = self.about.child(self.frame, &fixed.execution);
        context.insert("Execution".into(), child.unwrap_or_else(|| fixed.execution.clone()));
        context.insert("StateMachine".into(), fixed.machine.clone());
        context.insert("State".into(), self.of_state());
        if let Some(token) = self.token {
            context.insert("Task".into(), Value::fields([("Token", Value::String(token.clone()))]));
        }
        if let Some(item) = &self.frame.item {
            context.insert("Map".into(), Value::fields([("Item", item.context())]));
        }
        for (name, value) in self.about.given.and_then(Value::as_object).into_iter().flatten() {
            context.insert(name.clone(), value.clone());
        }
        Value::object(context)
    }

    fn of_state(&self) -> Value {
        let mut state = Map::default();
        state.insert("Name".into(), Value::String(self.state.name.clone()));
        state.insert("EnteredTime".into(), Value::string(clock::rfc3339(self.frame.entered_ms)));
        if matches!(self.state.kind, Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)) {
            state.insert("RetryCount".into(), Value::Int(i64::from(self.frame.retries())));
        }
        Value::object(state)
    }
}

impl About<'_> {
    fn fixed(&self) -> Fixed {
        let settings = self.settings;
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
        Fixed { execution: Value::object(execution), machine }
    }

    /// `Execution` of a child execution of a distributed Map.
    fn child(&self, frame: &Frame, own: &Value) -> Option<Value> {
        let child = self.ledgers.get(frame.ledger).child.as_deref()?;
        let mut execution = own.as_object().cloned().unwrap_or_default();
        execution.insert("Id".into(), Value::String(child.arn.clone()));
        execution.insert("Input".into(), child.input.clone());
        execution.insert("StartTime".into(), Value::string(clock::rfc3339(child.start_ms)));
        execution.insert("Name".into(), Value::String(child.name.clone()));
        Some(Value::object(execution))
    }
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
