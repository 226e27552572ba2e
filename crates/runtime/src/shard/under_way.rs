//! The runs of an app that are under way, however many: those in memory, and those that the store lists, a page at a time.

use sluice_engine::Status;
use sluice_storage::RunStore;
use sluice_storage::store::ListQuery;
use sluice_types::{AppKey, Problem, RunKey};
use std::collections::BTreeSet;

/// Runs that are read from the store's listing in one go.
const PAGE_RUNS: usize = 1_024;

/// Runs that were under way when this was made, newest first. Some of them may have ended by the time they are given.
pub(super) struct UnderWay {
    app: AppKey,
    /// Those in memory that no page has reached yet.
    loaded: BTreeSet<RunKey>,
    /// The page that is being given, its next run last.
    page: Vec<RunKey>,
    /// Before which run the next page of the store begins; `None` at the first.
    before: Option<RunKey>,
    is_listed: bool,
}

impl UnderWay {
    /// All of an app; `loaded` are those of them in memory.
    pub fn all(app: AppKey, loaded: BTreeSet<RunKey>) -> Self {
        Self { app, loaded, page: Vec::new(), before: None, is_listed: false }
    }

    /// This one.
    pub fn one(app: AppKey, run: RunKey) -> Self {
        Self { page: vec![run], is_listed: true, ..Self::all(app, BTreeSet::new()) }
    }

    /// The next run. The error is the store's.
    pub fn next(&mut self, store: &RunStore) -> Result<Option<RunKey>, Problem> {
        if self.page.is_empty() && !self.is_listed {
            self.turn_page(store)?;
        }
        Ok(self.page.pop())
    }

    fn turn_page(&mut self, store: &RunStore) -> Result<(), Problem> {
        let (app, status) = (Some(self.app), Some(Status::Running as u8));
        let query = ListQuery { app, status, before: self.before, limit: PAGE_RUNS };
        let listed = store.list(query).map_err(|error| error.problem())?;
        self.is_listed = listed.len() < PAGE_RUNS;
        self.before = listed.last().copied();
        let mut page = match self.before.filter(|_| !self.is_listed) {
            Some(oldest) => self.loaded.split_off(&oldest),
            None => std::mem::take(&mut self.loaded),
        };
        page.extend(listed);
        self.page = page.into_iter().collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_storage::disk::MemDisk;
    use sluice_storage::store::{RunIndex, StoreOptions};
    use sluice_types::Lsn;
    use std::path::Path;

    #[test]
    fn every_run_is_given_once_wherever_it_is() {
        let store = RunStore::open(&MemDisk::default(), Path::new("/store"), &StoreOptions::default())
            .expect("the store opens");
        let (app, pages) = (AppKey(1), 3 * PAGE_RUNS as u64);
        let mut batch = store.begin();
        for run in (0..pages).map(RunKey) {
            let index = RunIndex { app, status: Status::Running as u8, id_fingerprint: run.0.into() };
            batch.put_run(run, b"run", &index);
        }
        batch.commit(Lsn(1)).expect("the store takes them");
        // Every third is in memory too, and some are nowhere else.
        let loaded = (0..pages).step_by(3).chain(pages..pages + 10).map(RunKey).collect();
        let mut runs = UnderWay::all(app, loaded);
        let given = std::iter::from_fn(|| runs.next(&store).expect("the store is whole"));
        assert!(given.eq((0..pages + 10).rev().map(RunKey)));
        let mut one = UnderWay::one(app, RunKey(7));
        assert_eq!([(); 2].map(|()| one.next(&store).expect("nothing is read")), [Some(RunKey(7)), None]);
    }
}
