//! Runs as they were at a record.

use crate::stage::{Stage, app};
use sluice_runtime::Command;
use sluice_runtime::api::{RunView, lsn_of};
use sluice_types::Lsn;

/// The records of a run's history.
fn records(stage: &mut Stage, run: &str) -> Vec<Lsn> {
    let run = run.to_owned();
    let lines = stage.ask(|answer| Command::History { run, after: 0, limit: 1_000, answer });
    let lines = lines.expect("the run is known");
    lines.iter().map(|line| lsn_of(&line.lsn).expect("it was printed so")).collect()
}

fn at(stage: &mut Stage, at: Lsn) -> RunView {
    stage.ask(|answer| Command::RunAt { run: "r".to_owned(), at, answer }).expect("there is such a record")
}

#[test]
fn outputs_are_read_only_where_they_are_shown() {
    let mut stage = Stage::new();
    stage.deploy(app());
    stage.start("r");
    let turn = stage.take_call();
    stage.wants(&turn, &["call large"]);
    let call = stage.take_call();
    stage.returns(&call, 1, 100);
    let turn = stage.take_call();
    stage.wants(&turn, &["return"]);
    stage.ask(|answer| Command::Seal("r".to_owned(), answer)).expect("it is sealed");
    let records = records(&mut stage, "r");
    let (first, last) = (records[0], records[records.len() - 1]);
    let (_, before) = stage.copies();
    assert_eq!(at(&mut stage, first).outputs, []);
    assert_eq!(stage.copies().1, before);
    assert_eq!(at(&mut stage, last).outputs.len(), 1);
    assert_eq!(stage.copies().1, before + 1);
}
