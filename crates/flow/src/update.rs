//! Updates: what somebody asks the code to do, and the answers.

use serde::{Deserialize, Serialize};
use sluice_types::ReturnValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Answers that are kept, for those who ask again; of older ones nobody knows.
const ANSWERS_MAX: usize = 100;

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// This.
    Done(Option<ReturnValue>),
    /// The code raised what the value tells, as JSON.
    Refused(Option<ReturnValue>),
    /// The workflow ended before.
    Ended,
}

/// The updates of a workflow, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Updates {
    asked: BTreeMap<Arc<str>, Option<Answer>>,
    /// Those that have their answers, oldest first.
    answered: VecDeque<Arc<str>>,
}

impl Updates {
    /// Notes an update. Whether it is a new one.
    pub fn ask(&mut self, id: &Arc<str>) -> bool {
        if self.asked.contains_key(id) {
            return false;
        }
        self.asked.insert(id.clone(), None);
        true
    }

    /// Notes an answer. Whether it was waited for.
    pub fn answer(&mut self, id: &Arc<str>, answer: Answer) -> bool {
        match self.asked.get_mut(id) {
            Some(waits @ None) => *waits = Some(answer),
            _ => return false,
        }
        self.answered.push_back(id.clone());
        if self.answered.len() > ANSWERS_MAX
            && let Some(oldest) = self.answered.pop_front()
        {
            self.asked.remove(&oldest);
        }
        true
    }

    /// Nobody knows of it any more.
    pub fn forget(&mut self, id: &Arc<str>) {
        self.asked.remove(id);
    }

    /// Those without an answer.
    pub fn open(&self) -> Vec<Arc<str>> {
        self.asked.iter().filter(|(_, answer)| answer.is_none()).map(|(id, _)| id.clone()).collect()
    }

    pub fn find(&self, id: &str) -> Option<Option<&Answer>> {
        self.asked.get(id).map(Option::as_ref)
    }
}
