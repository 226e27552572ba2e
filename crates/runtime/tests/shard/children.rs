//! What runs hand over to the workflows that have started them.

use crate::stage::{Stage, apart, app};
use sluice_types::invocation::Arguments;
use sluice_types::{ContentType, Payload, limits};

/// What the caller of a workflow is told when that returns this.
fn told(returned: (ContentType, Payload)) -> (String, String) {
    let mut stage = Stage::new();
    stage.deploy(app());
    stage.start("r");
    let caller = stage.take_call();
    stage.wants(&caller, &["workflow flow"]);
    let called = stage.take_call();
    let (_, before) = stage.copies();
    stage.wants_values(&called, vec![("return", returned)]);
    let Arguments::List(objects) = stage.take_call().invocation.arguments else { panic!("turns have lists") };
    assert!(stage.copies().1 <= before + 1, "it is read once at most");
    let Payload::Inline(value) = &objects[objects.len() - 1].payload else { panic!("it is in the record") };
    (objects[objects.len() - 1].key.to_string(), String::from_utf8_lossy(value).into_owned())
}

#[test]
fn a_workflow_is_told_the_output_of_another_or_why_there_is_none() {
    let inline = |bytes: &'static [u8]| Payload::Inline(bytes.into());
    let (key, value) = told((ContentType::Json, inline(b"[1, 2]")));
    assert_eq!((&*key, &*value), ("1000 done 0", "[1,2]"));
    assert_eq!(told((ContentType::Text, inline(b"so"))).1, "\"so\"");
    let (key, why) = told((ContentType::Bytes, inline(&[255])));
    assert!(
        key.contains("failed") && why.contains("States.Runtime") && why.contains("neither JSON nor text"),
        "{key} {why}"
    );
    // What is too large is not even read.
    let (_, why) = told((ContentType::Json, apart(1, limits::WORKFLOW_VALUE_BYTES_MAX + 1)));
    assert!(why.contains("States.DataLimitExceeded"), "{why}");
}
