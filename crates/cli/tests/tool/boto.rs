//! Tests written in Python with boto3, AWS's own client.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::server::Server;
use super::{Folder, repository};
use std::path::PathBuf;
use std::process::Command;

/// A Python that has boto3: `SLUICE_BOTO_PYTHON`, or what `.ci/python` made. `None` where there is none and nobody insists.
pub fn python() -> Option<PathBuf> {
    let found = std::env::var_os("SLUICE_BOTO_PYTHON").map(PathBuf::from);
    let python = found.unwrap_or_else(|| repository().join("target/python/bin/python"));
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "there is no Python with boto3; `.ci/python` makes one");
    eprintln!("skipped: there is no Python with boto3; `.ci/python` makes one");
    None
}

/// Runs a class of tests of a program in `tests/aws` against a server; they have to succeed.
#[track_caller]
pub fn check(program: &str, class: &str, server: &Server, folder: &Folder) {
    let Some(python) = python() else { return };
    let program = repository().join("crates/cli/tests/aws").join(program).canonicalize().unwrap();
    let mut tests = Command::new(python);
    tests
        .args([program.as_os_str(), class.as_ref()])
        .env("SLUICE_URL", &server.url)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder.path());
    let output = tests.output().unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !report.contains("Ran 0 tests"), "{report}");
}
