//! What a Python function gets, and what becomes of what it gives.

use crate::support::{PARTS, Stage};
use sluice_types::{ContentType, Payload};

#[test]
fn bytes_go_in_and_come_out() {
    let mut stage = Stage::python("def double(obj):\n    return bytes(obj.data) * 2\n", &["double"]);
    let ran = stage.call(0, ContentType::Bytes, b"ab");
    assert_eq!(ran.text(), "abab");
    assert_eq!(ran.value().content_type, ContentType::Bytes);
    assert!(ran.pid > 0);
}

#[test]
fn json_is_decoded_and_encoded() {
    let source = "def count(obj):\n    return {'n': len(obj.value), 'key': obj.key, 'run': obj.run}\n";
    let mut stage = Stage::python(source, &["count"]);
    let ran = stage.call(0, ContentType::Json, b"[1, 2, 3]");
    assert_eq!(ran.text(), r#"{"n":3,"key":"key","run":"run_1"}"#);
    assert_eq!(ran.value().content_type, ContentType::Json);
}

#[test]
fn large_values_travel_in_shared_memory() {
    let source = "def invert(obj):\n    return bytes(255 - b for b in obj.data)\n";
    let mut stage = Stage::python(source, &["invert"]);
    let bytes: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    let ran = stage.call(0, ContentType::Bytes, &bytes);
    let payload = ran.value().payload.clone();
    assert!(matches!(payload, Payload::Stored { len: 200_000, .. }));
    let inverted: Vec<u8> = bytes.iter().map(|b| 255 - b).collect();
    assert_eq!(stage.memory.bytes(&payload).unwrap(), inverted);
}

#[test]
fn a_generator_puts_what_it_yields() {
    let source =
        "def split(obj):\n    for i, word in enumerate(obj.text().split()):\n        yield str(i), word\n";
    let mut stage = Stage::python(source, &["split"]);
    let ran = stage.call(0, ContentType::Text, b"to be or");
    let keys: Vec<&str> = ran.puts.iter().map(|put| &*put.key).collect();
    assert_eq!(keys, ["0", "1", "2"]);
    assert!(ran.puts.iter().all(|put| put.bucket == PARTS && put.content_type == ContentType::Text));
}
