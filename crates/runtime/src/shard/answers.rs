//! Who waits for what: the submitters of inputs, by record, and those who wait for the end of a run.

use crate::api::{AppView, EventsReply, PutReply, RunView, Started};
use crate::handle::Answer;
use rustc_hash::FxHashMap;
use sluice_engine::{Effect, Reply};
use sluice_types::{Lsn, Problem, RunKey};

/// What waits for its record to be durable.
pub(super) enum Held {
    /// A request of the engine.
    Effect(Effect),
    /// An answer that shows state.
    Answer(Box<dyn FnOnce() + Send>),
}

/// The submitter of an input.
pub(super) enum Submitter {
    Deploy(AppView, Answer<AppView>),
    Start(Started, Answer<Started>),
    Put(Answer<PutReply>),
    Done(Answer<()>),
    Document(u64, Answer<u64>),
    Events(EventsReply, Answer<EventsReply>),
}

impl Submitter {
    fn tell(self, reply: Reply) {
        // A receiver that has gone away wants no answer.
        match (self, reply) {
            (Self::Deploy(_, answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Deploy(view, answer), _) => drop(answer.send(Ok(view))),
            (Self::Start(_, answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Start(started, answer), _) => drop(answer.send(Ok(started))),
            (Self::Put(answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Put(answer), Reply::Unchanged) => drop(answer.send(Ok(PutReply::Unchanged))),
            (Self::Put(answer), Reply::Accepted) => drop(answer.send(Ok(PutReply::Created))),
            (Self::Done(answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Done(answer), _) => drop(answer.send(Ok(()))),
            (Self::Document(_, answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Document(revision, answer), _) => drop(answer.send(Ok(revision))),
            (Self::Events(_, answer), Reply::Rejected(problem)) => drop(answer.send(Err(*problem))),
            (Self::Events(reply, answer), _) => drop(answer.send(Ok(reply))),
        }
    }
}

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Answers {
    submitters: FxHashMap<Lsn, Submitter>,
    waiters: FxHashMap<RunKey, Vec<Answer<RunView>>>,
}

impl Answers {
    pub fn expect(&mut self, lsn: Lsn, submitter: Submitter) {
        self.submitters.insert(lsn, submitter);
    }

    /// The verdict on the record at `lsn`.
    pub fn tell(&mut self, lsn: Lsn, reply: Reply) {
        if let Some(submitter) = self.submitters.remove(&lsn) {
            submitter.tell(reply);
        }
    }

    pub fn wait(&mut self, run: RunKey, answer: Answer<RunView>) {
        let waiters = self.waiters.entry(run).or_default();
        // Those who gave up are not kept.
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(answer);
    }

    pub fn take_waiters(&mut self, run: RunKey) -> Vec<Answer<RunView>> {
        self.waiters.remove(&run).unwrap_or_default()
    }

    /// The node fails: whoever waits is told so.
    pub fn refuse_all(&mut self, problem: &Problem) {
        for (_, submitter) in self.submitters.drain() {
            submitter.tell(Reply::Rejected(Box::new(problem.clone())));
        }
        for waiter in self.waiters.drain().flat_map(|(_, waiters)| waiters) {
            drop(waiter.send(Err(problem.clone())));
        }
    }
}
