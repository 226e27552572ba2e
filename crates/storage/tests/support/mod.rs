//! What the tests of the log share: a small log on a disk in memory whose records say their number.

#![allow(dead_code, clippy::unwrap_used, reason = "each file uses a part; helpers may fail a test")]

use proptest::test_runner::{Config, RngSeed};
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

/// Runs `body` once for every sequence of choices that it can make; returns how often.
pub fn every_choice(mut body: impl FnMut(&mut dyn FnMut(u64) -> u64)) -> usize {
    let mut script: Vec<(u64, u64)> = Vec::new();
    for cases in 1.. {
        let mut at = 0;
        body(&mut |bound| {
            if at == script.len() {
                script.push((0, bound));
            }
            at += 1;
            script[at - 1].0
        });
        script.truncate(at);
        while script.last().is_some_and(|(choice, bound)| choice + 1 == *bound) {
            script.pop();
        }
        match script.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return cases,
        }
    }
    unreachable!("the script ends")
}

/// A source of choices that depends on nothing but its seed (xorshift64*).
pub fn choices(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |bound| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

/// The same so many cases in every run of a property test.
pub fn cases(count: u32) -> Config {
    Config { cases: count, failure_persistence: None, rng_seed: RngSeed::Fixed(117), ..Config::default() }
}
