//! The command line.

use crate::commands;
use clap::{Args, Parser, Subcommand};

/// Where commands find a server unless told otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:7117";
/// Where a server listens unless told otherwise.
pub const DEFAULT_ADDR: &str = "127.0.0.1:7117";

/// Serverless workflows in one binary: functions started by data and events, next to their data.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "`sluice help exit-codes` tells how commands end.")]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Print one JSON object on stdout
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// The server to ask; `run` starts a node of its own without it
    #[arg(long, global = true, value_name = "URL", env = "SLUICE_SERVER", help_heading = "Global options")]
    pub server: Option<String>,
    /// The server's token
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "SLUICE_TOKEN",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub token: Option<String>,
}

impl Global {
    /// The server that is named; a variable that is set to nothing names none.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref().filter(|url| !url.is_empty())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an app once and print its outputs
    Run(commands::run::Run),
    /// Serve an app on this machine and reload it on change
    Dev(commands::dev::Dev),
    /// Deploy a new version of an app to a server
    Deploy(commands::deploy::Deploy),
    /// List the apps of a server, or show one
    Apps(commands::apps::Apps),
    /// Start a run of a deployed app
    Start(commands::start::Start),
    /// Start the runs of a scheduled workflow for a range of dates
    Backfill(commands::backfill::Backfill),
    /// Put objects into a run or an app
    Put(commands::put::Put),
    /// Print an object of a run or an app
    Get(commands::get::Get),
    /// Send an event
    Event(commands::event::Event),
    /// List, show, cancel and retry runs
    Runs(commands::runs::Runs),
    /// Say what an app was lowered to
    Explain(commands::explain::Explain),
    /// Evaluate JSONata, JSONPath, CEL: one expression, or one per line
    Eval(commands::eval::Eval),
    /// Print the JSON Schema of sluice.yaml
    Schema(commands::schema::Schema),
    /// Print the folder of the Python package, for PYTHONPATH
    Sdk(commands::sdk::Sdk),
    /// Run a server in the foreground
    Server(commands::server::Server),
    /// Measure this machine and what Sluicegate does on it
    Bench(commands::bench::Bench),
    /// Simulate nodes with faults and check that nothing goes wrong
    Sim(commands::sim::Sim),
    /// Check what this machine offers
    Doctor(commands::doctor::Doctor),
    /// Explain a command, or how commands end
    Help(commands::help::Help),
    /// Print completions for a shell
    Completions(commands::completions::Completions),
    /// Evaluate expressions for `eval`, on stdin and stdout
    #[command(name = crate::evaluator::COMMAND, hide = true)]
    Evaluate(commands::evaluate::Evaluate),
    /// Rehearse an app for `app.test()`, on stdin and stdout
    #[command(name = "__rehearse", hide = true)]
    Rehearse(commands::rehearse::Rehearse),
}
