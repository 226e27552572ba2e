//! The log in ordinary use: what is appended comes back, in order, across segments, syncs and openings.

mod support;

use sluice_storage::Error;
use sluice_storage::disk::MemDisk;
use sluice_storage::log::{Head, Options, Priority};
use sluice_types::Lsn;
use support::{append, open, payloads, small};

#[test]
fn what_was_synced_comes_back_after_opening() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    for n in 1..=100 {
        assert_eq!(append(&mut log, n), Lsn(n));
        if n % 7 == 0 {
            assert_eq!(log.sync().unwrap(), Lsn(n));
        }
    }
    assert_eq!(log.durable(), Lsn(98));
    assert_eq!(payloads(&log, 1), (1..=98).collect::<Vec<_>>());
    log.sync().unwrap();

    disk.crash(&mut |_| 0);
    let log = open(&disk, small());
    assert_eq!((log.durable(), log.next_lsn(), log.oldest()), (Lsn(100), Lsn(101), Lsn(1)));
    assert_eq!(payloads(&log, 0), (1..=100).collect::<Vec<_>>());
    assert_eq!(payloads(&log, 50), (50..=100).collect::<Vec<_>>());
    assert_eq!(payloads(&log, 101), Vec::<u64>::new());
    assert_eq!(payloads(&log, 500), Vec::<u64>::new());
}

#[test]
fn a_record_keeps_everything_said_about_it() {
    let mut log = open(&MemDisk::new(), small());
    let head = Head {
        priority: Priority::Progress,
        format: 3,
        codec: 1,
        key_id: 2,
        engine_version: 777,
        traceparent: Some([9; 25]),
    };
    log.append(head, |bytes| bytes.extend_from_slice(b"first")).unwrap();
    log.append(Head::default(), |_| {}).unwrap();
    log.sync().unwrap();
    let mut replay = log.replay(Lsn(0)).unwrap();
    let first = replay.next().unwrap().unwrap();
    assert_eq!((first.lsn, first.durable, first.payload), (Lsn(1), Lsn(0), &b"first"[..]));
    assert_eq!((first.format, first.codec, first.key_id, first.engine_version), (3, 1, 2, 777));
    assert_eq!(first.traceparent, Some([9; 25]));
    let second = replay.next().unwrap().unwrap();
    assert_eq!((second.lsn, second.payload, second.traceparent), (Lsn(2), &b""[..], None));
    assert!(replay.next().unwrap().is_none());
}

#[test]
fn one_sync_is_one_fdatasync_and_two_when_rolling() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    let (mut ones, mut twos) = (0, 0);
    for n in 1..=200 {
        append(&mut log, n);
        append(&mut log, n);
        let before = disk.syncs();
        log.sync().unwrap();
        match disk.syncs() - before {
            1 => ones += 1,
            2 => twos += 1,
            more => panic!("{more} syncs"),
        }
    }
    assert!(ones > 100 && twos > 0, "{ones} single, {twos} double");
    let before = disk.syncs();
    log.sync().unwrap();
    assert_eq!(disk.syncs(), before, "nothing waits, nothing is synced");
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    let large = vec![7; 5 * small().segment_bytes as usize];
    append(&mut log, 1);
    log.append(Head::default(), |bytes| bytes.extend_from_slice(&large)).unwrap();
    append(&mut log, 3);
    log.sync().unwrap();
    disk.crash(&mut |_| 0);
    let log = open(&disk, small());
    let mut replay = log.replay(Lsn(2)).unwrap();
    assert_eq!(replay.next().unwrap().unwrap().payload, large);
    assert_eq!(replay.next().unwrap().unwrap().payload[..8], 3u64.to_le_bytes());
}

#[test]
fn released_records_are_gone_and_the_rest_stays() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    for n in 1..=300 {
        append(&mut log, n);
        log.sync().unwrap();
    }
    log.truncate_before(Lsn(200)).unwrap();
    let oldest = log.oldest();
    assert!(oldest > Lsn(100) && oldest <= Lsn(200), "whole segments only: {oldest}");
    assert!(matches!(log.replay(Lsn(1)), Err(Error::Truncated { oldest: o }) if o == oldest));
    assert_eq!(payloads(&log, 0), (oldest.0..=300).collect::<Vec<_>>());

    disk.crash(&mut |_| 0);
    assert!(matches!(
        sluice_storage::Log::open(disk.clone(), support::dir(), small()),
        Err(Error::Corrupt { lsn: Lsn(1), .. })
    ));
    let mut log = open(&disk, Options { checkpoint_lsn: Lsn(199), ..small() });
    assert_eq!(payloads(&log, 0), (oldest.0..=300).collect::<Vec<_>>());
    log.truncate_before(Lsn(10_000)).unwrap();
    assert_eq!(append(&mut log, 301), Lsn(301), "numbers go on");
}

#[test]
fn opening_again_and_again_takes_no_more_space() {
    let disk = MemDisk::new();
    let mut log = open(&disk, small());
    append(&mut log, 1);
    log.sync().unwrap();
    let files = |disk: &MemDisk| sluice_storage::disk::Disk::list(disk, support::dir()).unwrap().len();
    for _ in 0..20 {
        drop(open(&disk, small()));
    }
    assert!(files(&disk) <= 2 + small().spares_max, "{} files", files(&disk));
}

#[test]
fn the_buffer_has_a_limit() {
    let mut log = open(&MemDisk::new(), Options { batch_bytes_max: 100, ..small() });
    append(&mut log, 1);
    append(&mut log, 2);
    append(&mut log, 3);
    let refused = log.append(Head::default(), |_| {});
    assert!(matches!(refused, Err(Error::BatchFull { buffered_bytes }) if buffered_bytes >= 100));
    log.sync().unwrap();
    assert_eq!(append(&mut log, 4), Lsn(4));
}

#[test]
fn files_are_filled_again_when_half_of_what_was_ready_is_used() {
    let mut log = open(&MemDisk::new(), small());
    while log.prepare(100).unwrap() > 0 {}
    let mut filled_at = Vec::new();
    for n in 1..=36 {
        append(&mut log, n);
        log.sync().unwrap();
        if log.prepare(100).unwrap() > 0 {
            filled_at.push(n);
            while log.prepare(100).unwrap() > 0 {}
        }
    }
    // A record takes 40 bytes, and 1,024 are to be ready.
    assert_eq!(filled_at, [13, 26]);
}
