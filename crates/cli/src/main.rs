//! The binary `sluice`: parses the command line and prints. What commands do is done by the other crates.

#![allow(clippy::result_large_err, reason = "a problem is what a person reads; errors are not hot")]

mod app;
mod arguments;
mod client;
mod commands;
mod embedded;
mod evaluator;
mod exit;
mod inputs;
mod interrupt;
mod outputs;
mod recorded;
mod sdk;
mod show;
mod watch;

use arguments::{Arguments, Command};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use exit::{Exit, Failure};
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == sluice_isolation::LAUNCH_ARGUMENT) {
        sluice_isolation::launcher_main();
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == sluice_bench::WORKER_ARGUMENT) {
        return sluice_bench::serve_worker().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == sluice_wfformat::WORKER_ARGUMENT) {
        return recorded::serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error).into(),
    };
    // What fails in a simulation fails on purpose.
    log_to_stderr(match arguments.command {
        Command::Sim(_) => "off",
        Command::Server(_) => "info",
        _ => "warn",
    });
    let json = arguments.global.json;
    match commands::run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure, json).into(),
    }
}

/// What the server and the node have to say, as far as `SLUICE_LOG` asks for it.
fn log_to_stderr(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLUICE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let stderr = std::io::stderr;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
}

fn report(failure: &Failure, json: bool) -> Exit {
    eprint!("{}", failure.render());
    if json {
        // The exit code tells, even when stdout is gone.
        let _ = show::json(&failure.body);
    }
    failure.exit
}

/// Wrong arguments, or a wish for help.
fn misused(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // Nothing is lost but the help when stdout is gone.
        let _ = error.print();
        return Exit::Succeeded;
    }
    report(&usage(error), std::env::args_os().any(|argument| argument == "--json"))
}

fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let first: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = first.join(" ").trim_start_matches("error: ").to_owned();
    let suggested =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(|kind| match error.get(kind)? {
                ContextValue::String(name) => Some(format!("`{name}`")),
                ContextValue::Strings(names) => {
                    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                    (!quoted.is_empty()).then(|| quoted.join(" or "))
                }
                _ => None,
            });
    let fix = match (suggested, error.kind()) {
        (Some(name), _) => format!("did you mean {name}?"),
        (None, ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) => {
            "name a command; `sluice help` lists them".to_owned()
        }
        (None, _) => match text.lines().find(|line| line.starts_with("Usage: ")) {
            Some(usage) => {
                format!("{}; `sluice help COMMAND` tells more", usage.replacen("Usage: ", "write ", 1))
            }
            None => "`sluice help COMMAND` tells the arguments".to_owned(),
        },
    };
    Failure::usage(message, fix)
}
