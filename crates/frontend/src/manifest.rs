//! The JSON form of a manifest, in which a deploy carries it.

use crate::diagnostic::Diagnostic;
use crate::node::{Entry, Node, Value};
use crate::yaml;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sluice_types::Code;
use std::collections::BTreeMap;

/// A YAML manifest as JSON, in the same order, with a `source` that tells the lines. `file` is its name for messages.
///
/// Only the notation is checked; see [`crate::Definition::from_yaml`] for the rest.
pub fn manifest_json(text: &str, file: &str) -> Result<String, Vec<Diagnostic>> {
    let refused = |message: String, at, fix: &str| {
        let fault = Diagnostic::error(Code::APP_SYNTAX, "", message);
        vec![Diagnostic { at, file: file.into(), fix: fix.into(), ..fault }]
    };
    let mut root = yaml::parse(text)
        .map_err(|e| refused(format!("this is not YAML: {}", e.message), Some(e.at), yaml::FIX))?;
    let mut places = Vec::new();
    root.positions(&mut |path, at| places.push(entry(path, Value::Text(format!("{file}:{}", at.line)))));
    if let Value::Map(sections) = &mut root.value {
        sections.retain(|section| section.key != "source");
        sections.push(entry("source", Value::Map(places)));
    }
    serde_json::to_string(&root).map_err(|e| {
        refused(format!("this cannot be written as JSON: {e}"), None, "write finite numbers and text keys")
    })
}

/// A definition in its JSON form that needs no files any more: workflows that name one get its text beside the name.
/// The JSON is one that [`crate::Definition::from_json`] reads.
pub fn with_files(json: &str, files: &BTreeMap<String, String>) -> Result<String, serde_json::Error> {
    let mut root: Node = serde_json::from_str(json)?;
    for (_, workflow) in root.member("workflows").into_iter().flat_map(Node::members) {
        let file = workflow.member("file").and_then(|file| match &file.value {
            Value::Text(file) => files.get(file),
            _ => None,
        });
        if let (Some(text), Value::Map(entries)) = (file, &mut workflow.value)
            && entries.iter().all(|entry| entry.key != "asl" && entry.key != "wfformat")
        {
            let is_recorded = entries.iter().any(|entry| entry.key == "scale");
            entries.push(entry(if is_recorded { "wfformat" } else { "asl" }, Value::Text(text.clone())));
        }
    }
    serde_json::to_string(&root)
}

fn entry(key: &str, value: Value) -> Entry {
    Entry { key: key.to_owned(), key_at: None, value: Node { at: None, value } }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|entry| map.serialize_entry(&entry.key, &entry.value))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Definition;
    use crate::definition::Workflow;

    const MANIFEST: &str = "app: shop
buckets: {b: {}, a: {keep: true}}
functions:
  z: {runtime: exec, command: [cat], on: {each: b}, into: a, cpu: 0.5, timeout: 3}
  y: {runtime: exec, command: cat, on: {each: a}}
";

    #[test]
    fn the_json_form_means_the_same() {
        let yaml = Definition::from_yaml(MANIFEST, "sluice.yaml").unwrap();
        let json = Definition::from_json(&manifest_json(MANIFEST, "sluice.yaml").unwrap()).unwrap();
        assert_eq!(json.functions, yaml.functions);
        assert_eq!(json.buckets, yaml.buckets);
        assert_eq!(&*json.places.file, "sluice.yaml");
        assert_eq!(json.places.find("functions.y").map(|(_, at)| at.line), Some(5));
    }

    #[test]
    fn files_go_along() {
        let yaml =
            "app: a\nworkflows: {w: {file: w.json}, v: {asl: {StartAt: A, States: {}}}, u: {file: u.json}}";
        let files = BTreeMap::from([("w.json".to_owned(), "{\n}".to_owned())]);
        let json = with_files(&manifest_json(yaml, "s.yaml").unwrap(), &files).unwrap();
        let mut attached = Definition::from_yaml(yaml, "s.yaml").unwrap();
        assert_eq!(attached.files().collect::<Vec<_>>(), ["w.json", "u.json"]);
        attached.attach(&files);
        let read = Definition::from_json(&json).unwrap();
        assert_eq!(read.workflows, attached.workflows);
        let asl = |at: usize| match &read.workflows[at].1 {
            Workflow::States(states) => states.asl.as_deref(),
            _ => None,
        };
        assert_eq!(asl(0), Some("{\n}"));
        assert_eq!(asl(1), Some(r#"{"StartAt":"A","States":{}}"#));
        assert_eq!(read.files().collect::<Vec<_>>(), ["u.json"]);
        assert_eq!(with_files(&json, &files).unwrap(), json);
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place() {
        let findings = manifest_json("a: [", "x.yaml").unwrap_err();
        assert_eq!((findings[0].code, &*findings[0].file), (Code::APP_SYNTAX, "x.yaml"));
        assert!(findings[0].at.is_some());
    }
}
