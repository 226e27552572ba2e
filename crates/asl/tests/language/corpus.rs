//! Where the published suites lie: in the folder that `SLUICE_CORPUS` names, or in `shared/corpus` next to the
//! repository or above it. Where they are not, a test says that it skipped them.

use sluice_expression::Value;
use std::path::{Path, PathBuf};

/// The folder of a suite.
pub fn folder(suite: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/corpus"));
    let named = std::env::var_os("SLUICE_CORPUS").map(PathBuf::from);
    let found =
        named.into_iter().chain(beside).map(|corpus| corpus.join(suite)).find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: the suite {suite} is not there; set SLUICE_CORPUS");
    }
    found
}

/// A file of a suite.
pub fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Executions that AWS recorded.
pub fn executions() -> Vec<Value> {
    let Some(folder) = folder("asl") else { return Vec::new() };
    let lines = read(folder.join("executions.jsonl"));
    lines.lines().map(|line| Value::parse(line.as_bytes()).expect("a line of the suite is JSON")).collect()
}
