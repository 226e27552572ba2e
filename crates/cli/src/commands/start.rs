//! `sluice start`: a run of a deployed app.

use super::connect;
use super::run::Given;
use crate::arguments::Global;
use crate::client::Client;
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::NewObject;
use crate::interrupt::Interrupt;
use crate::{outputs, show, watch};
use clap::Args;
use sluice_api::{RunState, Start as Body, StartEvent, Status, Value};
use std::collections::BTreeSet;

/// Bytes of objects that go along with a start; more are put one by one.
const START_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug, Args)]
pub struct Start {
    /// A deployed app
    #[arg(value_name = "APP")]
    app: String,
    #[command(flatten)]
    given: Given,
    /// The workflow to start
    #[arg(long, value_name = "WORKFLOW")]
    start: Option<String>,
    /// The run's id; the same request with the same id starts nothing again
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Leave the run open for `sluice put --run`, until it is sealed
    #[arg(long)]
    open: bool,
    /// Wait for the end and print the outputs
    #[arg(long, conflicts_with = "open")]
    wait: bool,
}

/// What a run starts with.
#[derive(Debug, Default)]
pub struct Plan {
    /// The run's id.
    pub id: Option<String>,
    /// Objects to put.
    pub objects: Vec<NewObject>,
    /// The input.
    pub input: Option<Value>,
    /// The event.
    pub event: Option<StartEvent>,
    /// The workflow.
    pub workflow: Option<String>,
    /// Whether more will follow.
    pub open: bool,
}

impl Start {
    pub fn execute(&self, global: &Global) -> Outcome {
        let client = connect(global)?;
        let mut plan = self.given.parse()?;
        plan.objects = self.given.files()?;
        let plan = Plan { id: self.id.clone(), workflow: self.start.clone(), open: self.open, ..plan };
        let interrupt = Interrupt::listen()?;
        let started = start(&client, &self.app, plan)?;
        if !self.wait {
            if global.json {
                show::json(&started)?
            } else {
                show::line(&started.run)?
            }
            return Ok(Exit::Succeeded);
        }
        if !global.json {
            // Should nobody hear of the end, the run can still be asked for.
            eprintln!("run {}", started.run);
        }
        let run = watch::until_ended(&client, &started.run, &interrupt)?;
        eprintln!("{}", watch::summary(&run));
        if global.json {
            show::json(&run)?
        } else {
            outputs::print(&run)?
        }
        Ok(if run.status == Status::Succeeded { Exit::Succeeded } else { Exit::Failed })
    }
}

/// Starts a run. What is too much for one request, or would not survive JSON, is put object by object before the run
/// is sealed.
pub fn start(client: &Client, app: &str, plan: Plan) -> Outcome<RunState> {
    check_keys(&plan.objects)?;
    let mut body = Body {
        id: plan.id,
        input: plan.input,
        event: plan.event,
        workflow: plan.workflow,
        ..Body::default()
    };
    let is_small =
        plan.objects.iter().map(|object| object.value.bytes.len()).sum::<usize>() <= START_BYTES_MAX;
    let (along, after): (Vec<_>, Vec<_>) =
        plan.objects.into_iter().partition(|object| is_small && object.value.survives_json());
    for object in along {
        body.objects.entry(object.bucket).or_default().insert(object.key, object.value);
    }
    body.seal = after.is_empty() && !plan.open;
    let started = client.start(app, &body)?;
    if after.is_empty() {
        return Ok(started);
    }
    for NewObject { bucket, key, value } in after {
        client.put(app, Some(&started.run), &bucket, &key, value)?;
    }
    if plan.open { Ok(started) } else { client.seal(&started.run) }
}

fn check_keys(objects: &[NewObject]) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    match objects.iter().find(|object| !seen.insert((&object.bucket, &object.key))) {
        None => Ok(()),
        Some(object) => {
            let message = format!("two files have the key `{}` in bucket `{}`", object.key, object.bucket);
            Err(Failure::usage(
                message,
                "put them with one glob above both folders, or name keys: BUCKET/KEY=FILE",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_put_once() {
        let object = |key: &str| NewObject { bucket: "b".into(), key: key.into(), value: Value::text("") };
        assert!(check_keys(&[object("a"), object("b")]).is_ok());
        let failure = check_keys(&[object("a"), object("b"), object("a")]).unwrap_err();
        assert!(failure.body.error.message.contains("`a`"), "{failure:?}");
    }
}
