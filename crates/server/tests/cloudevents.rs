//! CloudEvents 1.0 over HTTP: the scenarios of the conformance suite, and what goes wrong.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod double;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use bytes::Bytes;
use double::{ask, router, untouched};
use serde_json::json;
use sluice_runtime::Command;
use sluice_runtime::api::EventsReply;
use sluice_server::cloudevents::{self, Error};
use sluice_types::{ContentType, Event};

const NOW_MS: u64 = 7;
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn read(headers: &HeaderMap, body: Bytes, now_ms: u64) -> Result<Vec<Event>, Error> {
    let events = cloudevents::read(headers, &body, now_ms)?;
    Ok(events.iter().map(|event| event.to_event()).collect())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(header).collect()
}

fn structured(json: &str) -> Result<Event, Error> {
    read(&headers(&[("content-type", STRUCTURED)]), Bytes::from(json.to_owned()), NOW_MS)
        .map(|mut e| e.remove(0))
}

fn check_scenario(event: &Event) {
    assert_eq!((&*event.id, &*event.r#type), ("1234-1234-1234", "com.example.someevent"));
    assert_eq!((&*event.source, event.time_ms), ("/mycontext/subcontext", 1_522_900_584_000));
    assert_eq!((&event.content_type, &event.subject, &event.run), (&ContentType::Json, &None, &None));
    let data: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!(data, json!({"message": "Hello World!"}));
}

#[test]
fn binary_content_mode() {
    for content_type in ["application/json", "application/json; charset=utf-8"] {
        let headers = headers(&[
            ("ce-specversion", "1.0"),
            ("ce-type", "com.example.someevent"),
            ("ce-time", "2018-04-05T03:56:24Z"),
            ("ce-id", "1234-1234-1234"),
            ("ce-source", "/mycontext/subcontext"),
            ("content-type", content_type),
        ]);
        let events = read(&headers, Bytes::from("{\n    \"message\": \"Hello World!\"\n}"), NOW_MS).unwrap();
        assert_eq!(events.len(), 1);
        check_scenario(&events[0]);
    }
}

#[test]
fn structured_content_mode() {
    let body = r#"{"specversion": "1.0", "type": "com.example.someevent", "time": "2018-04-05T03:56:24Z",
        "id": "1234-1234-1234", "source": "/mycontext/subcontext", "datacontenttype": "application/json",
        "data": {"message": "Hello World!"}}"#;
    for content_type in
        [STRUCTURED, "application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"]
    {
        let events = read(&headers(&[("content-type", content_type)]), Bytes::from(body), NOW_MS).unwrap();
        assert_eq!(events.len(), 1);
        check_scenario(&events[0]);
    }
}

#[test]
fn batched_content_mode_keeps_the_order() {
    let body = r#"[{"specversion":"1.0","type":"t","id":"2","source":"s"},
                   {"specversion":"1.0","type":"t","id":"1","source":"s","sluicerun":"r","subject":"x"}]"#;
    let events = read(&headers(&[("content-type", BATCH)]), Bytes::from(body), NOW_MS).unwrap();
    assert_eq!(events.iter().map(|e| &*e.id).collect::<Vec<_>>(), ["2", "1"]);
    assert_eq!((events[1].run.as_deref(), events[1].subject.as_deref()), (Some("r"), Some("x")));
    assert_eq!(events[0].time_ms, NOW_MS);
    assert!(read(&headers(&[("content-type", BATCH)]), Bytes::from("[]"), NOW_MS).unwrap().is_empty());
}

#[test]
fn binary_attributes_are_unquoted_and_percent_decoded() {
    let with_subject = |subject| {
        let headers = headers(&[
            ("ce-specversion", "1.0"),
            ("ce-type", "t"),
            ("ce-id", "1"),
            ("ce-source", "s"),
            ("ce-subject", subject),
        ]);
        read(&headers, Bytes::from_static(b"\xff"), NOW_MS).map(|mut events| events.remove(0))
    };
    assert_eq!(
        with_subject("Euro%20%E2%82%AC%20%F0%9F%98%80").unwrap().subject.as_deref(),
        Some("Euro € 😀")
    );
    assert_eq!(with_subject(r#""a \"b\" c""#).unwrap().subject.as_deref(), Some("a \"b\" c"));
    assert_eq!(with_subject("é").unwrap().subject.as_deref(), Some("é"));
    let event = with_subject("x").unwrap();
    assert_eq!((event.content_type, &event.data[..]), (ContentType::Bytes, &[0xff][..]));
    for malformed in ["\"open", "\"a\" b", "%FF", ""] {
        let error = with_subject(malformed).unwrap_err();
        assert!(matches!(error, Error::Malformed { attribute, .. } if attribute == "subject"), "{malformed}");
    }
}

#[test]
fn payloads_are_json_text_or_bytes() {
    let event = |rest: &str| {
        structured(&format!(r#"{{"specversion":"1.0","type":"t","id":"1","source":"s"{rest}}}"#))
    };
    for (rest, content_type, data) in [
        ("", "application/json", &b""[..]),
        (r#","data":null"#, "application/json", b""),
        (r#","data":12345678901234567890123"#, "application/json", b"12345678901234567890123"),
        (r#","data":"hi""#, "application/json", b"\"hi\""),
        (r#","data":"hi","datacontenttype":"text/plain""#, "text/plain", b"hi"),
        (r#","data":"hi","datacontenttype":"application/vnd.x+json""#, "application/vnd.x+json", b"\"hi\""),
        (r#","data":{"a":1},"datacontenttype":"text/plain""#, "text/plain", b"{\"a\":1}"),
        (r#","data_base64":"AP8=""#, "application/octet-stream", &[0, 255]),
        (r#","data_base64":"AP8=","datacontenttype":"image/png""#, "image/png", &[0, 255]),
    ] {
        let event = event(rest).unwrap();
        assert_eq!((event.content_type.as_str(), &event.data[..]), (content_type, data), "{rest}");
    }
    assert_eq!(event(r#","data":1,"data_base64":"AA==""#), Err(Error::TwoPayloads));
    assert!(
        matches!(event(r#","data_base64":"?""#), Err(Error::Malformed { attribute, .. }) if attribute == "data_base64")
    );
}

#[test]
fn what_is_wrong_with_an_event_is_named() {
    let complete = [("specversion", "\"1.0\""), ("type", "\"t\""), ("id", "\"1\""), ("source", "\"s\"")];
    let with = |name: &str, value: Option<&str>| {
        let members = complete.iter().filter(|(n, _)| *n != name).map(|(n, v)| (*n, *v));
        let members = members.chain(value.map(|value| (name, value)));
        let members: Vec<_> = members.map(|(n, v)| format!("\"{n}\": {v}")).collect();
        structured(&format!("{{{}}}", members.join(",")))
    };
    for (name, _) in complete {
        assert_eq!(with(name, None), Err(Error::Missing { attribute: name }));
        assert_eq!(with(name, Some("null")), Err(Error::Missing { attribute: name }));
        assert!(
            matches!(with(name, Some("\"\"")), Err(Error::Malformed { attribute, .. }) if attribute == name)
        );
    }
    assert_eq!(with("specversion", Some("\"0.3\"")), Err(Error::Version("0.3".into())));
    for (name, value) in [
        ("time", "\"noon\""),
        ("time", "\"1969-01-01T00:00:00Z\""),
        ("id", "{}"),
        ("Extension", "\"x\""),
        ("my_extension", "\"x\""),
    ] {
        assert!(
            matches!(with(name, Some(value)), Err(Error::Malformed { attribute, .. }) if attribute == name),
            "{name}"
        );
    }
    assert!(with("myextension", Some("true")).is_ok());
    assert_eq!(with("time", Some("\"2018-04-05T05:56:24.5+02:00\"")).unwrap().time_ms, 1_522_900_584_500);
    assert!(matches!(structured("{"), Err(Error::Json(_))));
    assert!(matches!(structured("[]"), Err(Error::Json(_))));
}

#[test]
fn an_error_in_a_batch_names_the_event() {
    let body = r#"[{"specversion":"1.0","type":"t","id":"2","source":"s"}, {"specversion":"1.0","type":"t","id":"2"}]"#;
    let error = read(&headers(&[("content-type", BATCH)]), Bytes::from(body), NOW_MS).unwrap_err();
    let problem = error.problem();
    assert_eq!((problem.place.as_str(), problem.message.as_str()), ("[1]", "the event has no `source`"));
}

#[tokio::test]
async fn events_are_taken_in_at_both_paths() {
    for path in ["/events", "/v1/events"] {
        let router = router(|command| match command {
            Command::Events(events, answer) => {
                answer.send(Ok(EventsReply { accepted: events.len() - 1, duplicates: 1 })).unwrap();
            }
            other => panic!("{other:?}"),
        });
        let one = r#"{"specversion":"1.0","type":"t","id":"1","source":"s"}"#;
        let request =
            Request::post(path).header("content-type", BATCH).body(Body::from(format!("[{one},{one}]")));
        let (status, body) = ask(&router, request.unwrap()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            json!({"accepted": 1, "duplicates": 1})
        );
    }
}

#[tokio::test]
async fn batches_have_a_limit_and_other_bodies_are_refused() {
    let one = r#"{"specversion":"1.0","type":"t","id":"1","source":"s"}"#;
    let batch = format!("[{}]", vec![one; 1001].join(","));
    for (content_type, body, expected) in
        [(BATCH, batch.as_str(), 413), ("application/json", one, 400), (STRUCTURED, "{}", 400)]
    {
        let request = Request::post("/events").header("content-type", content_type);
        let (status, _) = ask(&untouched(), request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(status.as_u16(), expected, "{content_type}");
    }
}
