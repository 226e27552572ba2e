//! Runs under way, and whether they could go on on another version.

use crate::stage::{LOADED_MAX, Stage, app};
use sluice_runtime::Command;
use sluice_runtime::api::{Movable, MoveRequest};
use sluice_types::Program;

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
    let mut stage = Stage::new();
    stage.deploy(app());
    let runs = LOADED_MAX + 20;
    for run in 0..runs {
        stage.start(&format!("r{run}"));
        let turn = stage.take_call();
        stage.wants(&turn, &["sleep 1000000"]);
    }
    stage.shard.checkpoint_now();
    assert_eq!(stage.shard.engine().loaded(), LOADED_MAX);
    let mut second = app();
    second.buckets.pop();
    stage.deploy(second);
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
