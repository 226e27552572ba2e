//! The log against a naive model, under random appends, syncs, faults, crashes and full disks.
//!
//! Checked after every opening: what was acknowledged is there; what is there is a prefix of what was
//! appended, without a gap; nothing that a crash took away ever comes back.

#![allow(clippy::unwrap_used, reason = "helpers may fail a test")]

mod support;

use proptest::prelude::*;
use sluice_storage::disk::MemDisk;
use sluice_storage::disk::mem::Fault;
use sluice_storage::log::{Head, Options, Priority};
use sluice_storage::{Error, Log};
use sluice_types::Lsn;
use support::{choices, dir, small};

#[derive(Clone, Debug)]
enum Step {
    Append { bytes: usize, is_progress: bool },
    Sync,
    Prepare(u64),
    Release(u8),
    FailWrite { after: u64, is_full: bool },
    FailSync { after: u64 },
    Reopen,
    Crash(u64),
    Capacity(Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..300, any::<bool>()).prop_map(|(bytes, is_progress)| Step::Append { bytes, is_progress }),
        1 => (1000usize..5000).prop_map(|bytes| Step::Append { bytes, is_progress: false }),
        8 => Just(Step::Sync),
        2 => (1u64..4000).prop_map(Step::Prepare),
        1 => any::<u8>().prop_map(Step::Release),
        1 => (0u64..6, any::<bool>()).prop_map(|(after, is_full)| Step::FailWrite { after, is_full }),
        1 => (0u64..4).prop_map(|after| Step::FailSync { after }),
        1 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(Step::Crash),
        1 => prop::option::of(3_000u64..40_000).prop_map(Step::Capacity),
    ]
}

/// What the log should hold.
struct Model {
    disk: MemDisk,
    log: Option<Log<MemDisk>>,
    options: Options,
    /// What was appended, by lsn - 1: a number never used twice, and a length.
    appended: Vec<(u64, usize)>,
    acknowledged: u64,
    /// Everything before it may be released.
    checkpoint: u64,
    used: u64,
}

impl Model {
    fn new() -> Self {
        let options = Options { reserve_bytes: 1500, ..small() };
        let disk = MemDisk::new();
        let log = Some(Log::open(disk.clone(), dir(), options.clone()).unwrap());
        Self { disk, log, options, appended: Vec::new(), acknowledged: 0, checkpoint: 0, used: 0 }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append { bytes, is_progress } => self.append(*bytes, *is_progress),
            Step::Sync => self.sync(),
            Step::Prepare(budget) => {
                let prepared = self.log().prepare(*budget).map(|_| ());
                self.tolerate(prepared);
            }
            Step::Release(share) => {
                self.checkpoint = self.checkpoint.max(self.acknowledged * u64::from(*share) / 255);
                let before = Lsn(self.checkpoint + 1);
                let released = self.log().truncate_before(before);
                self.tolerate(released);
            }
            Step::FailWrite { after, is_full } => {
                self.disk.fail_write(*after, if *is_full { Fault::Full } else { Fault::Io });
            }
            Step::FailSync { after } => self.disk.fail_sync(*after, Fault::Io),
            Step::Reopen => self.reopen(),
            Step::Crash(seed) => {
                self.log = None;
                self.disk.crash(&mut choices(*seed));
                self.reopen();
            }
            Step::Capacity(bytes) => self.disk.set_capacity(*bytes),
        }
    }

    fn log(&mut self) -> &mut Log<MemDisk> {
        self.log.as_mut().unwrap()
    }

    fn append(&mut self, bytes: usize, is_progress: bool) {
        let priority = if is_progress { Priority::Progress } else { Priority::NewWork };
        self.used += 1;
        let number = self.used;
        let taken = self.log().append(Head { priority, ..Head::default() }, |buffer| {
            buffer.extend_from_slice(&number.to_le_bytes());
            buffer.extend(std::iter::repeat_n(number as u8, bytes));
        });
        match taken {
            Ok(lsn) => {
                self.appended.push((number, bytes));
                assert_eq!(lsn.0, self.appended.len() as u64);
            }
            error => self.tolerate(error.map(|_| ())),
        }
    }

    fn sync(&mut self) {
        match self.log().sync() {
            Ok(durable) => {
                assert_eq!(durable.0, self.appended.len() as u64);
                self.acknowledged = durable.0;
            }
            error => {
                let durable = self.log().durable().0;
                assert!(durable >= self.acknowledged);
                self.acknowledged = durable;
                self.tolerate(error.map(|_| ()));
            }
        }
    }

    /// Only the errors that the log may answer with; a dead handle is replaced.
    fn tolerate(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) | Err(Error::DiskFull | Error::BatchFull { .. } | Error::Io { .. }) => {}
            Err(Error::OutcomeUnknown(_)) => self.reopen(),
            Err(error) => panic!("{error}"),
        }
    }

    fn reopen(&mut self) {
        self.log = None;
        let options = Options { checkpoint_lsn: Lsn(self.checkpoint), ..self.options.clone() };
        let log = loop {
            match Log::open(self.disk.clone(), dir(), options.clone()) {
                Ok(log) => break log,
                Err(Error::DiskFull) => self.disk.set_capacity(None),
                Err(Error::Io { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        };
        let durable = log.durable().0;
        assert!(durable >= self.acknowledged, "{durable} < {}", self.acknowledged);
        assert!(durable <= self.appended.len() as u64);
        self.appended.truncate(durable as usize);
        self.acknowledged = durable;
        self.log = Some(log);
        self.check();
    }

    /// Compares every record that is kept.
    fn check(&self) {
        let log = self.log.as_ref().unwrap();
        let oldest = log.oldest().0;
        assert!(oldest <= self.checkpoint + 1, "released too much: {oldest}");
        let mut replay = log.replay(Lsn(0)).unwrap();
        let expected = &self.appended[oldest as usize - 1..self.acknowledged as usize];
        for (index, (number, bytes)) in expected.iter().enumerate() {
            let record = replay.next().unwrap().unwrap();
            assert_eq!(record.lsn.0, oldest + index as u64);
            assert_eq!(record.payload.len(), bytes + 8);
            assert_eq!(record.payload[..8], number.to_le_bytes());
        }
        assert!(replay.next().unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(support::cases(400))]

    #[test]
    fn nothing_acknowledged_is_lost(steps in prop::collection::vec(step(), 1..150)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.run(step));
        model.check();
        model.run(&Step::Crash(steps.len() as u64));
    }

    #[test]
    fn rot_is_refused_and_never_passed_over(
        steps in prop::collection::vec(step(), 1..80),
        place in any::<(prop::sample::Index, prop::sample::Index)>(),
        xor in 1u8..,
    ) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.run(step));
        model.disk.set_capacity(None);
        model.run(&Step::Crash(1));
        model.log = None;
        model.checkpoint = model.acknowledged;
        let (names, options) = (sluice_storage::disk::Disk::list(&model.disk, dir()).unwrap(), &model.options);
        let path = dir().join(place.0.get(&names));
        let length = model.disk.contents(&path).unwrap().len();
        prop_assume!(length > 0);
        model.disk.rot(&path, place.1.index(length) as u64, xor);

        let options = Options { checkpoint_lsn: Lsn(model.acknowledged), ..options.clone() };
        match Log::open(model.disk.clone(), dir(), options) {
            Err(Error::Corrupt { .. } | Error::Version { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(log) => {
                prop_assert_eq!(log.durable().0, model.acknowledged);
                let mut replay = log.replay(Lsn(0)).unwrap();
                let mut lsn = log.oldest().0;
                loop {
                    match replay.next() {
                        Ok(Some(record)) => {
                            prop_assert_eq!(record.lsn.0, lsn);
                            let number = model.appended[lsn as usize - 1].0;
                            prop_assert_eq!(&record.payload[..8], &number.to_le_bytes()[..]);
                            lsn += 1;
                        }
                        Ok(None) => {
                            prop_assert_eq!(lsn, model.acknowledged + 1);
                            break;
                        }
                        Err(Error::Corrupt { lsn: lost, .. }) => {
                            prop_assert_eq!(lost.0, lsn);
                            break;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    }
}
