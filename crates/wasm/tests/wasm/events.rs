//! Events as arguments.

use crate::stage::{Stage, value};
use bytes::Bytes;
use sluice_types::invocation::Arguments;
use sluice_types::{ContentType, Event};
use sluice_wasm::Step;
use std::sync::Arc;

#[test]
fn an_event_is_one_input_with_its_attributes() {
    let mut stage = Stage::core(
        r#"(data (i32.const 0) "typesubjecttime_msid")
           (func $attribute (param $name i32) (param $len i32) (param $to i32) (result i32)
             (i32.add (local.get $to)
               (call $input_attribute (i32.const 0) (local.get $name) (local.get $len) (local.get $to) (i32.const 50))))
           (func (export "run") (local $at i32)
             (local.set $at (call $attribute (i32.const 0) (i32.const 4) (i32.const 100)))
             (local.set $at (call $attribute (i32.const 4) (i32.const 7) (local.get $at)))
             (local.set $at (call $attribute (i32.const 11) (i32.const 7) (local.get $at)))
             (local.set $at (call $attribute (i32.const 18) (i32.const 2) (local.get $at)))
             (local.set $at (i32.add (local.get $at)
               (call $input_read (i32.const 0) (local.get $at) (i32.const 0) (call $input_len (i32.const 0)))))
             (call $ret (i32.const 100) (i32.sub (local.get $at) (i32.const 100)) (i32.const 2)))"#,
    );
    let event = Event {
        id: "e1".into(),
        source: "shop".into(),
        r#type: "paid".into(),
        subject: Some("o9".into()),
        time_ms: 77,
        content_type: ContentType::Json,
        data: Bytes::from_static(b"[1]"),
        run: None,
    };
    let Step::Done(outcome, _) = stage.start(Arguments::Event(Arc::new(event))) else {
        panic!("it did not end")
    };
    assert_eq!(value(outcome).1, b"paido977e1[1]");
}
