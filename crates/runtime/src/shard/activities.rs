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

/// One activity.
#[derive(Default)]
struct Queue {
    tasks: VecDeque<Offered>,
    askers: VecDeque<Asker>,
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
        self.activities.0.entry(activity.clone()).or_default().tasks.push_back(Offered { task, given });
        self.match_up(&activity);
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
            let is_owed = |run: &sluice_engine::Run| offered.task.from.is_some_and(|from| run.owes(from));
            let run = self.express.run(offered.task.run).or_else(|| self.durable.run(offered.task.run));
            if !run.is_some_and(is_owed) {
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
