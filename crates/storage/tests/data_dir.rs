//! The data directory: its layout, its lock, its version.

use sluice_storage::log::{Log, Options};
use sluice_storage::store::{RunIndex, StoreOptions};
use sluice_storage::{DataDir, Error, RunStore, data_dir, disk::RealDisk};
use sluice_types::{AppKey, Code, Lsn, RunKey};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_new_directory_gets_its_layout() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/data");
    let dir = DataDir::open(&path).unwrap();
    assert_eq!(dir.path(), path);
    assert!(dir.log_path().is_dir() && dir.objects_path().is_dir());
    assert_eq!(fs::read_to_string(path.join("VERSION")).unwrap(), format!("{}\n", data_dir::FORMAT));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    drop(dir);
    DataDir::open(&path).unwrap();
}

#[test]
fn one_process_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let first = DataDir::open(root.path()).unwrap();
    let refused = DataDir::open(root.path()).unwrap_err();
    assert_eq!(refused.code(), Code::DATA_DIR_IN_USE);
    assert!(matches!(&refused, Error::InUse { pid: Some(pid), .. } if *pid == std::process::id()));
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    drop(first);
    DataDir::open(root.path()).unwrap();
}

#[test]
fn other_versions_are_refused_and_left_alone() {
    for found in ["0", "3", "5", "4000000000000", "new", ""] {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("VERSION"), found).unwrap();
        let refused = DataDir::open(root.path()).unwrap_err();
        assert_eq!(refused.code(), Code::DATA_DIR_VERSION);
        assert!(
            matches!(&refused, Error::Version { found: f, supported, .. } if f == found && supported == "4")
        );
        assert!(!refused.problem().fix.is_empty());
        assert_eq!(fs::read_to_string(root.path().join("VERSION")).unwrap(), found);
        assert!(!root.path().join("log").exists());
    }
}

#[test]
fn data_without_a_version_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(DataDir::open(root.path()).unwrap());
    fs::write(root.path().join("log/0000000000000001.log"), "data").unwrap();
    fs::remove_file(root.path().join("VERSION")).unwrap();
    assert!(matches!(DataDir::open(root.path()), Err(Error::Version { .. })));
}

#[test]
fn log_and_store_live_in_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::open(root.path()).unwrap();
    let mut log = Log::open(RealDisk, &dir.log_path(), Options::default()).unwrap();
    log.append(Default::default(), |bytes| bytes.extend_from_slice(b"hello")).unwrap();
    assert_eq!(log.sync().unwrap(), Lsn(1));
    while log.prepare(8 << 20).unwrap() > 0 {}
    let store = RunStore::open(&RealDisk, &dir.store_path(), &StoreOptions::default()).unwrap();
    let mut batch = store.begin();
    let index = RunIndex { app: AppKey(1), status: 2, id_fingerprint: 7 };
    batch.put_run(RunKey(1), b"state", &index);
    batch.commit(Lsn(1)).unwrap();
    drop((log, store, dir));

    let dir = DataDir::open(root.path()).unwrap();
    let store = RunStore::open(&RealDisk, &dir.store_path(), &StoreOptions::default()).unwrap();
    let options = Options { checkpoint_lsn: store.checkpoint_lsn().unwrap(), ..Options::default() };
    let log = Log::open(RealDisk, &dir.log_path(), options).unwrap();
    assert_eq!(log.replay(Lsn(1)).unwrap().next().unwrap().unwrap().payload, b"hello");
    assert_eq!(store.run(RunKey(1)).unwrap().as_deref(), Some(&b"state"[..]));
}
