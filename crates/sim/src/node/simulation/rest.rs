//! The end of a simulation: faults stop, everything comes to rest, and is judged.

use super::{LAST_TURNS_MAX, Simulation, Verdict};
use crate::node::clients::Client;
use crate::node::ending;
use crate::node::examination::{nothing_is_left, same_histories};
use crate::node::faults::Fault;
use crate::node::verdict::{Checker, Violation};

/// Turns after which every run that is still open gets an event.
const TURNS_PER_EVENT: u32 = 50;

impl Simulation {
    /// Faults stop; every client gets its answers and every run ends, also after a last crash.
    pub(super) fn come_to_rest(&mut self) -> Verdict {
        self.scene.calm.set(true);
        self.then = None;
        self.crash(Fault::TotalLoss)?;
        for turn in 0..LAST_TURNS_MAX {
            if turn % TURNS_PER_EVENT == 0 {
                self.tell_those_who_wait();
            }
            self.step()?;
            if self.busy.is_empty() && self.is_at_rest() {
                return self.judge();
            }
        }
        let open: Vec<_> = self.archive.truth.runs().filter(|run| run.ended_ms().is_none()).take(5).collect();
        let open =
            open.iter().map(|run| format!("{} with {} calls pending", run.id(), run.pending().count()));
        let busy = self.busy.iter().take(5).map(|at| self.clients[*at].id.clone());
        let names: Vec<String> = open.chain(busy).collect();
        Err(Violation::new(Checker::RunsEnd, format!("these do not end: {}", names.join(", "))))
    }

    /// Only what waits for events keeps some runs open. An event for everybody would start runs that wait for another.
    fn tell_those_who_wait(&mut self) {
        let open = self.archive.truth.runs().filter(|run| run.ended_ms().is_none());
        let mut open: Vec<String> = open.map(|run| run.id().to_string()).collect();
        open.sort_unstable();
        for run in open {
            self.join(|number| Client::of_event(number, "told", Some(run)));
        }
    }

    fn is_at_rest(&self) -> bool {
        let shard = self.shard.as_ref().expect("it is open");
        let silent = self.scene.outside.borrow().is_silent();
        let idle = silent && !shard.is_busy() && shard.log().next_lsn().0 == self.archive.len() + 1;
        let flying = self.scene.workers.borrow().next_due_ms().is_some();
        let truth = &self.archive.truth;
        idle && !flying && truth.runs().all(|run| run.ended_ms().is_some() && run.outbox_len() == 0)
    }

    fn judge(&mut self) -> Verdict {
        self.settle()?;
        self.examine()?;
        self.crash(Fault::TotalLoss)?;
        same_histories(self.shard.as_ref().expect("it was just opened"), &self.archive, &self.scene)?;
        nothing_is_left(&self.archive, &self.scene)?;
        ending::judge(&self.archive, &self.apps, &self.clients, &self.scene)
    }
}
