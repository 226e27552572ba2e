//! The express side: taking ended runs out of the engine that executes them.

use crate::app::App;
use crate::effect::Effect;
use crate::engine::Engine;
use crate::input::ExpressEnded;
use crate::run::Status;
use sluice_types::{BucketIx, Payload, Problem, RunKey};

impl Engine {
    /// Lets runs of these versions start here. What the app collects and fires stays with the engine it is from.
    pub fn share_versions(&mut self, app: &App) {
        self.apps.insert(app.key(), app.bare());
    }

    /// The payload of an object of an express run with its digest, which was not needed until its put was repeated.
    pub fn learn_payload(&mut self, run: RunKey, bucket: BucketIx, key: &str, payload: Payload) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.learn_payload(bucket, key, payload);
        }
    }

    /// Takes an ended run out and says how it ended. Its inputs belong to the durable engine already, its outputs
    /// from now on; everything else it has released.
    pub fn take_ended(&mut self, key: RunKey) -> Option<ExpressEnded> {
        if self.run(key).is_none_or(|run| run.status() == Status::Running) {
            return None;
        }
        let run = self.runs.remove(&key)?;
        self.ids.remove(&Self::fingerprint(run.namespace(), run.id()));
        Some(ExpressEnded {
            run: key,
            incarnation: run.incarnation(),
            error: run.error().cloned(),
            cancelled: run.status() == Status::Cancelled,
            outputs: run.outputs().cloned().collect(),
            tallies: run.tallies().to_vec(),
        })
    }

    /// Takes a run out that an input has made panic: it ends with `problem`. Its attempts are to stop, and what it has
    /// made goes.
    pub fn expel(
        &mut self,
        key: RunKey,
        problem: Problem,
        effects: &mut Vec<Effect>,
    ) -> Option<ExpressEnded> {
        let mut run = self.runs.remove(&key)?;
        self.ids.remove(&Self::fingerprint(run.namespace(), run.id()));
        self.listening.remove(run.app(), key);
        run.give_up(effects);
        Some(ExpressEnded {
            run: key,
            incarnation: run.incarnation(),
            error: Some(problem),
            cancelled: false,
            outputs: Vec::new(),
            tallies: run.tallies().to_vec(),
        })
    }
}
