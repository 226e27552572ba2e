//! What the tests of the log share: a small log on a disk in memory whose records say their number.

#![allow(dead_code, reason = "each test file uses a part")]

use sluice_storage::Log;
use sluice_storage::disk::{Disk, MemDisk};
use sluice_storage::log::{Head, Options};
use sluice_types::Lsn;
use std::path::Path;

/// Segments of a few dozen records.
pub fn small() -> Options {
    Options {
        new_log_id: 0x5EED,
        segment_bytes: 2048,
        ahead_bytes: 1024,
        growth_bytes: 512,
        reserve_bytes: 0,
        ..Options::default()
    }
}

/// Where the log lives.
pub fn dir() -> &'static Path {
    Path::new("/log")
}

/// Opens the log, which must succeed.
pub fn open(disk: &MemDisk, options: Options) -> Log<MemDisk> {
    Log::open(disk.clone(), dir(), options).unwrap()
}

/// Appends a record that says `n`.
pub fn append<D: Disk>(log: &mut Log<D>, n: u64) -> Lsn {
    log.append(Head::default(), |bytes| bytes.extend_from_slice(&n.to_le_bytes())).unwrap()
}

/// What the durable records from `from` on say. Checks that lsns have no gap.
pub fn payloads<D: Disk>(log: &Log<D>, from: u64) -> Vec<u64> {
    let mut said = Vec::new();
    let mut replay = log.replay(Lsn(from)).unwrap();
    let mut next = log.oldest().0.max(from);
    while let Some(record) = replay.next().unwrap() {
        assert_eq!(record.lsn, Lsn(next));
        next += 1;
        said.push(u64::from_le_bytes(record.payload[..8].try_into().unwrap()));
    }
    said
}
