//! `sluice run`: an app, once, from nothing to its outputs.

use super::connect;
use super::start::{self, Plan};
use crate::app::{App, Named};
use crate::arguments::Global;
use crate::client::Client;
use crate::client::transport::Transport;
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{self, PutSpec};
use crate::interrupt::Interrupt;
use crate::{outputs, show, watch};
use clap::Args;
use sluice_api::{FunctionCounts, Status};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    given: Given,
    /// The workflow to start
    #[arg(long, value_name = "WORKFLOW")]
    start: Option<String>,
    /// Write the outputs to files of this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What a run starts with.
#[derive(Debug, Args)]
pub struct Given {
    /// Put files: BUCKET=FILE, BUCKET/KEY=FILE or BUCKET='DIR/*.txt'; can be repeated
    #[arg(long, value_name = "BUCKET[/KEY]=PATH|GLOB")]
    put: Vec<String>,
    /// The input of the run
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// An event that only this run sees
    #[arg(long, value_name = "JSON")]
    event: Option<String>,
}

impl Run {
    pub fn execute(&self, global: &Global) -> Outcome {
        let app = App::load(&self.named)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        if self.start.is_none() {
            app.program.sole_workflow()?;
        }
        self.given.check_recorded(&app)?;
        let plan = Plan { workflow: self.start.clone(), ..self.given.plan(&app)? };
        if let Some(dir) = &self.out {
            outputs::prepare(dir)?;
        }
        let deploy = app.deploy(&[])?;
        let interrupt = Interrupt::listen()?;
        let client = match global.server() {
            Some(_) => connect(global)?,
            None => Client::new(Transport::Local(Embedded::start(app.root(), app.waiting_workers())?)),
        };
        client.deploy(app.name(), &deploy)?;
        let started = start::start(&client, app.name(), plan)?;
        let mut run = watch::until_ended(&client, &started.run, &interrupt).inspect_err(|_| {
            if interrupt.is_set() {
                // Why it took so long is often in what it printed; that it was interrupted is told in any case.
                let _ = watch::show_logs(&client, &started.run);
            }
        })?;
        if let Some(dir) = &self.out {
            outputs::write(&client, &mut run, dir)?;
        }
        watch::show_logs(&client, &run.run)?;
        eprintln!("{}", watch::summary(&run));
        let is_exact = app.recorded_calls().is_none_or(|calls| tell_calls(&run, calls));
        if global.json {
            show::json(&run)?;
        } else {
            outputs::print(&run)?;
        }
        let has_succeeded = run.status == Status::Succeeded && is_exact;
        Ok(if has_succeeded { Exit::Succeeded } else { Exit::Failed })
    }
}

/// Tells how often the tasks of a recorded workflow were executed. False if one was left out or executed twice.
fn tell_calls(run: &sluice_api::Run, calls: u32) -> bool {
    if run.status != Status::Succeeded {
        return true;
    }
    let sum = |count: fn(&FunctionCounts) -> u32| run.functions.iter().map(count).sum::<u32>();
    let (started, succeeded, retried) = (sum(|of| of.started), sum(|of| of.succeeded), sum(|of| of.retried));
    let is_exact = started == calls && succeeded == calls;
    match is_exact {
        true => eprintln!("each of {calls} tasks was executed exactly once, stages and report included"),
        false => eprintln!("{calls} tasks, of which {started} were started and {succeeded} have succeeded"),
    }
    if retried > 0 {
        eprintln!("{retried} attempts did not come to their end, and were repeated");
    }
    is_exact
}

impl Given {
    /// Whether anything is given.
    fn is_any(&self) -> bool {
        !self.put.is_empty() || self.input.is_some() || self.event.is_some()
    }

    /// A recorded workflow has all its inputs in its file.
    fn check_recorded(&self, app: &App) -> Outcome<()> {
        if !self.is_any() || app.recorded_calls().is_none() {
            return Ok(());
        }
        let message = format!("`{}` is a recorded workflow: it takes no input", app.name());
        Err(Failure::usage(message, "leave out --put, --input and --event; --scale says how large it is"))
    }

    /// What is given, or the app's samples when nothing is.
    fn plan(&self, app: &App) -> Outcome<Plan> {
        let here = Path::new("");
        if self.is_any() {
            let mut plan = self.parse()?;
            plan.objects = read(&self.put, here, app)?;
            return Ok(plan);
        }
        let Some(samples) = app.samples()? else { return Ok(Plan::default()) };
        eprintln!("note: nothing is put, so the app's sample.json is; see `sluice run --help`");
        let objects = read(&samples.put, app.root(), app)?;
        Ok(Plan { objects, input: samples.input, event: samples.event, ..Plan::default() })
    }

    /// Input and event, without the files.
    pub fn parse(&self) -> Outcome<Plan> {
        Ok(Plan {
            input: self.input.as_deref().map(|text| inputs::value("--input", text)).transpose()?,
            event: self.event.as_deref().map(inputs::event).transpose()?,
            ..Plan::default()
        })
    }

    /// The files, for an app that only the server knows.
    pub fn files(&self) -> Outcome<Vec<inputs::NewObject>> {
        let mut objects = Vec::new();
        for text in &self.put {
            objects.extend(PutSpec::parse(text)?.read(Path::new(""))?);
        }
        Ok(objects)
    }
}

fn read(specs: &[String], base: &Path, app: &App) -> Outcome<Vec<inputs::NewObject>> {
    let mut objects = Vec::new();
    for text in specs {
        let spec = PutSpec::parse(text)?;
        spec.check(&app.program)?;
        objects.extend(spec.read(base)?);
    }
    Ok(objects)
}
