//! Many seeds, on several threads.

use super::mutant::Mutant;
use super::simulation::run_seed;
use super::verdict::{Failure, Hunt, SeedReport, Summary, replay_command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Log records after which a simulation comes to its end.
    pub inputs: u64,
    /// A defect to put in.
    pub mutant: Option<Mutant>,
    /// Whether to print what happens, on stderr.
    pub trace: bool,
    /// Seeds at a time.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { first_seed: 0, seeds: 200, inputs: 2_000, mutant: None, trace: false, threads: 2 }
    }
}

/// Runs all seeds, or until one fails.
pub fn run(options: &Options) -> Summary {
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.seeds {
                return;
            }
            let seed = options.first_seed + number;
            let report = run_seed(seed, options.inputs, options.mutant, options.trace);
            failed.fetch_or(report.violation.is_some(), Ordering::Relaxed);
            summary.lock().expect("no holder of the lock panics").note(seed, options, report);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(work);
        }
    });
    summary.into_inner().expect("no holder of the lock panics")
}

/// Looks for a mutant, seed by seed. A seed that fails without it as well finds nothing.
pub fn hunt(options: &Options, mutant: Mutant) -> Hunt {
    let failure = run(&Options { mutant: Some(mutant), ..*options }).failure;
    let is_clean = |seed| run_seed(seed, options.inputs, None, false).violation.is_none();
    Hunt { mutant: mutant.name(), found: failure.filter(|failure| is_clean(failure.seed)) }
}

impl Summary {
    fn note(&mut self, seed: u64, options: &Options, report: SeedReport) {
        let least = |before: u64, now: u64| if self.seeds == 0 { now } else { before.min(now) };
        self.inputs_min = least(self.inputs_min, report.inputs);
        self.fault_kinds_min = least(self.fault_kinds_min, report.coverage.faults.len() as u64);
        self.seeds += 1;
        self.inputs += report.inputs;
        self.coverage.add(&report.coverage);
        if let Some(violation) = report.violation
            && self.failure.as_ref().is_none_or(|failure| seed < failure.seed)
        {
            let replay = replay_command(seed, options.inputs, options.mutant);
            self.failure = Some(Failure { seed, violation, replay });
        }
    }
}
