//! Events from outside: known ones are dropped, the others reach the apps and runs that may see them.

use super::Shard;
use super::answers::Submitter;
use crate::api::EventsReply;
use crate::handle::Answer;
use crate::known::KnownEvents;
use crate::ports::Ports;
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, EventPack, Lsn, Problem, RunKey, limits};

impl<P: Ports> Shard<P> {
    pub(super) fn events(&mut self, events: EventPack, answer: Answer<EventsReply>) {
        match self.take_events(events) {
            Ok((lsn, reply)) => self.answers.expect(lsn, Submitter::Events(reply, answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn take_events(&mut self, mut events: EventPack) -> Result<(Lsn, EventsReply), Problem> {
        if events.len() > limits::EVENT_BATCH_MAX {
            let message =
                format!("a batch has at most {} events, this one {}", limits::EVENT_BATCH_MAX, events.len());
            return Err(Problem::new(Code::LIMIT_EXCEEDED, message, "send several batches"));
        }
        let count = events.len();
        let offered = self.known_events.offer(&mut events);
        let reply = EventsReply { accepted: events.len(), duplicates: count - events.len() };
        let submitted = self.submit_events(events);
        match submitted {
            Ok(_) => self.known_events.accept(&offered),
            Err(_) => self.known_events.refuse(&offered),
        }
        Ok((submitted?, reply))
    }

    fn submit_events(&mut self, events: EventPack) -> Result<Lsn, Problem> {
        let apps = self.apps_that_listen(None);
        let runs = self.runs_that_see(&events)?;
        self.checkpoint.logging_events(events.row_bytes() as u64);
        let kind = InputKind::Events { events, apps, runs, acknowledges: None };
        let for_express = self.for_express(&kind);
        let lsn = self.submit(kind, Priority::NewWork)?;
        for_express.into_iter().for_each(|kind| self.apply_express(kind));
        Ok(lsn)
    }

    /// The same events for the express runs among those that see them.
    pub(super) fn for_express(&self, kind: &InputKind) -> Option<InputKind> {
        let InputKind::Events { events, runs, .. } = kind else { return None };
        let express = runs.iter().copied().filter(|run| self.express.run(*run).is_some());
        let runs: Vec<RunKey> = express.collect();
        (!runs.is_empty()).then(|| InputKind::Events {
            events: events.clone(),
            apps: Vec::new(),
            runs,
            acknowledges: None,
        })
    }

    /// Runs that an event is addressed to; for those without an address, all that listen.
    fn runs_that_see(&mut self, events: &EventPack) -> Result<Vec<RunKey>, Problem> {
        let mut runs = Vec::new();
        if events.heads().iter().any(|head| head.run.is_none()) {
            let apps: Vec<AppKey> = self.durable.apps().map(|app| app.key()).collect();
            runs.extend(apps.into_iter().flat_map(|app| self.durable.listening(app).collect::<Vec<_>>()));
        }
        for id in events.heads().iter().filter_map(|head| head.run.as_deref()) {
            runs.push(self.known(id)?);
        }
        runs.sort_unstable();
        runs.dedup();
        Ok(runs)
    }
}

/// Remembers the events of a logged input that came from outside.
pub(super) fn remember(known: &mut KnownEvents, kind: &InputKind) {
    if let InputKind::Events { events, acknowledges: None, .. } = kind {
        known.remember(events);
    }
}
