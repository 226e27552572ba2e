//! Data directories written by released versions open, and hold what was put into them.

#![allow(clippy::unwrap_used, reason = "helpers may fail a test")]

use sluice_storage::disk::RealDisk;
use sluice_storage::log::{Log, Options};
use sluice_storage::store::{ListQuery, StoreOptions};
use sluice_storage::{DataDir, RunStore};
use sluice_types::{AppKey, Lsn, RunKey};
use std::fs;
use std::path::Path;

/// A copy of a fixture, to be written to.
fn copy(version: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version), to.path());
    to
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn v4() {
    let copy = copy("v4");
    let dir = DataDir::open(copy.path()).unwrap();
    let store = RunStore::open(&RealDisk, &dir.store_path(), &StoreOptions::default()).unwrap();
    assert_eq!(store.checkpoint_lsn().unwrap(), Lsn(8));
    for run in 1..=3 {
        let state = store.run(RunKey(run)).unwrap().unwrap();
        assert_eq!(state, format!("state of run {run}").as_bytes());
        let found =
            store.find(xxhash_rust::xxh3::xxh3_128(format!("default\0run_{run}").as_bytes())).unwrap();
        assert_eq!(found, Some(RunKey(run)));
        let query = ListQuery { app: Some(AppKey(1)), status: Some(run as u8), before: None, limit: 9 };
        assert_eq!(store.list(query).unwrap(), [RunKey(run)]);
    }
    assert_eq!(store.app(AppKey(1)).unwrap().as_deref(), Some(&b"app"[..]));
    assert_eq!(store.meta("note").unwrap().as_deref(), Some(&b"v1"[..]));

    let options = Options { checkpoint_lsn: Lsn(8), ..Options::default() };
    let mut log = Log::open(RealDisk, &dir.log_path(), options).unwrap();
    assert_eq!(log.durable(), Lsn(20));
    let mut replay = log.replay(Lsn(0)).unwrap();
    for n in 1..=20u64 {
        let record = replay.next().unwrap().unwrap();
        // The last sync went into the second segment after its third record.
        let durable = if n == 20 { 19 } else { (n - 1) / 4 * 4 };
        assert_eq!((record.lsn, record.durable), (Lsn(n), Lsn(durable)));
        assert_eq!(record.payload, format!("record {n}").as_bytes());
        assert_eq!((record.format, record.codec, record.key_id, record.engine_version), (1, 0, 0, 1));
        assert_eq!(record.traceparent, (n % 5 == 0).then_some([n as u8; 25]));
    }
    assert!(replay.next().unwrap().is_none());
    assert_eq!(log.append(Default::default(), |_| {}).unwrap(), Lsn(21));
    log.sync().unwrap();
}
