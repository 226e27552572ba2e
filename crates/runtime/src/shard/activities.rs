//! Activities: tasks that wait for somebody who asks for them, and those who ask.
//!
//! Soft state: what waits is in the outboxes of runs, which ask again after recovery.

use super::Shard;
use crate::api::ActivityTask;
use crate::callees::TaskRef;
use crate::handle::Answer;
use crate::ports::Ports;
use sluice_asl::execution::{Event, TaskRequest};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// So many tasks are taken in by an activity before it is looked which of them are needed no more; later twice as many
/// as were left.
const UNSWEPT_MIN: usize = 64;

/// One activity.
struct Queue {
    tasks: VecDeque<Offered>,
    askers: VecDeque<Asker>,
    /// With so many tasks, those that are needed no more go.
    swept_at: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { tasks: VecDeque::new(), askers: VecDeque::new(), swept_at: UNSWEPT_MIN }
    }
}

struct Offered {
    task: TaskRef,
    given: ActivityTask,
}

struct Asker {
    name: Option<Arc<str>>,
    answer: Answer<Option<ActivityTask>>,
}

/// All activities that something waits for.
#[derive(Default)]
pub(super) struct Activities(BTreeMap<Arc<str>, Queue>);

impl<P: Ports> Shard<P> {
    /// A task waits for somebody who asks for it.
    pub(super) fn offer(&mut self, activity: Arc<str>, task: TaskRef, request: &TaskRequest) {
        let token = request.token.clone().unwrap_or_default();
        let given = ActivityTask { token, input: request.input().to_json() };
        let mut queue = self.activities.0.remove(&activity).unwrap_or_default();
        queue.tasks.push_back(Offered { task, given });
        if queue.tasks.len() >= queue.swept_at {
            queue.tasks.retain(|offered| self.is_owed(&offered.task));
            queue.swept_at = (2 * queue.tasks.len()).max(UNSWEPT_MIN);
        }
        self.activities.0.insert(activity.clone(), queue);
        self.match_up(&activity);
    }

    /// Whether whoever asked still waits for somebody to take it up.
    fn is_owed(&self, task: &TaskRef) -> bool {
        let run = self.executed(task.run);
        run.is_some_and(|run| task.from.is_some_and(|from| run.owes(from)))
    }

    /// Somebody asks for a task. The answer comes when there is one; whoever gives up drops its end.
    pub(super) fn ask_for_task(
        &mut self,
        activity: &str,
        name: Option<String>,
        answer: Answer<Option<ActivityTask>>,
    ) {
        let activity: Arc<str> = activity.into();
        let queue = self.activities.0.entry(activity.clone()).or_default();
        queue.askers.retain(|asker| !asker.answer.is_closed());
        queue.askers.push_back(Asker { name: name.map(Arc::from), answer });
        self.match_up(&activity);
    }

    fn match_up(&mut self, activity: &str) {
        loop {
            let Some(queue) = self.activities.0.get_mut(activity) else { return };
            queue.askers.retain(|asker| !asker.answer.is_closed());
            if queue.askers.is_empty() || queue.tasks.is_empty() {
                if queue.askers.is_empty() && queue.tasks.is_empty() {
                    self.activities.0.remove(activity);
                }
                return;
            }
            let offered = queue.tasks.pop_front().expect("there is one");
            if !self.is_owed(&offered.task) {
                continue;
            }
            let queue = self.activities.0.get_mut(activity).expect("it was there");
            let asker = queue.askers.pop_front().expect("there is one");
            self.hand_over(offered, asker);
        }
    }

    fn hand_over(&mut self, offered: Offered, asker: Asker) {
        let Offered { task, given } = offered;
        match self.report_task(task, Event::Started { task: task.task, worker: asker.name }) {
            Ok(_) => self.say(move || drop(asker.answer.send(Ok(Some(given))))),
            Err(problem) => self.refuse(asker.answer, problem),
        }
    }
}
