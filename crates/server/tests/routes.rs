//! The table of routes, its description, and what is not in it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod double;

use axum::http::StatusCode;
use double::{ask_json, untouched};
use serde_json::{Value, json};
use sluice_server::routes::{OPENAPI, table};
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

#[test]
fn the_description_has_every_route_and_no_other() {
    let described: BTreeSet<String> = document()["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<String> =
        table().iter().map(|r| format!("{} {}", r.method, r.path.replace("{*", "{"))).collect();
    assert_eq!(described, served);
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str() {
                Some(target) if name == "$ref" => found.push(target),
                _ => walk(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_has_its_path_parameters_and_a_name_of_its_own() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
            let declared: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|p| p["in"] == "path")
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            let named = path.split(['{', '}']).skip(1).step_by(2).collect();
            assert_eq!(declared, named, "{path}");
        }
    }
}

#[tokio::test]
async fn it_is_served() {
    let (status, served) = ask_json(&untouched(), "GET", "/openapi.json", "").await;
    assert_eq!((status, served), (StatusCode::OK, document()));
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    for (method, uri, expected) in [
        ("GET", "/v1/nope", 404),
        ("GET", "/v1/apps/a/buckets/b/", 404),
        ("DELETE", "/v1/runs", 405),
        ("PUT", "/healthz", 405),
    ] {
        let (status, answer) = ask_json(&untouched(), method, uri, "").await;
        assert_eq!(status.as_u16(), expected, "{method} {uri}");
        assert_eq!(answer["error"]["code"], json!("SLU0212"));
    }
}
