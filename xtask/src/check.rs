//! What CI runs, step by step; the first step that fails ends it.

use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Seeds that CI simulates; `sluice sim --seeds N` runs more.
const CI_SEEDS: &str = "200";

pub fn check() -> Result<()> {
    step("format", "cargo", &["fmt", "--all", "--check"])?;
    crate::tidy::tidy()?;
    step("lints", "cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    test(&[])?;
    let python = ["-m", "unittest", "discover", "-s", "sdk/python/tests"];
    step("tests of the Python SDK", "python3", &python)?;
    sim(&["--seeds".into(), CI_SEEDS.into()])
}

pub fn test(more: &[String]) -> Result<()> {
    let mut arguments = vec!["nextest", "run", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    step("tests", "cargo", &arguments)
}

pub fn sim(more: &[String]) -> Result<()> {
    let mut arguments = vec!["run", "--quiet", "--package", "sluice", "--", "sim"];
    arguments.extend(more.iter().map(String::as_str));
    step("simulation", "cargo", &arguments)
}

fn step(name: &str, program: &str, arguments: &[&str]) -> Result<()> {
    println!("── {name}: {program} {}", arguments.join(" "));
    let began = Instant::now();
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| format!("{program} cannot be started"))?;
    println!("── {name}: {:.0} s", began.elapsed().as_secs_f64());
    match status.success() {
        true => Ok(()),
        false => bail!("{name} failed"),
    }
}
