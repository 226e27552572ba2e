//! Answers on their way to clients. Every answer is looked at before the next sync: what it tells must be durable
//! already, by what the disks would have after a crash that loses all it may.

use super::scene::Scene;
use super::verdict::Checker;
use memchr::memmem;
use sluice_runtime::api::{
    ActivityTask, AppView, CheckReport, EventsReply, ObjectView, PutReply, RunView, Started,
};
use sluice_runtime::handle::Answer;
use sluice_types::Problem;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// What a client may hear.
#[derive(Debug)]
pub(super) enum Heard {
    Deployed,
    Started,
    Put,
    Done,
    Taken,
    View(Box<RunView>),
    Object(ObjectView),
    Task(Option<ActivityTask>),
    Moved(CheckReport),
}

impl From<CheckReport> for Heard {
    fn from(report: CheckReport) -> Self {
        Self::Moved(report)
    }
}

impl From<Option<ActivityTask>> for Heard {
    fn from(task: Option<ActivityTask>) -> Self {
        Self::Task(task)
    }
}

impl From<AppView> for Heard {
    fn from(_: AppView) -> Self {
        Self::Deployed
    }
}

impl From<Started> for Heard {
    fn from(_: Started) -> Self {
        Self::Started
    }
}

impl From<PutReply> for Heard {
    fn from(_: PutReply) -> Self {
        Self::Put
    }
}

impl From<()> for Heard {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<EventsReply> for Heard {
    fn from(_: EventsReply) -> Self {
        Self::Taken
    }
}

impl From<RunView> for Heard {
    fn from(view: RunView) -> Self {
        Self::View(Box::new(view))
    }
}

impl From<ObjectView> for Heard {
    fn from(view: ObjectView) -> Self {
        Self::Object(view)
    }
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// It was answered.
    Answered(Heard),
    /// It was refused.
    Refused(Problem),
    /// Nobody will answer: the node is gone.
    Gone,
}

struct Waiting {
    ticket: u64,
    /// Bytes of which some are on disk once the record behind the answer is.
    tokens: Vec<Vec<u8>>,
    poll: Box<dyn FnMut() -> Option<Ending>>,
}

/// Requests that wait, and those that ended and were not looked at yet.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Vec<Waiting>,
    ended: Vec<(u64, Ending)>,
    next_ticket: u64,
}

impl Desk {
    /// A request is made. Returns its number and where the answer goes.
    pub fn ask<T: Into<Heard> + 'static>(&mut self, token: Option<String>) -> (u64, Answer<T>) {
        self.ask_either(token.into_iter().map(Vec::from).collect())
    }

    /// As `ask`, when there is more than one way in which the answer can be durable.
    pub fn ask_either<T: Into<Heard> + 'static>(&mut self, tokens: Vec<Vec<u8>>) -> (u64, Answer<T>) {
        let (answer, mut receiver) = oneshot::channel::<Result<T, Problem>>();
        let poll = move || match receiver.try_recv() {
            Ok(Ok(heard)) => Some(Ending::Answered(heard.into())),
            Ok(Err(problem)) => Some(Ending::Refused(problem)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Ending::Gone),
        };
        self.next_ticket += 1;
        self.waiting.push(Waiting { ticket: self.next_ticket, tokens, poll: Box::new(poll) });
        (self.next_ticket, answer)
    }

    /// Requests that ended since the last call.
    pub fn take_ended(&mut self) -> Vec<(u64, Ending)> {
        std::mem::take(&mut self.ended)
    }
}

impl Scene {
    /// Takes in the answers that have come.
    pub fn take_answers(&self) {
        let Desk { waiting, ended, .. } = &mut *self.desk.borrow_mut();
        waiting.retain_mut(|waiting| {
            let Some(ending) = (waiting.poll)() else { return true };
            if let (Ending::Answered(heard), [token, ..]) = (&ending, &waiting.tokens[..]) {
                self.cover(|coverage| coverage.check("answers that were durable", 1));
                if !waiting.tokens.iter().any(|token| self.is_durable(token)) {
                    let token = String::from_utf8_lossy(token);
                    let message = format!("{token:?} was answered with {heard:?} before it was durable");
                    self.complain(Checker::NoEarlyAnswer, message);
                }
            }
            ended.push((waiting.ticket, ending));
            false
        });
    }

    /// Whether a crash now, losing all it may, would leave these bytes on one of the disks.
    fn is_durable(&self, token: &[u8]) -> bool {
        let finder = memmem::Finder::new(token);
        [&self.log_disk, &self.store_disk].into_iter().any(|disk| {
            let mut found = false;
            disk.each_durable(&mut |_, bytes| found = found || finder.find(bytes).is_some());
            found
        })
    }
}
