//! Events: those that reach a run, those that it emits, and the one that announces a failed invocation.

use super::{Cx, HistoryKind, Outgoing, Pending, Run};
use crate::compiled::Compiled;
use crate::condition::{Happening, Items, pattern_matches};
use crate::hearing::Ear;
use bytes::Bytes;
use sluice_types::invocation::Emission;
use sluice_types::{
    Action, Condition, ContentType, Event, EventPack, EventView, Problem, Scope, Trigger, TriggerIx, limits,
};
use std::sync::Arc;

/// Type of the event that announces an invocation that is out of attempts; its subject is the function's name.
pub const INVOCATION_FAILED: &str = "sluice.invocation.failed";

/// Prefix of the types of events that the engine itself makes. Waiting for one holds no run open.
const SYSTEM_PREFIX: &str = "sluice.";

impl Run {
    /// Events arrive that this run may see.
    pub(crate) fn events(&mut self, cx: &mut Cx<'_>, events: &EventPack) {
        for event in events.iter() {
            match event.head.run.as_ref().is_none_or(|run| *run == self.id) {
                true if self.is_delegated() => self.keep_event(cx, event),
                true => {
                    self.signal(cx, event);
                    self.see(cx, event);
                }
                false => {}
            }
        }
        self.settle(cx);
    }

    /// Shows an event to the run's triggers. Returns whether one fired or took it for later. A run that has ended, maybe
    /// in this very step, has none.
    fn see(&mut self, cx: &mut Cx<'_>, event: EventView<'_>) -> bool {
        if !self.is_running() {
            return false;
        }
        let mut handled = false;
        let compiled = cx.compiled;
        let now_ms = cx.now_ms;
        for Ear { trigger, attributes_match } in compiled.ears(Scope::Run, event.head) {
            let declared = &compiled.program.triggers[trigger.index()];
            let is_closed = self.is_closed(compiled, declared);
            let mut matched = false;
            if self.is_running() && !is_closed {
                let happening = Happening::Event { event, attributes_match, now_ms, scope: Scope::Run };
                self.step_trigger(cx, trigger, None, |state, condition, _, eval, out| {
                    matched = state.occur(condition, &happening, eval, out);
                });
            } else if is_closed && self.would_match(cx, &declared.condition, event) {
                self.record(cx, HistoryKind::EventIgnored { r#type: event.head.r#type.clone() });
            }
            handled |= matched;
        }
        handled
    }

    pub(super) fn would_match(&self, cx: &mut Cx<'_>, condition: &Condition, event: EventView<'_>) -> bool {
        let mut matched = false;
        condition.each_leaf(&mut |leaf| {
            matched |= leaf.pattern().is_some_and(|of| pattern_matches(of, &event, false, cx.eval));
        });
        matched
    }

    /// Shows one event that was made here.
    fn see_own(&mut self, cx: &mut Cx<'_>, event: &Arc<Event>) -> bool {
        let pack = EventPack::from(vec![event.clone()]);
        pack.iter().fold(false, |handled, event| self.see(cx, event) | handled)
    }

    /// Whether a function that the trigger calls is closed: it can be called no more.
    fn is_closed(&self, compiled: &Compiled, trigger: &Trigger) -> bool {
        functions(trigger).any(|function| self.closed[compiled.component_of(function) as usize])
    }

    /// A waiting event trigger keeps the functions it calls open until it has fired once.
    pub(super) fn arm(&mut self, cx: &Cx<'_>) {
        self.active = self.armed(cx.compiled);
    }

    /// By component, the calls that triggers waiting for their first event may still make.
    pub(super) fn armed(&self, compiled: &Compiled) -> Vec<u32> {
        let mut armed = vec![0; compiled.graph.len()];
        for (declared, state) in compiled.program.triggers.iter().zip(&self.triggers) {
            if holds_open(declared) && state.fired == 0 && !self.is_closed(compiled, declared) {
                functions(declared).for_each(|function| armed[compiled.component_of(function) as usize] += 1);
            }
        }
        armed
    }

    pub(super) fn disarm(&mut self, cx: &Cx<'_>, trigger: TriggerIx) {
        let declared = &cx.compiled.program.triggers[trigger.index()];
        if holds_open(declared) {
            for function in functions(declared) {
                self.deactivate(cx.compiled.component_of(function));
            }
        }
    }

    /// An invocation that succeeded emits an event.
    pub(super) fn emit_by(&mut self, cx: &mut Cx<'_>, seq: u32, number: usize, emission: Emission) {
        let Emission { r#type, subject, content_type, data } = emission;
        let id = format!("{}/{seq}/{number}", self.id);
        self.emit(cx, id, r#type, subject, content_type, data);
    }

    /// A trigger emits an event whose data names what it collected.
    pub(super) fn emit_firing(
        &mut self,
        cx: &mut Cx<'_>,
        trigger: TriggerIx,
        r#type: &Arc<str>,
        subject: Option<Arc<str>>,
        items: &Items,
    ) {
        let ordinal = self.triggers[trigger.index()].fired;
        let id = format!("{}/{}/{ordinal}", self.id, cx.program().triggers[trigger.index()].name);
        let keys: Vec<String> = match items {
            Items::Event(event) => vec![json_text(&event.id)],
            Items::Events { list } | Items::Retained { list, .. } => {
                list.iter().map(|event| json_text(event.id)).collect()
            }
            items => self.keys(items).iter().map(|key| json_text(key)).collect(),
        };
        let data = Bytes::from(format!("{{\"keys\":[{}]}}", keys.join(",")));
        self.emit(cx, id, r#type.clone(), subject, ContentType::Json, data);
    }

    pub(super) fn emit(
        &mut self,
        cx: &mut Cx<'_>,
        id: String,
        r#type: Arc<str>,
        subject: Option<Arc<str>>,
        content_type: ContentType,
        data: Bytes,
    ) {
        let source = Arc::from(format!("/sluice/{}/runs/{}", cx.program().app, self.id));
        let time_ms = cx.now_ms;
        let event = Arc::new(Event {
            id: id.into(),
            source,
            r#type,
            subject,
            time_ms,
            content_type,
            data,
            run: None,
        });
        self.record(cx, HistoryKind::EventEmitted { r#type: event.r#type.clone() });
        self.send(cx, Outgoing::Event(event.clone()));
        self.hear_signal(cx, &event.r#type, &event.content_type, event.data.clone());
        if cx.compiled.event_triggers(Scope::Run).is_empty() {
            return;
        }
        if self.emitting == limits::EMIT_NESTING_MAX {
            return self.exceed("events that cause one another in one step", u64::from(self.emitting));
        }
        self.emitting += 1;
        self.see_own(cx, &event);
        self.emitting -= 1;
    }

    /// Tells the run's own triggers that an invocation is out of attempts. Returns whether one handles it.
    pub(super) fn announce_failure(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        pending: &Pending,
        problem: &Problem,
    ) -> bool {
        if cx.compiled.event_triggers(Scope::Run).is_empty() {
            return false;
        }
        let function = &cx.compiled.program.functions[pending.function.index()].name;
        let keys: Vec<String> = self.keys(&pending.items).iter().map(|key| json_text(key)).collect();
        let data = format!(
            "{{\"function\":{},\"keys\":[{}],\"attempts\":{},\"code\":\"{}\",\"message\":{}}}",
            json_text(function),
            keys.join(","),
            pending.attempt.0,
            problem.code,
            json_text(&problem.message)
        );
        let event = Arc::new(Event {
            id: format!("{}/{seq}/failed", self.id).into(),
            source: Arc::from(format!("/sluice/{}/runs/{}", cx.program().app, self.id)),
            r#type: INVOCATION_FAILED.into(),
            subject: Some(function.clone()),
            time_ms: cx.now_ms,
            content_type: ContentType::Json,
            data: Bytes::from(data),
            run: Some(self.id.clone()),
        });
        self.see_own(cx, &event)
    }
}

/// The functions that a trigger calls.
pub(super) fn functions(trigger: &Trigger) -> impl Iterator<Item = sluice_types::FunctionIx> + '_ {
    trigger.actions.iter().filter_map(|action| match action {
        Action::Invoke(function) => Some(*function),
        Action::Emit { .. } => None,
    })
}

/// Whether waiting for this trigger's events keeps a run open.
fn holds_open(trigger: &Trigger) -> bool {
    let mut waits = false;
    trigger.condition.each_leaf(&mut |leaf| {
        if let Some(pattern) = leaf.pattern() {
            waits |= pattern.r#type.as_ref().is_none_or(|name| !name.starts_with(SYSTEM_PREFIX));
        }
    });
    waits && trigger.scope == Scope::Run
}

/// A JSON string literal.
fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
