//! Rules that no compiler checks: the layers, the size of files, a page per error code.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines that no file may exceed.
const FILE_LINES_MAX: usize = 1_000;
/// The heading in ARCHITECTURE.md under which the table of allowed edges stands.
const TABLE_HEADING: &str = "## Allowed edges";

pub fn tidy() -> Result<()> {
    let mut problems = layers()?;
    problems.extend(long_files()?);
    problems.iter().for_each(|problem| eprintln!("tidy: {problem}"));
    ensure!(problems.is_empty(), "{} rules are broken", problems.len());
    println!("tidy: layers and files are in order");
    Ok(())
}

/// Edges between crates that the table does not allow, and lines of the table for crates that are not there.
fn layers() -> Result<Vec<String>> {
    let allowed = allowed_edges(&std::fs::read_to_string("ARCHITECTURE.md").context("ARCHITECTURE.md")?)?;
    let actual = actual_edges()?;
    let mut problems = Vec::new();
    for (from, targets) in &actual {
        match allowed.get(from) {
            None => problems.push(format!("crate {from} is missing in the table of ARCHITECTURE.md")),
            Some(allowed) => problems.extend(
                targets
                    .difference(allowed)
                    .map(|to| format!("{from} uses {to}, which ARCHITECTURE.md does not allow")),
            ),
        }
    }
    let gone = allowed.keys().filter(|name| !actual.contains_key(*name));
    problems.extend(gone.map(|name| format!("ARCHITECTURE.md lists {name}, which is not there")));
    Ok(problems)
}

type Edges = BTreeMap<String, BTreeSet<String>>;

/// Rows `| crate | uses, uses |` below the heading.
fn allowed_edges(text: &str) -> Result<Edges> {
    let (_, table) =
        text.split_once(TABLE_HEADING).context("ARCHITECTURE.md has no table of allowed edges")?;
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut edges = Edges::new();
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, uses, ..] = cells.as_slice() else { bail!("a row needs two cells: {row}") };
        let uses = uses.split(',').map(|name| name.trim().trim_matches('`').to_owned());
        edges.insert(
            name.trim_matches('`').to_owned(),
            uses.filter(|name| !name.is_empty() && name != "—").collect(),
        );
    }
    Ok(edges)
}

/// Normal and build dependencies between the crates of this workspace, by folder name. Tests may use anything.
fn actual_edges() -> Result<Edges> {
    let output = Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("metadata has packages")?;
    let folder = |package: &Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        manifest
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let folders: BTreeMap<&str, String> =
        packages.iter().filter_map(|package| Some((package["name"].as_str()?, folder(package)))).collect();
    let mut edges = Edges::new();
    for package in packages {
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let used = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        let used = used.filter_map(|dependency| folders.get(dependency["name"].as_str()?).cloned());
        edges.insert(folder(package), used.collect());
    }
    Ok(edges)
}

fn long_files() -> Result<Vec<String>> {
    let listed = Command::new("git").args(["ls-files", "*.rs", "*.py"]).output()?;
    let names = String::from_utf8(listed.stdout)?;
    let mut problems = Vec::new();
    for name in names.lines().filter(|name| Path::new(name).exists()) {
        let lines = std::fs::read_to_string(name)?.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{name} has {lines} lines, more than {FILE_LINES_MAX}"));
        }
    }
    Ok(problems)
}
