//! Developer tasks, run as `cargo xtask NAME`; without a name it says what there is.

mod check;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const TASKS: &str = "\
usage: cargo xtask TASK

  check   everything CI runs: format, lints, layers, tests of Rust and Python, simulation
  test    the tests only; further arguments go to nextest
  tidy    layers against the table in ARCHITECTURE.md, file sizes, error pages
  sim     the simulator; further arguments go to `sluice sim`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((task, [])) if task == "check" => check::check(),
        Some((task, rest)) if task == "test" => check::test(rest),
        Some((task, [])) if task == "tidy" => tidy::tidy(),
        Some((task, rest)) if task == "sim" => check::sim(rest),
        _ => bail!("{TASKS}"),
    }
}
