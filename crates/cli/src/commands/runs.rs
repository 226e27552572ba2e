//! `sluice runs`

use super::event::Event;
use super::{connect, history, standing};
use crate::arguments::Global;
use crate::client::{Client, part};
use crate::exit::{Exit, Failure, Outcome};
use crate::{inputs, outputs, show};
use clap::{Args, Subcommand, ValueEnum};
use sluice_api::{Question, Reply, ReplyStatus, Run, RunState};
use sluice_types::Code;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct Runs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The latest runs
    List(List),
    /// One run
    Show(Show),
    /// What happened in a run
    History(Named),
    /// What the functions of a run wrote
    Logs(Named),
    /// Stop a run
    Cancel(Cancel),
    /// Start a new run with the inputs of an ended one
    Retry(Named),
    /// Start a new run that goes on from where a workflow that is code had been
    Fork(Fork),
    /// Have a run go on on another version of its app
    Move(Move),
    /// Send a run an event that its workflow waits for
    Signal(Ask),
    /// Ask the workflow of a run something that changes nothing
    Query(Ask),
    /// Ask the workflow of a run to do something, and wait for its answer
    Update(Update),
}

#[derive(Debug, Args)]
struct Ask {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
    /// What for
    name: String,
    /// What comes with it
    #[arg(long, value_name = "JSON|@FILE")]
    data: Option<String>,
}

#[derive(Debug, Args)]
struct Update {
    #[command(flatten)]
    ask: Ask,
    /// Names the update: the same again asks nothing new
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// How long to wait for the answer; without it, as long as the run goes on
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

#[derive(Debug, Args)]
struct Named {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
}

#[derive(Debug, Args)]
struct Show {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
    /// As it was right after this record; `history` prints them
    #[arg(long, value_name = "LSN")]
    at: Option<String>,
}

#[derive(Debug, Args)]
struct Fork {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
    /// The last record that counts; by default the last before it ended or failed
    #[arg(long, value_name = "LSN")]
    at: Option<String>,
    /// Id of the new run
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Version of the app; the newest by default
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

#[derive(Debug, Args)]
struct Move {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
    /// Version of the app; the newest by default
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Id of the run
    #[arg(value_name = "ID")]
    run: String,
    /// Why
    #[arg(long, default_value = "cancelled from the command line")]
    reason: String,
}

#[derive(Debug, Default, Args)]
struct List {
    /// Only those of this app
    #[arg(long)]
    app: Option<String>,
    /// Only those of this status
    #[arg(long, value_enum)]
    status: Option<StatusName>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// `next` of the page before
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StatusName {
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl Runs {
    pub fn execute(&self, global: &Global) -> Outcome {
        let client = connect(global)?;
        match &self.what {
            None => List { limit: 20, ..List::default() }.print(&client, global.json)?,
            Some(What::List(list)) => list.print(&client, global.json)?,
            Some(What::Show(show)) => show.print(&client, global.json)?,
            Some(What::History(named)) => history::show(&client, &named.run, global.json)?,
            Some(What::Logs(named)) => logs(&client, &named.run, global.json)?,
            Some(What::Cancel(cancel)) => state(&client.cancel(&cancel.run, &cancel.reason)?, global.json)?,
            Some(What::Retry(named)) => state(&client.retry(&named.run)?, global.json)?,
            Some(What::Fork(fork)) => {
                let Fork { run, at, id, version } = fork;
                let fork = sluice_api::Fork { at: at.clone(), id: id.clone(), version: *version };
                state(&client.fork(run, &fork)?, global.json)?;
            }
            Some(What::Move(Move { run, version })) => {
                moved(&client, &client.go_on(run, *version)?, global.json)?;
            }
            Some(What::Signal(Ask { run, name, data })) => {
                check_goes_on(&client, run)?;
                return Event::signal(run, name, data.as_deref()).execute(global);
            }
            Some(What::Query(ask)) => {
                let reply = client.query(&ask.run, &ask.name, &ask.question(None)?)?;
                return answer(&reply, global.json);
            }
            Some(What::Update(update)) => return update.wait(&client, global.json),
        }
        Ok(Exit::Succeeded)
    }
}

/// How long the server is asked to wait for the answer to an update, again and again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long before it is told that the answer takes its time.
const SILENCE: Duration = Duration::from_secs(3);

impl Ask {
    fn question(&self, id: Option<String>) -> Outcome<Question> {
        Ok(Question {
            id,
            value: self.data.as_deref().map(|text| inputs::value("--data", text)).transpose()?,
        })
    }
}

impl Update {
    fn wait(&self, client: &Client, json: bool) -> Outcome {
        let Ask { run, name, .. } = &self.ask;
        let mut question = self.ask.question(self.id.clone())?;
        let asked = Instant::now();
        let left =
            || self.timeout.map(|seconds| Duration::from_secs(seconds).saturating_sub(asked.elapsed()));
        let mut patience = SILENCE;
        loop {
            let reply =
                client.update(run, name, &question, left().map_or(patience, |left| left.min(patience)))?;
            if reply.status != ReplyStatus::Pending {
                return answer(&reply, json);
            }
            let id = reply.update.unwrap_or_default();
            if left().is_some_and(|left| left.is_zero()) {
                let message = format!("run {run} has not answered the update {name:?}, {id}, in time");
                let fix = format!("`sluice runs update {run} {name} --id {id}` waits on; {HANDLER}");
                return Err(Failure::new(Code::OUTCOME_UNKNOWN, message, fix));
            }
            if patience == SILENCE {
                eprintln!("waiting for the workflow to answer update {id}: {HANDLER}");
            }
            (question.id, patience) = (Some(id), PATIENCE);
        }
    }
}

/// Why an answer may take its time.
const HANDLER: &str = "it is busy, or has no handler of that name so far (ctx.on_update)";

/// An event for a run that has ended would be taken, and never seen.
fn check_goes_on(client: &Client, run: &str) -> Outcome<()> {
    let run = client.run(run, Duration::ZERO)?;
    if !run.status.has_ended() {
        return Ok(());
    }
    let message = format!("run {} has {}: nothing waits for the event", run.run, run.status);
    Err(Failure::new(Code::RUN_ENDED, message, "start another run, or fork this one with `sluice runs fork`"))
}

/// What a move has come to.
fn moved(client: &Client, moved: &RunState, json: bool) -> Outcome<()> {
    if json {
        return show::json(moved);
    }
    let run = client.run(&moved.run, Duration::ZERO)?;
    show::line(&format!("{} {} on version {}", run.run, run.status, run.version))
}

fn answer(reply: &Reply, json: bool) -> Outcome {
    let failed = reply.error.is_some();
    if json {
        show::json(reply)?;
    } else if let Some(error) = &reply.error {
        eprintln!("{}: {}", error.r#type, error.message);
    } else if let (Some(result), Some(content_type)) = (&reply.result, &reply.result_type) {
        show::line(&outputs::readable(content_type, result))?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Succeeded })
}

impl Show {
    fn print(&self, client: &Client, json: bool) -> Outcome<()> {
        let run = match &self.at {
            Some(at) => client.run_at(&self.run, at)?,
            None => client.run(&self.run, Duration::ZERO)?,
        };
        if json { show::json(&run) } else { standing::show(client, &run) }
    }
}

impl List {
    fn print(&self, client: &Client, json: bool) -> Outcome<()> {
        let status = self.status.and_then(|status| status.to_possible_value());
        let given = [
            ("app", self.app.clone()),
            ("status", status.map(|status| status.get_name().to_owned())),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
        ];
        let query = given.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", part(&value?))));
        let list = client.runs(&query.collect::<Vec<_>>().join("&"))?;
        if json {
            return show::json(&list);
        }
        let rows: Vec<_> = list.runs.iter().map(row).collect();
        show::text(&show::table(&["RUN", "APP", "STATUS", "STARTED", "SECONDS"], &rows))?;
        match list.next {
            Some(next) => show::line(&format!("more with --cursor {next}")),
            None => Ok(()),
        }
    }
}

fn row(run: &Run) -> Vec<String> {
    let seconds = format!("{}.{:03}", run.duration_ms / 1000, run.duration_ms % 1000);
    let app = format!("{} v{}", run.app, run.version);
    vec![run.run.clone(), app, run.status.to_string(), run.started_at.clone(), seconds]
}

fn state(state: &RunState, json: bool) -> Outcome<()> {
    if json { show::json(state) } else { show::line(&format!("{} {}", state.run, state.status)) }
}

fn logs(client: &Client, run: &str, json: bool) -> Outcome<()> {
    let logs = client.logs(run)?;
    if json {
        return show::json(&logs);
    }
    for line in &logs.lines {
        let who = format!("{}#{}.{}", line.function, line.invocation, line.attempt);
        for text in line.lines() {
            show::line(&format!("{} {who} {}: {text}", line.time, line.stream))?;
        }
    }
    Ok(())
}
