//! Events from outside: known ones are dropped, the others reach the apps and runs that may see them.

use super::Shard;
use super::answers::Submitter;
use crate::api::EventsReply;
use crate::handle::Answer;
use crate::known::KnownEvents;
use crate::ports::Ports;
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, Event, Lsn, Problem, RunKey, limits};
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    pub(super) fn events(&mut self, events: Vec<Event>, answer: Answer<EventsReply>) {
        match self.take_events(events) {
            Ok((lsn, reply)) => self.answers.expect(lsn, Submitter::Events(reply, answer)),
            Err(problem) => drop(answer.send(Err(problem))),
        }
    }

    fn take_events(&mut self, events: Vec<Event>) -> Result<(Lsn, EventsReply), Problem> {
        if events.len() > limits::EVENT_BATCH_MAX {
            let message =
                format!("a batch has at most {} events, this one {}", limits::EVENT_BATCH_MAX, events.len());
            return Err(Problem::new(Code::LIMIT_EXCEEDED, message, "send several batches"));
        }
        let offered = events.len();
        let events = self.new_events(events);
        let reply = EventsReply { accepted: events.len(), duplicates: offered - events.len() };
        let apps = self.apps_that_listen(None);
        let runs = self.runs_that_see(&events)?;
        let kind = InputKind::Events { events, apps, runs, acknowledges: None };
        let lsn = self.submit(kind.clone(), Priority::NewWork)?;
        remember(&mut self.known_events, &kind);
        self.forward_events(kind);
        Ok((lsn, reply))
    }

    /// Express runs see the same events.
    pub(super) fn forward_events(&mut self, kind: InputKind) {
        let InputKind::Events { events, mut runs, .. } = kind else { return };
        runs.retain(|run| self.express.run(*run).is_some());
        if !runs.is_empty() {
            self.apply_express(InputKind::Events { events, apps: Vec::new(), runs, acknowledges: None });
        }
    }

    /// Those that are neither known nor twice among themselves.
    fn new_events(&self, events: Vec<Event>) -> Vec<Arc<Event>> {
        let mut here = KnownEvents::default();
        let mut is_new = |event: &Event| {
            let known = self.known_events.contains(&event.source, &event.id)
                || here.contains(&event.source, &event.id);
            here.insert(&event.source, &event.id);
            !known
        };
        events.into_iter().filter(|event| is_new(event)).map(Arc::new).collect()
    }

    /// Runs that an event is addressed to; for those without an address, all that listen.
    fn runs_that_see(&mut self, events: &[Arc<Event>]) -> Result<Vec<RunKey>, Problem> {
        let mut runs = Vec::new();
        if events.iter().any(|event| event.run.is_none()) {
            let apps: Vec<AppKey> = self.durable.apps().map(|app| app.key()).collect();
            runs.extend(apps.into_iter().flat_map(|app| self.durable.listening(app).collect::<Vec<_>>()));
        }
        for id in events.iter().filter_map(|event| event.run.clone()) {
            runs.push(self.known(&id)?);
        }
        runs.sort_unstable();
        runs.dedup();
        Ok(runs)
    }
}

/// Remembers the events of a logged input that came from outside.
pub(super) fn remember(known: &mut KnownEvents, kind: &InputKind) {
    if let InputKind::Events { events, acknowledges: None, .. } = kind {
        events.iter().for_each(|event| known.insert(&event.source, &event.id));
    }
}
