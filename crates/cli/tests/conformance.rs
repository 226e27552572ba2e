//! Executions that AWS recorded, run by AWS's own client against the built binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use tool::boto::python;
use tool::server::Server;
use tool::{Folder, repository};

/// Recordings that no engine can repeat, and why: `docs/reference/asl.md`.
const UNREPEATABLE: [&str; 13] = [
    "test_input_path[$$]",
    "TestExpressSync::test_catch",
    "TestTaskServiceLambda::test_raise_custom_exception",
    "test_base_task_from_input[HEARTBEAT_SECONDS]",
    "test_math_random#exec_hist_resp_0",
    "test_math_random#exec_hist_resp_1",
    "test_math_random#exec_hist_resp_2",
    "test_math_random_seeded",
    "TestBaseScenarios::test_parallel_state_lambda",
    "test_base_cases[BASE_EXPR]",
    "test_base_task_lambda[BASE_TASK_LAMBDA]",
    "TestSnfApi::test_stop_execution",
    "test_timestamp_too_far_in_future_boundary[24856]",
];

/// The folder with the recordings and the program that compares them.
fn shared() -> Option<PathBuf> {
    repository()
        .ancestors()
        .map(|folder| folder.join("shared"))
        .find(|folder| folder.join("checks/asl.py").is_file())
}

#[test]
fn executions_end_as_aws_recorded_them() {
    let (Some(shared), Some(python)) = (shared(), python()) else {
        return eprintln!("skipped: no shared/checks/asl.py in a folder around the repository, or no boto3");
    };
    let folder = Folder::with(&[]);
    let server = Server::start(&folder);
    let mut checks = Command::new(python);
    checks.arg(shared.join("checks/asl.py")).args(["--endpoint", &server.url, "--show", "400", "--corpus"]);
    let output = checks.arg(shared.join("corpus/asl/executions.jsonl")).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains(" of 394 cases"), "{report}{}", String::from_utf8_lossy(&output.stderr));
    let failed: BTreeSet<&str> = report.lines().filter_map(|line| line.strip_prefix("FAIL ")).collect();
    let unexpected: Vec<&&str> =
        failed.iter().filter(|name| !UNREPEATABLE.iter().any(|known| name.contains(known))).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}\n{report}");
    server.stop();
}
