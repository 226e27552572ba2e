//! The simulator passes what is right and finds what is wrong.

use sluice_sim::{Mutant, Options, hunt, run};

/// Seeds within which a mutant must be found.
const SEEDS_MAX: u64 = 20;

#[test]
fn clean_seeds_pass_and_cover_every_kind_of_fault() {
    let summary = run(&Options { seeds: 20, inputs: 600, ..Options::default() });
    assert_eq!(summary.failure, None);
    assert!(summary.inputs >= 20 * 600);
    assert!(summary.coverage.faults.len() >= 12, "{:?}", summary.coverage.faults);
}

#[test]
fn every_mutant_is_found() {
    for mutant in Mutant::ALL {
        let options = Options { seeds: SEEDS_MAX, inputs: 400, ..Options::default() };
        assert!(hunt(&options, mutant).found.is_some(), "{mutant} is not found within {SEEDS_MAX} seeds");
    }
}

#[test]
fn a_seed_gives_the_same_again() {
    let once = || sluice_sim::node::run_seed(3, 500, None, false);
    let (first, second) = (once(), once());
    assert_eq!(first.inputs, second.inputs);
    assert_eq!(first.coverage, second.coverage);
}
