//! Values survive the way to the server, and appear from it as the contract says.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use serde_json::value::RawValue;
use sluice_api::value::{self, Value};

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_client_writes_text_bytes_or_json() {
    assert_eq!(read(r#""a\nb""#), Value::text("a\nb"));
    assert_eq!(read(r#"{"base64": "AP8="}"#), Value::bytes([0, 255]));
    assert_eq!(read(r#"{"base64": "AP8=", "more": 1}"#), Value::json(r#"{"base64": "AP8=", "more": 1}"#));
    for json in ["{}", "[1, 2]", "null", "12345678901234567890123", "1.50", "true", r#"{"b":1,"a":2}"#] {
        assert_eq!(read(json), Value::json(json));
    }
}

#[test]
fn bytes_that_are_not_base64_are_refused() {
    for json in [r#"{"base64": "%"}"#, r#"{"base64": 5}"#, r#"{"base64": null}"#] {
        let error = serde_json::from_str::<Value>(json).unwrap_err().to_string();
        assert!(error.contains("base64"), "{error}");
    }
}

#[test]
fn the_server_shows_json_as_is_text_as_a_string_and_bytes_in_base64() {
    let show = |content_type, bytes: &[u8]| value::show(content_type, bytes).get().to_owned();
    assert_eq!(show("application/json", b" {\"b\": 1e400} \n"), r#"{"b": 1e400}"#);
    assert_eq!(show("application/vnd.x+json", b"[1]"), "[1]");
    assert_eq!(show("application/json; charset=utf-8", b"7"), "7");
    assert_eq!(show("text/csv", "a,\u{e9}".as_bytes()), "\"a,\u{e9}\"");
    assert_eq!(show("application/octet-stream", b"abc"), r#"{"base64":"YWJj"}"#);
}

#[test]
fn what_does_not_fit_its_type_is_shown_as_bytes() {
    for (content_type, bytes) in
        [("application/json", &b"{"[..]), ("application/json", b""), ("text/plain", &[0xff])]
    {
        assert!(value::show(content_type, bytes).get().starts_with(r#"{"base64":"#), "{content_type}");
    }
}

#[test]
fn what_survives_json_is_known() {
    for value in [Value::text("a"), Value::json("[1]"), Value::bytes([255])] {
        assert!(value.survives_json(), "{value:?}");
    }
    let csv = Value { content_type: "text/csv".into(), bytes: b"a".to_vec() };
    let binary = Value { content_type: "text/plain".into(), bytes: vec![255] };
    for value in [csv, binary, Value::json("[1]\n"), Value::json("{"), Value::json(r#"{"base64": "AA=="}"#)] {
        assert!(!value.survives_json(), "{value:?}");
    }
}

proptest! {
    #[test]
    fn text_survives(text in ".*") {
        prop_assert_eq!(read(&serde_json::to_string(&Value::text(text.clone())).unwrap()), Value::text(text));
    }

    #[test]
    fn bytes_survive(bytes: Vec<u8>) {
        let sent = serde_json::to_string(&Value::bytes(bytes.clone())).unwrap();
        prop_assert_eq!(read(&sent), Value::bytes(bytes));
    }

    #[test]
    fn any_bytes_of_any_type_are_shown_as_one_json_value(bytes: Vec<u8>, json: bool) {
        let content_type = if json { "application/json" } else { "text/plain" };
        let shown = value::show(content_type, &bytes);
        prop_assert!(serde_json::from_str::<&RawValue>(shown.get()).is_ok());
    }

    #[test]
    fn a_document_that_looks_like_bytes_is_sent_as_bytes(bytes: Vec<u8>) {
        let document = serde_json::to_string(&Value::bytes(bytes)).unwrap();
        let sent = serde_json::to_string(&Value::json(document.clone())).unwrap();
        prop_assert_eq!(read(&sent).bytes, document.into_bytes());
    }
}
