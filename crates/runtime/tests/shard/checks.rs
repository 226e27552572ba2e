//! Runs under way, and whether they could go on on another version.

use crate::stage::{LOADED_MAX, Stage, app};
use sluice_runtime::Command;
use sluice_runtime::api::{Movable, MoveRequest, Reason};
use sluice_types::{Code, Durability, FailureKind, Outcome, Program};

fn all() -> MoveRequest {
    MoveRequest { runs: Movable::All("app".to_owned()), version: None }
}

#[test]
fn a_check_of_many_runs_takes_many_turns_and_leaves_memory_as_it_was() {
    let mut stage = Stage::new();
    // They wait for objects, and no code goes through them.
    stage.deploy(Program { workflows: Vec::new(), ..app() });
    (0..500).for_each(|run| stage.start(&format!("r{run}")));
    stage.shard.checkpoint_now();
    assert_eq!(stage.shard.engine().loaded(), LOADED_MAX);
    let mut moved = stage.send(|answer| Command::Move(all(), answer));
    for _ in 0..5 {
        assert!(moved.try_recv().is_err() && stage.shard.is_busy(), "so many runs are too many for a turn");
        // Others are answered meanwhile.
        let mut other = stage.send(Command::Stats);
        assert!(other.try_recv().is_ok());
        assert!(stage.shard.engine().loaded() <= LOADED_MAX);
    }
    stage.settle();
    let report = moved.try_recv().expect("it is answered").expect("nothing is in the way");
    assert_eq!((report.checked, report.moved), (0, 0));
}

#[test]
fn a_run_that_leaves_memory_while_it_is_checked_is_moved_all_the_same() {
    let runs = LOADED_MAX + 20;
    let mut stage = waiting(runs, second());
    stage.shard.checkpoint_now();
    assert_eq!(stage.shard.engine().loaded(), LOADED_MAX);
    let mut moved = stage.send(|answer| Command::Move(all(), answer));
    stage.settle();
    for _ in 0..runs {
        let call = stage.take_call();
        assert!(call.invocation.arguments.objects()[0].key.starts_with("check"));
        stage.wants(&call, &[]);
    }
    let report = moved.try_recv().expect("it is answered").expect("nothing is in the way");
    assert_eq!((report.checked, report.moved, report.found.len()), (runs, runs, 0));
}

/// A stage with this many runs under way on version 1, which wait, and an app that has a second version.
fn waiting(runs: usize, second: Program) -> Stage {
    let mut stage = Stage::new();
    stage.deploy(app());
    for run in 0..runs {
        stage.start(&format!("r{run}"));
        let turn = stage.take_call();
        stage.wants(&turn, &["sleep 1000000"]);
    }
    stage.deploy(second);
    stage
}

/// The same app, as far as workflows can tell.
fn second() -> Program {
    let mut second = app();
    second.buckets.pop();
    second
}

#[test]
fn runs_that_diverge_alike_are_told_once_and_others_apart() {
    let mut stage = waiting(30, second());
    let mut moved = stage.send(|answer| Command::Move(all(), answer));
    for run in 0..30 {
        let call = stage.take_call();
        match run {
            7 => stage.fails(&call, FailureKind::Crashed, "gone"),
            8 => stage.end(&call, Outcome::Cancelled),
            9 => stage.wants(&call, &[]),
            _ => stage.fails(&call, FailureKind::Diverged, "command 1 differs"),
        }
    }
    let report = moved.try_recv().expect("it is answered").expect("nothing is in the way");
    let told =
        |at: usize| (report.found[at].why.reason, report.found[at].count, &*report.found[at].why.message);
    assert_eq!((report.checked, report.moved, report.stayed(), report.found.len()), (30, 1, 29, 3));
    assert_eq!(told(0), (Reason::Diverged, 27, "command 1 differs"));
    assert_eq!(report.found[0].runs, ["r29", "r28", "r27", "r26", "r25"]);
    assert_eq!((&*report.found[0].why.stack, report.others), ("line 7", 0));
    assert_eq!(told(1), (Reason::Failed, 1, "gone"));
    assert_eq!(told(2), (Reason::Failed, 1, "it was interrupted"));
}

#[test]
fn what_is_not_about_the_code_is_not_called_so() {
    let ask = |second: Program| {
        let mut stage = waiting(3, second);
        let report = stage.ask(|answer| Command::Move(all(), answer)).expect("nothing is in the way");
        assert!(stage.take_calls().is_empty());
        assert_eq!((report.checked, report.moved, report.found.len()), (3, 0, 1));
        report.found.into_iter().next().expect("there is one")
    };
    let gone = ask(Program { workflows: Vec::new(), ..app() });
    assert_eq!((gone.why.reason, gone.count), (Reason::WorkflowGone, 3));
    assert_eq!(gone.why.message, "the app no longer has the workflow \"flow\"");
    let express = ask(Program { durability: Durability::Express, ..app() });
    assert_eq!((express.why.reason, express.count), (Reason::CannotMove, 3));
    assert_eq!(express.why.message, "version 2 has another durability");
}

#[test]
fn one_run_that_cannot_be_moved_is_refused_at_once() {
    let mut stage = waiting(1, Program { durability: Durability::Express, ..app() });
    let one = MoveRequest { runs: Movable::One("r0".to_owned()), version: None };
    let problem = stage.ask(|answer| Command::Move(one, answer)).expect_err("it stays");
    assert_eq!(problem.message, "run r0 stays on version 1: version 2 has another durability");
    assert_eq!((problem.code, &*problem.place), (Code::BAD_REQUEST, "run r0"));
}

#[test]
fn a_run_that_goes_on_each_time_is_not_moved_and_says_so() {
    let mut stage = waiting(1, second());
    let mut moved = stage.send(|answer| Command::Move(all(), answer));
    for _ in 0..10 {
        assert!(moved.try_recv().is_err());
        let check = stage.take_call();
        stage.signal("r0");
        let turn = stage.take_call();
        stage.wants(&turn, &[]);
        stage.wants(&check, &[]);
    }
    let report = moved.try_recv().expect("it is answered").expect("nothing is in the way");
    assert_eq!((report.checked, report.moved, report.stayed()), (1, 0, 1));
    assert_eq!(report.found[0].why.reason, Reason::WentOn);
}
