//! Events from outside: known ones are dropped, the others reach the apps and runs that may see them.

use super::Shard;
use super::answers::Submitter;
use crate::api::EventsReply;
use crate::handle::Answer;
use crate::known::fingerprint;
use crate::ports::Ports;
use rustc_hash::FxHashSet;
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
        let mut batch = FxHashSet::default();
        let mut is_new = |event: &Event| {
            let known = fingerprint(&event.source, &event.id);
            !self.known_events.contains(known) && batch.insert(known)
        };
        let events: Vec<Arc<Event>> =
            events.into_iter().filter(|event| is_new(event)).map(Arc::new).collect();
        let reply = EventsReply { accepted: events.len(), duplicates: offered - events.len() };
        let apps = self.apps_that_listen(None);
        let runs = self.runs_that_see(&events)?;
        let kind = InputKind::Events { events, apps, runs, acknowledges: None };
        let lsn = self.submit(kind.clone(), Priority::NewWork)?;
        // Only now: what was refused comes again.
        batch.into_iter().for_each(|event| self.known_events.insert(event));
        if let InputKind::Events { events, runs, .. } = kind {
            for run in runs.into_iter().filter(|run| self.express.run(*run).is_some()).collect::<Vec<_>>() {
                let (events, apps) = (events.clone(), Vec::new());
                self.apply_express(InputKind::Events { events, apps, runs: vec![run], acknowledges: None });
            }
        }
        Ok((lsn, reply))
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
