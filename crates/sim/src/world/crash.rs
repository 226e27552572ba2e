//! The process dies and recovers: from the last checkpoint and the log, and from what is still owed.

use super::World;
use sluice_engine::Engine;

impl World {
    /// An engine that went through the whole log, and so has whole histories.
    pub fn replayed(&self) -> Engine {
        self.store.replay(&self.log)
    }

    /// Forgets everything that is not in the log or the store, recovers, and performs again what was never acknowledged.
    pub fn crash(&mut self) {
        let recovered = self.store.recover(&self.log);
        assert_eq!(
            recovered.state_hash(),
            self.engine.state_hash(),
            "recovery gives the state before the crash"
        );
        assert_eq!(recovered.next_deadline(), self.engine.next_deadline(), "recovery gives the timers");
        self.engine = recovered;
        self.flights.clear();
        self.errands.clear();
        let mut owed = Vec::new();
        self.engine.outstanding(&mut owed);
        owed.into_iter().for_each(|effect| self.perform(effect));
    }
}
