//! The floor: the interpreter by itself, with its work answered at once and its history thrown away.

use crate::error::Error;
use sluice_asl::Machine;
use sluice_asl::execution::{Event, Execution, Output, Request, Settings, Status};
use sluice_expression::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Executes a machine that asks for nothing but functions; how long it took, parsing aside.
pub(super) fn execute(definition: &str, input: &Value, records_history: bool) -> Result<Duration, Error> {
    let (machine, _) = Machine::parse(definition)
        .map_err(|findings| Error::Unexpected(format!("the machine is not valid: {findings:?}")))?;
    let begun = Instant::now();
    let (mut out, mut events) = (Output::default(), VecDeque::new());
    let mut execution = Execution::start(&machine, settings(records_history), input.clone(), 0, &mut out);
    loop {
        out.history.clear();
        events.extend(out.requests.drain(..).filter_map(answer));
        let event = match (events.pop_front(), execution.next_deadline()) {
            (Some(event), _) => event,
            (None, Some(_)) => Event::Timer,
            (None, None) => break,
        };
        execution.apply(&machine, event, 0, &mut out);
    }
    match execution.status() {
        Status::Succeeded { .. } => Ok(begun.elapsed()),
        other => Err(Error::Unexpected(format!("the interpreter ended with {other:?}"))),
    }
}

fn answer(request: Request) -> Option<Event> {
    match request {
        Request::Perform(request) => Some(Event::Succeeded { task: request.task, output: Value::Null }),
        Request::Cancel(_) => None,
    }
}

fn settings(records_history: bool) -> Settings {
    Settings {
        id: "floor".into(),
        name: "floor".into(),
        role: "".into(),
        machine_id: "floor".into(),
        machine_qualifier: "".into(),
        machine_name: "floor".into(),
        start_ms: 0,
        seed: 0,
        key: 0,
        aws_limits: false,
        records_history,
        token_prefix: "".into(),
    }
}
