//! What is refused before a fork begins, and that nothing was copied by then.

use crate::stage::{Stage, app};
use sluice_runtime::Command;
use sluice_runtime::api::{ForkRequest, Started, lsn_of};
use sluice_types::{Code, Lsn, Problem, Program, limits};

/// A run that has called a function so often, which returned so many bytes each time, and calls it again.
fn called(times: u64, bytes: u64) -> Stage {
    let mut stage = Stage::new();
    stage.deploy(app());
    stage.start("r");
    for id in 1..=times {
        let turn = stage.take_call();
        stage.wants(&turn, &["call large"]);
        let call = stage.take_call();
        stage.returns(&call, id, bytes);
    }
    let turn = stage.take_call();
    stage.wants(&turn, &["call large", "sleep 1000000"]);
    stage.take_calls();
    stage
}

fn fork(stage: &mut Stage, at: Option<Lsn>) -> Result<Started, Problem> {
    let request = ForkRequest { run: "r".to_owned(), at, ..ForkRequest::default() };
    stage.ask(|answer| Command::Fork(request, answer))
}

/// Why there is no fork; nothing was copied for it.
fn refused(stage: &mut Stage) -> Problem {
    let before = stage.copies().0;
    let problem = fork(stage, None).expect_err("it is refused");
    assert_eq!(stage.copies().0, before, "{problem:?}");
    problem
}

/// The record of the line of this type and number.
fn record(stage: &mut Stage, of: &str, number: usize) -> Lsn {
    let run = "r".to_owned();
    let lines = stage.ask(|answer| Command::History { run, after: 0, limit: 1_000, answer });
    let lines = lines.expect("the run is known");
    let line = lines.iter().filter(|line| line.r#type == of).nth(number).expect("there are so many");
    lsn_of(&line.lsn).expect("it was printed so")
}

#[test]
fn a_past_that_is_too_large_is_not_copied() {
    let half = limits::FORK_BYTES_MAX / 2;
    let mut stage = called(2, half);
    let problem = refused(&mut stage);
    assert_eq!(problem.code, Code::LIMIT_EXCEEDED);
    assert!(problem.message.contains("FORK_BYTES_MAX") && problem.fix.contains("earlier"), "{problem:?}");
    // Up to a record before it is too large, it is copied.
    let (before, at) = (stage.copies().0, record(&mut stage, "CommandDone", 0));
    fork(&mut stage, Some(at)).expect("half of it is not too much");
    assert_eq!(stage.copies().0, before + 1);
    let mut fits = called(2, half - 10_000);
    fork(&mut fits, None).expect("it is small enough");
}

#[test]
fn a_version_that_lacks_what_the_past_uses_is_refused() {
    let on = |second: Program| {
        let mut stage = called(1, 100_000);
        stage.deploy(second);
        refused(&mut stage)
    };
    let lacks = on(Program { workflows: Vec::new(), ..app() });
    assert_eq!(lacks.message, "version 2 has no workflow \"flow\" that is code");
    assert_eq!(
        (lacks.code, &*lacks.fix),
        (Code::FORK_REFUSED, "fork it on the version that the run has: --version")
    );
    let mut second = app();
    second.functions[1].name = "other".into();
    let lacks = on(second);
    assert_eq!(lacks.message, "version 2 has no function \"large\", which the past of the run uses");
    assert_eq!(lacks.code, Code::FORK_REFUSED);
}
