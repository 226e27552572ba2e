//! What CI runs, step by step; the first step that fails ends it.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Seeds of the simulation, which take minutes without optimisation. That every mutant is found is among the tests.
const CI_SEEDS: &str = "200";

pub fn check() -> Result<()> {
    step("format", "cargo", &["fmt", "--all", "--check"])?;
    crate::tidy::tidy()?;
    step("lints", "cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    test(&[])?;
    let program = tested()?;
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "discover", "-s", "sdk/python/tests"]).env("SLUICE", &program);
    run_step("tests of the Python SDK", &mut python)?;
    run_step("simulation", Command::new(program).args(["sim", "--seeds", CI_SEEDS]))
}

pub fn test(more: &[String]) -> Result<()> {
    let mut arguments = vec!["nextest", "run", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    step("tests", "cargo", &arguments)
}

/// The program that the tests were built with. To build it by itself would build most of what it depends on once more, as other
/// features of that are asked for then.
fn tested() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(std::env::current_dir()?.join(target).join("debug/sluice"))
}

pub fn sim(more: &[String]) -> Result<()> {
    let mut arguments = vec!["run", "--quiet", "--package", "sluice", "--", "sim"];
    arguments.extend(more.iter().map(String::as_str));
    step("simulation", "cargo", &arguments)
}

fn step(name: &str, program: &str, arguments: &[&str]) -> Result<()> {
    run_step(name, Command::new(program).args(arguments))
}

fn run_step(name: &str, command: &mut Command) -> Result<()> {
    println!("── {name}: {command:?}");
    let began = Instant::now();
    let status =
        command.status().with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    println!("── {name}: {:.0} s", began.elapsed().as_secs_f64());
    match status.success() {
        true => Ok(()),
        false => bail!("{name} failed"),
    }
}
