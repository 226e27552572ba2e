//! The commands, one file each.

pub mod apps;
pub mod backfill;
pub mod bench;
pub mod completions;
pub mod deploy;
pub mod dev;
pub mod doctor;
pub mod eval;
pub mod evaluate;
pub mod event;
pub mod explain;
pub mod get;
pub mod help;
pub mod history;
pub mod put;
pub mod rehearse;
pub mod run;
pub mod runs;
pub mod schema;
pub mod sdk;
pub mod server;
pub mod sim;
pub mod standing;
pub mod start;

use crate::arguments::{Arguments, Command, DEFAULT_SERVER, Global};
use crate::client::Client;
use crate::client::transport::{Remote, Transport};
use crate::exit::Outcome;

/// Does what the command line says.
pub fn run(arguments: Arguments) -> Outcome {
    let global = &arguments.global;
    match arguments.command {
        Command::Run(run) => run.execute(global),
        Command::Dev(dev) => dev.execute(global),
        Command::Deploy(deploy) => deploy.execute(global),
        Command::Apps(apps) => apps.execute(global),
        Command::Start(start) => start.execute(global),
        Command::Backfill(backfill) => backfill.execute(global),
        Command::Put(put) => put.execute(global),
        Command::Get(get) => get.execute(global),
        Command::Event(event) => event.execute(global),
        Command::Runs(runs) => runs.execute(global),
        Command::Explain(explain) => explain.execute(global),
        Command::Eval(eval) => eval.execute(global),
        Command::Schema(schema) => schema.execute(),
        Command::Sdk(sdk) => sdk.execute(global),
        Command::Server(server) => server.execute(global),
        Command::Bench(bench) => bench.execute(global),
        Command::Sim(sim) => sim.execute(global),
        Command::Doctor(doctor) => doctor.execute(global),
        Command::Help(help) => help.execute(),
        Command::Completions(completions) => completions.execute(),
        Command::Evaluate(evaluate) => evaluate.execute(),
        Command::Rehearse(rehearse) => rehearse.execute(),
    }
}

/// A client of the server that the command line names.
fn connect(global: &Global) -> Outcome<Client> {
    let url = global.server().unwrap_or(DEFAULT_SERVER);
    Ok(Client::new(Transport::Remote(Remote::new(url, global.token.as_deref())?)))
}
