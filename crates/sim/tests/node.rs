//! The simulator is deterministic, random seeds are clean, and every mutant is found on a seed that is clean without it.

use sluice_sim::node::{Mutant, Options, hunt, run, run_seed};

/// Log records per seed, so few that the suite stays fast without optimisation.
const INPUTS: u64 = 400;

#[test]
fn a_seed_gives_the_same_again() {
    let once = || run_seed(3, 500, None, false);
    let (first, second) = (once(), once());
    assert_eq!(first.inputs, second.inputs);
    assert_eq!(first.coverage, second.coverage);
    assert_eq!(first.violation, second.violation);
}

#[test]
fn clean_seeds_pass() {
    let summary = run(&Options { seeds: 20, inputs: INPUTS, ..Options::default() });
    assert_eq!(summary.failure, None);
    assert_eq!(summary.seeds, 20);
    assert!(summary.inputs_min >= INPUTS && summary.fault_kinds_min >= 3, "{summary:?}");
    let conditions = ["each", "name", "set", "batch", "batch within", "window", "first", "join", "group"];
    for condition in conditions.into_iter().chain(["event", "cron", "all", "any"]) {
        assert!(summary.coverage.conditions.contains_key(condition), "no {condition} fired");
    }
    let of_code = ["warm turns", "cold turns", "divergences noticed", "code with one end", "code: stopped"];
    let of_code = of_code.into_iter().chain([
        "code: call",
        "code: signal",
        "code: cancel",
        "code: record",
        "code: checkpoint",
        "code: child",
        "code: put",
        "code: emit",
        "code: answer",
        "questions answered",
    ]);
    let of_dags = ["DAGs", "express DAGs", "tasks of DAGs that took too long"];
    let of_tasks = ["task succeeded", "task failed", "task upstream failed", "task skipped"];
    let of_runs = ["runs forgotten in time", "objects of forgotten runs"];
    for check in of_runs.into_iter().chain(of_code).chain(of_dags).chain(of_tasks) {
        assert!(summary.coverage.checks.get(check).is_some_and(|count| *count > 0), "no {check}");
    }
}

/// Each in a test of its own, so that they run at the same time.
macro_rules! every_mutant_is_found {
    ($($test:ident: $mutant:ident,)*) => {
        $(
            #[test]
            fn $test() {
                let options = Options { seeds: 100, inputs: INPUTS, ..Options::default() };
                let hunt = hunt(&options, Mutant::$mutant);
                assert!(hunt.found.is_some(), "{hunt:?}");
            }
        )*
        #[test]
        fn no_mutant_is_left_out() {
            assert_eq!([$(Mutant::$mutant),*], Mutant::ALL);
        }
    };
}

every_mutant_is_found! {
    an_ack_before_the_sync_is_found: AckBeforeSync,
    a_lost_timer_is_found: LostTimer,
    a_doubled_firing_is_found: DoubledFiring,
    a_stale_store_is_found: StaleStore,
    a_dropped_record_is_found: DroppedRecord,
    an_early_release_is_found: EarlyRelease,
    a_stale_completion_is_found: StaleCompletion,
    a_forgotten_outbox_is_found: ForgottenOutbox,
    a_wrong_checkpoint_is_found: WrongCheckpoint,
    a_forgotten_run_is_found: ForgottenRun,
    a_repeated_errand_is_found: RepeatedErrand,
    a_misdirected_report_is_found: MisdirectedReport,
    a_forgotten_command_is_found: ForgottenCommand,
    untold_news_are_found: UntoldNews,
    a_repeated_command_is_found: RepeatedCommand,
    a_misdirected_return_is_found: MisdirectedReturn,
    a_misdirected_result_is_found: MisdirectedResult,
    a_truncated_list_is_found: TruncatedList,
    a_silenced_failure_is_found: SilencedFailure,
}
