//! Exhaustive: a small log damaged at every byte, and every outcome of a crash during a sync.

#![allow(clippy::unwrap_used, reason = "helpers may fail a test")]

mod support;

use sluice_storage::disk::mem::Fault;
use sluice_storage::disk::{Disk, MemDisk};
use sluice_storage::log::{HEADER_BYTES, Options};
use sluice_storage::{Error, Log};
use sluice_types::Lsn;
use std::path::{Path, PathBuf};
use support::{append, every_choice, open, payloads, small};

const RECORD_BYTES: usize = HEADER_BYTES + 8;
const SEGMENT_HEADER_BYTES: usize = 64;
/// Records per sync in [`written_log`]; the last sync has nothing behind it that vouches for it.
const PER_SYNC: u64 = 4;
const RECORDS: u64 = 12;

/// A disk with a log of twelve records in one segment, and the path of that segment.
fn written_log() -> (MemDisk, PathBuf) {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    for n in 1..=RECORDS {
        append(&mut log, n);
        if n % PER_SYNC == 0 {
            log.sync().unwrap();
        }
    }
    drop(log);
    let names = disk.list(support::dir()).unwrap();
    (disk, support::dir().join(&names[0]))
}

/// A new disk with that content in that file.
fn disk_with(path: &Path, bytes: &[u8]) -> MemDisk {
    let disk = MemDisk::new();
    disk.put(path, bytes);
    disk
}

/// Opens, checks that exactly `count` records are there, goes on, and opens again.
fn recovers(disk: &MemDisk, count: u64, what: &str) {
    let mut log = open(disk, small());
    let mut expected: Vec<u64> = (1..=count).collect();
    assert_eq!(payloads(&log, 0), expected, "{what}");
    assert_eq!(append(&mut log, 1000), Lsn(count + 1), "{what}");
    log.sync().unwrap();
    disk.crash(&mut |_| 0);
    expected.push(1000);
    assert_eq!(payloads(&open(disk, small()), 0), expected, "{what}, after going on");
}

/// Records that end within the first `bytes` of the segment.
fn whole_records(bytes: usize) -> u64 {
    ((bytes - SEGMENT_HEADER_BYTES) / RECORD_BYTES) as u64
}

#[test]
fn a_tail_cut_at_any_byte_leaves_the_records_before_it() {
    let (disk, path) = written_log();
    let bytes = disk.contents(&path).unwrap();
    let end = SEGMENT_HEADER_BYTES + RECORDS as usize * RECORD_BYTES;
    for cut in SEGMENT_HEADER_BYTES..=end {
        for fill in [0x00, 0xFF, 0x5A] {
            let mut torn = bytes.clone();
            torn[cut..].fill(fill);
            // The fill may happen to be what was there.
            let same = torn.iter().zip(&bytes[..end]).take_while(|(a, b)| a == b).count();
            recovers(&disk_with(&path, &torn), whole_records(same), &format!("{fill:#x} from {cut}"));
        }
        recovers(&disk_with(&path, &bytes[..cut]), whole_records(cut), &format!("cut at {cut}"));
    }
}

#[test]
fn damage_at_any_byte_is_refused_where_a_later_record_vouches_for_it() {
    let (disk, path) = written_log();
    let bytes = disk.contents(&path).unwrap();
    let vouched = RECORDS - PER_SYNC;
    for at in SEGMENT_HEADER_BYTES..SEGMENT_HEADER_BYTES + RECORDS as usize * RECORD_BYTES {
        let index = (at - SEGMENT_HEADER_BYTES) / RECORD_BYTES;
        let (lost, offset) = (index as u64 + 1, (SEGMENT_HEADER_BYTES + index * RECORD_BYTES) as u64);
        for xor in [0x01, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= xor;
            let disk = disk_with(&path, &damaged);
            if lost > vouched {
                recovers(&disk, lost - 1, &format!("damage at {at}"));
                continue;
            }
            let refused = Log::open(disk.clone(), support::dir(), small()).map(|log| log.durable());
            assert!(
                matches!(&refused, Err(Error::Corrupt { lsn, offset: o, segment })
                    if lsn.0 == lost && *o == offset && *segment == path),
                "damage at {at}: {refused:?}"
            );
            assert_eq!(disk.contents(&path).unwrap(), damaged, "nothing is changed when opening is refused");
        }
    }
}

#[test]
fn damage_at_any_byte_is_refused_up_to_the_checkpoint() {
    let (disk, path) = written_log();
    let bytes = disk.contents(&path).unwrap();
    for at in 0..SEGMENT_HEADER_BYTES + RECORDS as usize * RECORD_BYTES {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let options = Options { checkpoint_lsn: Lsn(RECORDS), ..small() };
        let opened = Log::open(disk_with(&path, &damaged), support::dir(), options);
        let refused = matches!(opened, Err(Error::Corrupt { .. } | Error::Version { .. }));
        assert!(refused, "damage at {at}");
    }
}

#[test]
fn what_an_opening_found_is_vouched_for_from_then_on() {
    let (disk, _) = written_log();
    drop(open(&disk, small()));
    let names = disk.list(support::dir()).unwrap();
    let paths: Vec<PathBuf> = names.iter().map(|name| support::dir().join(name)).collect();
    let last = paths.iter().rfind(|path| &disk.contents(path).unwrap()[..8] == b"SLUICLOG").unwrap();
    disk.rot(last, (SEGMENT_HEADER_BYTES + RECORD_BYTES * 3 + 20) as u64, 1);
    let refused = Log::open(disk, support::dir(), small()).map(|log| log.durable());
    assert!(matches!(refused, Err(Error::Corrupt { lsn: Lsn(12), .. })), "{refused:?}");
}

#[test]
fn every_outcome_of_a_crash_during_a_sync() {
    let mut outcomes = std::collections::BTreeSet::new();
    let cases = every_choice(|choose| {
        let disk = MemDisk::new();
        let mut log = open(&disk, small());
        for n in 1..=7 {
            append(&mut log, n);
        }
        log.sync().unwrap();
        for n in 8..=40 {
            append(&mut log, n);
        }
        disk.fail_next_sync(Fault::Io);
        assert!(matches!(log.sync(), Err(Error::OutcomeUnknown(_))));
        disk.crash(choose);

        let mut log = open(&disk, small());
        let found = payloads(&log, 0);
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
        assert!(found.len() >= 7, "an acknowledged record is lost");
        outcomes.insert(found.len());
        let next = append(&mut log, 99);
        log.sync().unwrap();
        drop(log);
        disk.crash(&mut |_| 0);
        let found = payloads(&open(&disk, small()), 0);
        assert_eq!((found.len() as u64, found.last()), (next.0, Some(&99)));
    });
    assert!(cases >= 8 && outcomes.contains(&40), "{cases} cases with outcomes {outcomes:?}");
    assert!(outcomes.len() > 3, "{outcomes:?}");
}

#[test]
fn every_outcome_of_a_crash_during_opening_and_rolling() {
    let cases = every_choice(|choose| {
        let disk = MemDisk::new();
        let mut log = open(&disk, small());
        for n in 1..=30 {
            append(&mut log, n);
        }
        log.sync().unwrap();
        log.truncate_before(Lsn(30)).unwrap();
        for n in 31..=60 {
            append(&mut log, n);
        }
        log.sync().unwrap();
        disk.fail_next_sync(Fault::Io);
        let failed = Log::open(disk.clone(), support::dir(), small());
        assert!(matches!(failed, Err(Error::Io { .. })));
        disk.crash(choose);
        let log = open(&disk, small());
        assert_eq!(log.durable(), Lsn(60));
        assert_eq!(payloads(&log, 0), (1..=60).collect::<Vec<_>>());
    });
    assert!(cases >= 2, "{cases} cases");
}

#[test]
fn a_failed_sync_ends_the_handle_and_a_later_one_is_not_believed() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    append(&mut log, 1);
    log.sync().unwrap();
    append(&mut log, 2);
    disk.fail_next_sync(Fault::Io);
    assert!(matches!(log.sync(), Err(Error::OutcomeUnknown(_))));
    assert!(matches!(log.sync(), Err(Error::OutcomeUnknown(_))));
    assert!(matches!(log.append(Default::default(), |_| {}), Err(Error::OutcomeUnknown(_))));
    assert_eq!(log.durable(), Lsn(1));

    // The bytes are still in the page cache, so they are found; they must then be written again, for the
    // sync that failed has left them clean.
    let log = open(&disk, small());
    assert_eq!(payloads(&log, 0), [1, 2]);
    drop(log);
    disk.crash(&mut |_| 0);
    assert_eq!(payloads(&open(&disk, small()), 0), [1, 2]);
}

#[test]
fn a_damaged_header_among_old_segments_is_refused_and_the_segment_is_kept() {
    for damaged in 0..3 {
        let disk = MemDisk::new();
        let mut log = open(&disk, small());
        for n in 1..=250 {
            append(&mut log, n);
            log.sync().unwrap();
        }
        // So that the oldest segment is not the first of the log.
        log.truncate_before(Lsn(60)).unwrap();
        drop(log);
        let names = disk.list(support::dir()).unwrap();
        let path = support::dir().join(&names[damaged]);
        disk.rot(&path, 33, 1);
        let before = disk.contents(&path);
        let options = Options { checkpoint_lsn: Lsn(250), ..small() };
        let refused = Log::open(disk.clone(), support::dir(), options).map(|log| log.oldest());
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{damaged}: {refused:?}");
        assert_eq!(disk.contents(&path), before);
    }
}

/// The worst that a recycled segment can hold: an intact record of a time that a crash has undone, at the very
/// place where the next record would be, with the very lsn that it would have.
#[test]
fn a_recycled_segment_never_gives_back_what_a_crash_took() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    for n in 1..=40 {
        append(&mut log, n);
        if n == 2 {
            log.sync().unwrap();
        }
    }
    disk.fail_next_sync(Fault::Io);
    assert!(log.sync().is_err());
    // The second sector is lost, so the log ends in it; record 30, at byte 1224, survives behind it.
    // The choices are: the length of the file, then its sectors.
    let mut choice = 0;
    disk.crash(&mut |bound| {
        choice += 1;
        if choice == 3 { 0 } else { bound - 1 }
    });
    let mut log = open(&disk, small());
    let ends = log.durable().0;
    assert!((3..20).contains(&ends), "{ends}");
    log.truncate_before(Lsn(3)).unwrap();

    let pad = |log: &mut Log<MemDisk>, n: u64, bytes: usize| {
        let payload = |buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(&n.to_le_bytes());
            buffer.resize(buffer.len() + bytes - 8, 0);
        };
        assert_eq!(log.append(Default::default(), payload).unwrap(), Lsn(n));
    };
    // Up to record 19 the segment is filled; records 20 to 29 take the bytes up to 1224 of the recycled one.
    for n in ends + 1..=18 {
        append(&mut log, n);
    }
    let left = 2048 - SEGMENT_HEADER_BYTES - 16 * RECORD_BYTES;
    pad(&mut log, 19, left - HEADER_BYTES);
    for n in 20..=28 {
        pad(&mut log, n, 120 - HEADER_BYTES);
    }
    pad(&mut log, 29, 80 - HEADER_BYTES);
    log.sync().unwrap();
    let names = disk.list(support::dir()).unwrap();
    let stale = names.iter().any(|name| {
        let bytes = disk.contents(&support::dir().join(name)).unwrap();
        bytes.get(1232..1240) == Some(&30u64.to_le_bytes()[..])
            && bytes[64 + 8..64 + 16] == 20u64.to_le_bytes()[..]
    });
    assert!(stale, "the scene is not set: record 30 of old should follow record 29 of now");
    drop(log);
    let checkpoint = Options { checkpoint_lsn: Lsn(3), ..small() };
    assert_eq!(open(&disk, checkpoint).durable(), Lsn(29));
}
