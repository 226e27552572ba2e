//! The run store: round trips, listing against a naive model, crashes in the middle of a checkpoint.

#![allow(clippy::unwrap_used, reason = "helpers may fail a test")]

mod support;

use proptest::prelude::*;
use sluice_storage::disk::MemDisk;
use sluice_storage::disk::mem::Fault;
use sluice_storage::store::{Batch, ListQuery, RunIndex, StoreOptions};
use sluice_storage::{Error, RunStore};
use sluice_types::{AppKey, Code, Lsn, RunKey};
use std::collections::BTreeMap;
use std::path::Path;
use support::choices;

fn path() -> &'static Path {
    Path::new("/store.redb")
}

fn open(disk: &MemDisk) -> RunStore {
    RunStore::open(disk, path(), &StoreOptions { cache_bytes: 1 << 20 }).expect("the store opens")
}

fn fingerprint(run: u64) -> u128 {
    u128::from(run) << 64 | 1
}

fn index(app: u32, status: u8, run: u64) -> RunIndex {
    RunIndex { app: AppKey(app), status, id_fingerprint: fingerprint(run) }
}

#[test]
fn a_new_store_is_empty() {
    let store = open(&MemDisk::new());
    assert_eq!(store.checkpoint_lsn().unwrap(), Lsn(0));
    assert_eq!(store.run(RunKey(1)).unwrap(), None);
    assert_eq!(store.find(1).unwrap(), None);
    assert_eq!(store.app(AppKey(1)).unwrap(), None);
    assert_eq!(store.apps().unwrap(), []);
    assert_eq!(store.meta("name").unwrap(), None);
    assert_eq!(store.list(ListQuery { limit: 10, ..ListQuery::default() }).unwrap(), []);
}

#[test]
fn a_batch_becomes_visible_as_a_whole() {
    let disk = MemDisk::new();
    let store = open(&disk);
    let mut batch = store.begin();
    batch.put_run(RunKey(7), b"seven", &index(1, 0, 7));
    batch.put_app(AppKey(1), b"app");
    batch.put_meta("next", b"meta");
    assert!(batch.size_bytes() > 12);
    assert_eq!(store.run(RunKey(7)).unwrap(), None, "not before the commit");
    batch.commit(Lsn(42)).unwrap();
    for store in [store.clone(), open_again(store, &disk)] {
        assert_eq!(store.checkpoint_lsn().unwrap(), Lsn(42));
        assert_eq!(store.run(RunKey(7)).unwrap().as_deref(), Some(&b"seven"[..]));
        assert_eq!(store.find(fingerprint(7)).unwrap(), Some(RunKey(7)));
        assert_eq!(store.app(AppKey(1)).unwrap().as_deref(), Some(&b"app"[..]));
        assert_eq!(store.apps().unwrap(), [AppKey(1)]);
        assert_eq!(store.meta("next").unwrap().as_deref(), Some(&b"meta"[..]));
    }
}

fn open_again(store: RunStore, disk: &MemDisk) -> RunStore {
    drop(store);
    open(disk)
}

#[test]
fn a_batch_is_committed_on_another_thread_while_others_read() {
    let store = open(&MemDisk::new());
    let mut batch: Batch = store.begin();
    batch.put_run(RunKey(1), b"one", &index(1, 0, 1));
    std::thread::scope(|scope| {
        let commit = scope.spawn(move || batch.commit(Lsn(1)));
        // Either nothing or all of it, whenever this reads.
        let lsn = store.checkpoint_lsn().unwrap();
        assert!(lsn == Lsn(0) || store.run(RunKey(1)).unwrap().is_some());
        commit.join().unwrap().unwrap();
    });
    assert_eq!(store.checkpoint_lsn().unwrap(), Lsn(1));
}

#[test]
fn an_id_that_has_passed_to_another_run_stays_with_it() {
    let store = open(&MemDisk::new());
    let mut batch = store.begin();
    batch.put_run(RunKey(1), b"old", &index(1, 0, 7));
    batch.put_run(RunKey(2), b"new", &index(1, 0, 7));
    batch.remove_run(RunKey(1));
    batch.commit(Lsn(1)).unwrap();
    assert_eq!(store.find(index(1, 0, 7).id_fingerprint).unwrap(), Some(RunKey(2)));
    assert_eq!(store.run(RunKey(1)).unwrap(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Put { run: u64, app: u32, status: u8, bytes: usize },
    Remove(u64),
    Commit,
    FailSync,
    Crash { syncs: u64, seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1u64..30, 0u32..3, 0u8..3, 0usize..900)
            .prop_map(|(run, app, status, bytes)| Step::Put { run, app, status, bytes }),
        2 => (1u64..30).prop_map(Step::Remove),
        4 => Just(Step::Commit),
        1 => Just(Step::FailSync),
        1 => (0u64..3, any::<u64>()).prop_map(|(syncs, seed)| Step::Crash { syncs, seed }),
    ]
}

/// What a store holds: state and index by run.
type Runs = BTreeMap<u64, (Vec<u8>, RunIndex)>;

/// Compares everything that can be asked.
fn check(store: &RunStore, runs: &Runs) {
    for run in 1..30 {
        let expected = runs.get(&run);
        assert_eq!(store.run(RunKey(run)).unwrap(), expected.map(|(blob, _)| blob.clone()));
        let found = store.find(index(0, 0, run).id_fingerprint).unwrap();
        assert_eq!(found, expected.map(|_| RunKey(run)));
    }
    for app in [None, Some(0), Some(1), Some(2)] {
        for status in [None, Some(0), Some(1), Some(2)] {
            for before in [None, Some(RunKey(15))] {
                let query = ListQuery { app: app.map(AppKey), status, before, limit: 7 };
                let fits = |(run, (_, index)): &(&u64, &(Vec<u8>, RunIndex))| {
                    app.is_none_or(|app| index.app == AppKey(app))
                        && status.is_none_or(|status| index.status == status)
                        && before.is_none_or(|before| **run < before.0)
                };
                let expected = runs.iter().rev().filter(fits).take(7).map(|(run, _)| RunKey(*run));
                assert_eq!(store.list(query).unwrap(), expected.collect::<Vec<_>>(), "{query:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(support::cases(60))]

    #[test]
    fn the_store_holds_one_checkpoint_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let disk = MemDisk::new();
        let mut store = open(&disk);
        let (mut committed, mut lsn) = (Runs::new(), 0);
        let (mut pending, mut batch) = (committed.clone(), store.begin());
        for step in steps {
            match step {
                Step::Put { run, app, status, bytes } => {
                    let (blob, index) = (vec![run as u8; bytes], index(app, status, run));
                    batch.put_run(RunKey(run), &blob, &index);
                    pending.insert(run, (blob, index));
                    continue;
                }
                Step::Remove(run) => {
                    batch.remove_run(RunKey(run));
                    pending.remove(&run);
                    continue;
                }
                Step::Commit => {
                    lsn += 1;
                    let done = std::mem::replace(&mut batch, store.begin());
                    if done.commit(Lsn(lsn)).is_ok() {
                        committed = pending.clone();
                        check(&store, &committed);
                        continue;
                    }
                }
                Step::FailSync => {
                    disk.fail_next_sync(Fault::Io);
                    continue;
                }
                Step::Crash { syncs, seed } => {
                    // In the middle of a checkpoint: one of its syncs fails, and the power goes.
                    lsn += 1;
                    disk.fail_sync(syncs, Fault::Io);
                    let done = std::mem::replace(&mut batch, store.begin());
                    let acknowledged = done.commit(Lsn(lsn)).is_ok();
                    disk.crash(&mut choices(seed));
                    drop((batch, store));
                    store = open(&disk);
                    prop_assert!(!acknowledged || store.checkpoint_lsn().unwrap() == Lsn(lsn));
                    batch = store.begin();
                }
            }
            // After a failure: the checkpoint before stands, or the one that failed.
            drop((batch, store));
            store = open(&disk);
            if store.checkpoint_lsn().unwrap() == Lsn(lsn) {
                committed = pending;
            }
            check(&store, &committed);
            pending = committed.clone();
            batch = store.begin();
        }
        drop(batch);
        check(&open_again(store, &disk), &committed);
    }
}

#[test]
fn a_damaged_state_is_noticed() {
    let disk = MemDisk::new();
    let store = open(&disk);
    let mut batch = store.begin();
    batch.put_run(RunKey(1), &[0xAB; 300], &index(1, 0, 1));
    batch.commit(Lsn(1)).unwrap();
    drop(store);
    let bytes = disk.contents(path()).unwrap();
    let places = bytes.windows(300).enumerate().filter(|(_, window)| window.iter().all(|b| *b == 0xAB));
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| disk.rot(path(), *at as u64 + 7, 1));
    let damaged = open(&disk).run(RunKey(1));
    assert!(matches!(&damaged, Err(error @ Error::StoreCorrupt(_)) if error.code() == Code::DATA_CORRUPT));
}

#[test]
fn a_full_disk_fails_the_checkpoint_and_keeps_the_last() {
    let disk = MemDisk::new();
    let store = open(&disk);
    let mut batch = store.begin();
    batch.put_run(RunKey(1), b"kept", &index(1, 0, 1));
    batch.commit(Lsn(1)).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    let mut batch = store.begin();
    for run in 2..4000 {
        batch.put_run(RunKey(run), &[1; 3000], &index(1, 0, run));
    }
    assert!(matches!(batch.commit(Lsn(2)), Err(Error::DiskFull)));
    drop(store);
    let store = open(&disk);
    assert_eq!(store.checkpoint_lsn().unwrap(), Lsn(1));
    assert_eq!(store.run(RunKey(1)).unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(store.run(RunKey(2)).unwrap(), None);
}
