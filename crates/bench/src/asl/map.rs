//! Items per second through a Map that calls a function of its own app, from the request to the joined result.

use super::{interpreter, machines};
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor;
use crate::stage::Stage;
use crate::{Place, Runtime};
use bytes::Bytes;
use sluice_expression::Value;
use sluice_runtime::api::NewObject;
use sluice_types::{ContentType, Durability};

/// Executions that count.
const ROUNDS: usize = 7;

pub(super) fn measure(
    place: &Place,
    runtime: Runtime,
    durability: Durability,
    items: u32,
) -> Result<Vec<Figure>, Error> {
    if runtime == Runtime::Wasm {
        // Client, shard, interpreter and function on one core; workers of other kinds may use them all.
        floor::stay_on_last(&floor::cores()?)?;
    }
    let stage = Stage::open(place)?;
    stage.deploy(machines::map_app(place, runtime, durability)?)?;
    let input = Value::array((0..i64::from(items)).map(Value::from).collect());
    let object = NewObject {
        bucket: "input".into(),
        key: "input".into(),
        content_type: ContentType::Json,
        bytes: Bytes::from(input.to_json()),
    };
    let (mut rates, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let (took, view) = stage.run("map", vec![object.clone()])?;
        let joined = view.outputs.first().and_then(|output| Value::parse(&output.bytes).ok());
        let joined = joined.as_ref().and_then(Value::as_array).map_or(0, <[Value]>::len);
        if joined != items as usize {
            return Err(Error::Unexpected(format!("{joined} instead of {items} items were joined")));
        }
        rates.push(f64::from(items) / took.as_secs_f64());
        let took = interpreter::execute(&machines::map(), &input, durability == Durability::Durable)?;
        bare.push(f64::from(items) / took.as_secs_f64());
    }
    // The first round warmed up.
    rates.remove(0);
    bare.remove(0);
    Ok(vec![
        Figure::one("items_per_s", "/s", median(&rates)),
        Figure::one("interpreter_per_s", "/s", median(&bare)),
    ])
}
