//! A full disk: new work is refused, work under way goes on, nothing accepted is lost.

#![allow(clippy::unwrap_used, reason = "helpers may fail a test")]

mod support;

use sluice_storage::disk::{Disk, MemDisk};
use sluice_storage::log::{Head, Options, Priority};
use sluice_storage::{Error, Log};
use sluice_types::Lsn;
use support::{dir, open, payloads, small};

const NEW: Priority = Priority::NewWork;
const PROGRESS: Priority = Priority::Progress;
const RESERVE_BYTES: u64 = 4096;

fn options() -> Options {
    Options { reserve_bytes: RESERVE_BYTES, ..small() }
}

fn try_append(log: &mut Log<MemDisk>, priority: Priority, n: u64) -> Result<Lsn, Error> {
    log.append(Head { priority, ..Head::default() }, |bytes| bytes.extend_from_slice(&n.to_le_bytes()))
}

/// Appends and syncs until the disk is full for this priority; returns the last record.
fn fill(log: &mut Log<MemDisk>, priority: Priority) -> u64 {
    for _ in 0..10_000 {
        let n = log.next_lsn().0;
        let full = match try_append(log, priority, n) {
            Ok(_) => log.sync().map(|_| ()),
            Err(error) => Err(error),
        };
        match full {
            Ok(()) => {}
            Err(Error::DiskFull) => return log.next_lsn().0 - 1,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the disk never got full");
}

/// A log whose files are all prepared, on a disk that is nearly full then.
fn nearly_full() -> (MemDisk, Log<MemDisk>) {
    let disk = MemDisk::new();
    let mut log = open(&disk, options());
    while log.prepare(1000).unwrap() > 0 {}
    disk.set_capacity(Some(disk.used_bytes() + RESERVE_BYTES + 3000));
    log.sync().unwrap();
    (disk, log)
}

#[test]
fn new_work_is_refused_first_and_progress_has_the_reserve() {
    let (disk, mut log) = nearly_full();
    let accepted = fill(&mut log, NEW);
    assert!(accepted > 20, "{accepted}");
    let free = disk.free_bytes(dir()).unwrap();
    assert!(free < RESERVE_BYTES && free + 2 * options().growth_bytes > RESERVE_BYTES, "{free}");

    let all = fill(&mut log, PROGRESS);
    let progress_bytes = (all - accepted) * 40;
    assert!(progress_bytes > RESERVE_BYTES * 3 / 2, "the reserve took only {progress_bytes} bytes");
    assert!(matches!(try_append(&mut log, NEW, 0), Err(Error::DiskFull)));

    // What was taken but found no room waits, and is written when there is.
    disk.set_capacity(None);
    assert_eq!(log.sync().unwrap(), Lsn(all));
    assert_eq!(try_append(&mut log, NEW, all + 1).unwrap(), Lsn(all + 1));
    log.sync().unwrap();
    drop(log);
    disk.crash(&mut |_| 0);
    assert_eq!(payloads(&open(&disk, options()), 0), (1..=all + 1).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_can_be_opened_and_released() {
    let (disk, mut log) = nearly_full();
    fill(&mut log, NEW);
    let all = fill(&mut log, PROGRESS);
    let durable = log.durable();
    assert!(all - durable.0 <= 1);
    drop(log);
    // Others have eaten the rest.
    disk.crash(&mut |_| 0);
    disk.set_capacity(Some(disk.used_bytes() + 200));

    let mut log = open(&disk, options());
    assert_eq!(log.durable(), durable);
    assert!(matches!(try_append(&mut log, NEW, 0), Err(Error::DiskFull)));
    log.truncate_before(Lsn(durable.0 + 1)).unwrap();
    log.sync().unwrap();
    assert!(try_append(&mut log, PROGRESS, durable.0 + 1).is_ok());
    log.sync().unwrap();
}

/// A segment is released when the next one makes it void, and that one's header is on disk.
#[test]
fn releasing_while_a_roll_waits_for_space_survives_a_crash() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    let filler = [1; 1800];
    log.append(Head::default(), |bytes| bytes.extend_from_slice(&filler)).unwrap();
    log.sync().unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 64));
    log.append(Head::default(), |bytes| bytes.extend_from_slice(&filler)).unwrap();
    assert!(matches!(log.sync(), Err(Error::DiskFull)));
    log.truncate_before(Lsn(2)).unwrap();
    drop(log);
    disk.crash(&mut |_| 0);
    disk.set_capacity(None);
    assert_eq!(open(&disk, Options { checkpoint_lsn: Lsn(1), ..small() }).durable(), Lsn(1));
}

#[test]
fn opening_on_a_disk_without_a_free_byte_takes_the_reserve() {
    let (disk, mut log) = nearly_full();
    try_append(&mut log, NEW, 1).unwrap();
    log.sync().unwrap();
    drop(log);
    disk.set_capacity(Some(disk.used_bytes()));
    let log = open(&disk, options());
    assert_eq!(payloads(&log, 0), [1]);
    assert!(disk.contents(&dir().join("reserve")).is_none());
}

#[test]
fn released_segments_take_records_when_nothing_is_free() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    for n in 1..=150 {
        try_append(&mut log, NEW, n).unwrap();
        log.sync().unwrap();
    }
    log.truncate_before(Lsn(149)).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    log.sync().unwrap();
    let last = fill(&mut log, NEW);
    assert!(last >= 150 + 2 * 40, "two spares took only {} records", last - 150);
    assert!(last - log.durable().0 <= 1);
}

#[test]
fn the_reserve_is_built_again_when_there_is_space() {
    let (disk, mut log) = nearly_full();
    let reserve = dir().join("reserve");
    assert_eq!(disk.contents(&reserve).unwrap().len() as u64, RESERVE_BYTES);
    fill(&mut log, NEW);
    fill(&mut log, PROGRESS);
    assert!(disk.contents(&reserve).is_none(), "the reserve was used");
    assert_eq!(log.prepare(u64::MAX).unwrap(), 0, "nothing is filled while space is low");
    disk.set_capacity(None);
    while log.prepare(1000).unwrap() > 0 {}
    assert_eq!(disk.contents(&reserve).unwrap().len() as u64, RESERVE_BYTES);
}

#[test]
fn preparation_leaves_the_reserve_free() {
    let disk = MemDisk::new();
    let mut log = open(&disk, options());
    disk.set_capacity(Some(disk.used_bytes() + RESERVE_BYTES + 300));
    while log.prepare(1000).unwrap() > 0 {}
    assert_eq!(disk.free_bytes(dir()).unwrap(), RESERVE_BYTES);
    assert!(try_append(&mut log, NEW, 1).is_ok(), "what was prepared is there for new work");
}

#[test]
fn preparation_keeps_to_its_budget_and_leaves_syncs_nothing_but_records() {
    let disk = MemDisk::new();
    let mut log = open(&disk, Options { ahead_bytes: 3000, ..options() });
    let mut before = disk.used_bytes();
    loop {
        let syncs = disk.syncs();
        let left = log.prepare(700).unwrap();
        assert!(disk.used_bytes() - before <= 700 && disk.syncs() - syncs <= 1);
        before = disk.used_bytes();
        if left == 0 {
            break;
        }
    }
    for n in 1..=60 {
        try_append(&mut log, NEW, n).unwrap();
        log.sync().unwrap();
    }
    assert_eq!(disk.used_bytes(), before, "2400 bytes of records fitted into what was filled");
}
