//! AWS Step Functions on the wire, as the real boto3 speaks it to the built binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use tool::Folder;
use tool::boto::check;
use tool::server::Server;

/// Runs a class of tests of a program beside this file against a server of its own.
#[track_caller]
fn check_on_new_server(program: &str, class: &str) {
    let folder = Folder::with(&[]);
    let server = Server::start(&folder);
    check(program, class, &server, &folder);
    server.stop();
}

#[test]
fn state_machines() {
    check_on_new_server("states_machines.py", "Machines");
}

#[test]
fn definitions() {
    check_on_new_server("states_machines.py", "Definitions");
}

#[test]
fn tags() {
    check_on_new_server("states_machines.py", "Tags");
}

#[test]
fn versions() {
    check_on_new_server("states_versions.py", "Versions");
}

#[test]
fn aliases() {
    check_on_new_server("states_versions.py", "Aliases");
}

#[test]
fn executions() {
    check_on_new_server("states_executions.py", "Executions");
}

#[test]
fn express_executions() {
    check_on_new_server("states_executions.py", "Express");
}

#[test]
fn histories() {
    check_on_new_server("states_executions.py", "History");
}

#[test]
fn executions_that_start_executions() {
    check_on_new_server("states_executions.py", "Nested");
}

#[test]
fn activities() {
    check_on_new_server("states_tasks.py", "Activities");
}

#[test]
fn map_runs() {
    check_on_new_server("states_tasks.py", "MapRuns");
}

#[test]
fn trials_of_one_state() {
    check_on_new_server("states_trials.py", "Trials");
}

#[test]
fn every_constraint_of_the_service_model() {
    check_on_new_server("states_limits.py", "Constraints");
}

#[test]
fn sizes() {
    check_on_new_server("states_limits.py", "Sizes");
}

#[test]
fn requests_that_are_none() {
    check_on_new_server("states_limits.py", "Requests");
}
