//! CEL over objects and events.

use bytes::Bytes;
use sluice_frontend::CelEvaluator;
use sluice_frontend::cel::{Subject, check};
use sluice_types::{BucketIx, ContentType, Evaluator, Event, Expr, Object, ObjectId, Payload};
use std::collections::BTreeMap;
use std::sync::Arc;

fn object(content_type: ContentType, bytes: &'static [u8]) -> Object {
    Object {
        bucket: BucketIx(2),
        key: "a/b.json".into(),
        content_type,
        payload: Payload::Inline(Bytes::from_static(bytes)),
        group: Some("red".into()),
        meta: Some(Arc::new(BTreeMap::from([("lang".to_owned(), "de".to_owned())]))),
    }
}

fn expr(text: &str) -> Expr {
    check(text, Subject::Object).expect("the expression is sound");
    Expr(text.into())
}

#[test]
fn objects_are_seen_with_their_attributes_and_value() {
    let order =
        object(ContentType::Json, br#"{"n": 7, "price": 1.5, "tags": ["x"], "big": 18446744073709551615}"#);
    let mut cel = CelEvaluator::new();
    let holding = [
        "object.size > 10 && object.bucket == 'orders'",
        "object.key.startsWith('a/') && object.key.endsWith('.json')",
        "object.content_type == 'application/json'",
        "object.group == 'red' && object.meta.lang == 'de'",
        "object.value.n + 1 == 8 && object.value.price < 2.0",
        "object['value'].n == 7",
        "object.value.tags.exists(t, t == 'x')",
        "has(object.value.n) && !has(object.value.missing)",
        "object.key.matches('b[.]json$')",
    ];
    for text in holding {
        assert_eq!(cel.object_matches(&expr(text), "orders", &order), Ok(true), "{text}");
    }
    assert_eq!(cel.object_matches(&expr("object.value.n > 7"), "orders", &order), Ok(false));
}

#[test]
fn what_gives_no_answer_is_an_error_that_says_why() {
    let mut cel = CelEvaluator::new();
    let text = object(ContentType::Text, b"hello");
    assert_eq!(cel.object_matches(&expr("object.value == 'hello'"), "b", &text), Ok(true));
    assert!(cel.object_matches(&expr("object.value.n > 1"), "b", &text).is_err());
    assert!(
        cel.object_matches(&expr("object.size"), "b", &text).unwrap_err().0.contains("not true or false")
    );
    let bytes = object(ContentType::Bytes, b"\xff");
    assert!(cel.object_matches(&expr("object.value == 1"), "b", &bytes).is_err());
    let malformed = object(ContentType::Json, b"{");
    assert!(cel.object_matches(&expr("object.value == 1"), "b", &malformed).is_err());
    let stored = Payload::Stored { id: ObjectId(1), len: 9, digest: None };
    let stored = Object { payload: stored, ..object(ContentType::Json, b"") };
    assert_eq!(cel.object_matches(&expr("object.size == 9"), "b", &stored), Ok(true));
    assert!(cel.object_matches(&expr("object.value == 1"), "b", &stored).is_err());
}

#[test]
fn the_text_of_an_object_is_written_as_json_writes_it() {
    let order =
        object(ContentType::Json, br#"{"n": 7, "price": 1.5, "whole": 2.0, "yes": true, "city": "Rom"}"#);
    let mut cel = CelEvaluator::new();
    let cases = [("n", "7"), ("price", "1.5"), ("whole", "2.0"), ("yes", "true"), ("city", "Rom")];
    for (field, expected) in cases {
        let text = cel.object_text(&expr(&format!("object.value.{field}")), "b", &order);
        assert_eq!(text.as_deref(), Ok(expected), "{field}");
    }
    assert!(cel.object_text(&expr("object.value"), "b", &order).is_err());
}

#[test]
fn events_are_seen_with_their_attributes_and_data() {
    let event = Event {
        id: "1".into(),
        source: "/shop".into(),
        r#type: "order.created".into(),
        subject: None,
        time_ms: 1_767_225_600_000,
        content_type: ContentType::Json,
        data: Bytes::from_static(br#"{"amount": 120}"#),
        run: None,
    };
    let mut cel = CelEvaluator::new();
    let holding = [
        "event.data.amount > 100",
        "event.type == 'order.created' && event.source == '/shop' && event.id == '1'",
        "event.subject == null",
        "event.time == timestamp('2026-01-01T00:00:00Z')",
    ];
    for text in holding {
        check(text, Subject::Event).unwrap();
        assert_eq!(cel.event_matches(&Expr(text.into()), &event), Ok(true), "{text}");
    }
}

#[test]
fn only_expressions_about_the_subject_pass_the_check() {
    for text in ["object.size >", "", "size(", "thing.key", "event.id == 'x'", "[1].all(x, x > y)", "((((("] {
        assert!(check(text, Subject::Object).is_err(), "{text:?}");
    }
    for text in ["[1, 2].all(x, x > object.size)", "{'a': object.key}.a == 'b'", "true"] {
        assert_eq!(check(text, Subject::Object), Ok(()), "{text:?}");
    }
}

/// Whatever passes the limits must be parsed and evaluated on the stack of a thread (2 MiB here), or refused.
#[test]
fn hostile_expressions_do_not_exhaust_the_stack() {
    assert!(
        check(&format!("1{}", "+1".repeat(1_000)), Subject::Object).unwrap_err().contains("nests deeper")
    );
    assert!(check(&"1+".repeat(10_000), Subject::Object).unwrap_err().contains("longer"));
    let mut cel = CelEvaluator::new();
    let object = object(ContentType::Bytes, b"");
    let repeated = [
        "!", "-", "1+", "object.", "true?1:", "true||", "1 in ", "a[", "[", "f(", "{1:", "x.all(x,", "''+",
        "1<",
    ];
    for part in repeated {
        for times in [14, 30, 2_000 / part.len()] {
            for (tail, closing) in
                [("1", ""), ("true", ""), ("object", ""), ("1", "]"), ("1", ")"), ("1", "}")]
            {
                let text = format!("{}{tail}{}", part.repeat(times), closing.repeat(times));
                if check(&text, Subject::Object).is_ok() {
                    let _ = cel.object_matches(&Expr(text.as_str().into()), "b", &object);
                }
            }
        }
    }
}

/// A tiny deterministic fuzzer: every way of putting a few tokens together must be answered, not panic.
#[test]
fn no_small_expression_makes_the_parser_panic() {
    let tokens = ["object", ".", "(", ")", "[", "]", "'", "1", "?", ":", "{", "in", "-"];
    for a in tokens {
        for b in tokens {
            for c in tokens {
                let _ = check(&format!("{a}{b}{c}"), Subject::Object);
            }
        }
    }
}
