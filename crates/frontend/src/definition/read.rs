//! From text to a [`Definition`], collecting what is wrong in every part before giving up.

use super::{Bucket, Definition, Places, Trigger};
use crate::decode::{Mismatch, decode};
use crate::diagnostic::Diagnostic;
use crate::node::{Entry, Node, Position, Value};
use crate::yaml;
use serde::de::DeserializeOwned;
use sluice_types::Code;
use sluice_types::did_you_mean;
use std::collections::BTreeMap;

const SECTIONS: [&str; 8] =
    ["app", "durability", "network", "buckets", "functions", "triggers", "workflows", "source"];

impl Definition {
    /// Reads a manifest. `file` is its name for messages.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let root = yaml::parse(text).map_err(|e| {
            let fault = Diagnostic::error(Code::APP_SYNTAX, "", format!("this is not YAML: {}", e.message));
            vec![Diagnostic { at: Some(e.at), file: file.into(), fix: yaml::FIX.into(), ..fault }]
        })?;
        let mut places = Places { file: file.into(), ..Places::default() };
        root.positions(&mut |path, at| {
            places.positions.insert(path.to_owned(), (places.file.clone(), at));
        });
        Reader { places, findings: Vec::new() }.definition(&root)
    }

    /// Reads the JSON form, in which `source` may tell the places: `{PATH: "FILE:LINE"}`, that of `app` naming the
    /// file of the whole.
    pub fn from_json(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let root: Node = serde_json::from_str(text)
            .map_err(|e| vec![Diagnostic::error(Code::APP_SYNTAX, "", format!("this is not JSON: {e}"))])?;
        Reader { places: Places::default(), findings: Vec::new() }.definition(&root)
    }
}

struct Reader {
    places: Places,
    findings: Vec<Diagnostic>,
}

impl Reader {
    fn definition(mut self, root: &Node) -> Result<Definition, Vec<Diagnostic>> {
        let Value::Map(sections) = &root.value else {
            let message =
                "a definition is a mapping with `app`, `buckets`, `functions`, `triggers` and `workflows`";
            return Err(vec![self.locate(Diagnostic::error(Code::APP_INVALID, "", message))]);
        };
        for entry in sections.iter().filter(|e| !SECTIONS.contains(&e.key.as_str())) {
            let fix =
                did_you_mean(&entry.key, SECTIONS).unwrap_or(format!("known are: {}", SECTIONS.join(", ")));
            let message = format!("`{}` is not known here", entry.key);
            let finding = Diagnostic::error(Code::APP_INVALID, &entry.key, message).fix(fix);
            self.findings.push(Diagnostic { at: entry.key_at, ..finding });
        }
        let section = |name: &str| sections.iter().find(|e| e.key == name).map(|e| &e.value);
        if let Some(node) = section("source") {
            self.source(node);
        }
        if section("app").is_none() {
            let finding = Diagnostic::error(Code::APP_INVALID, "", "the app has no name");
            self.findings.push(finding.fix("add `app: NAME` at the top"));
        }
        let definition = Definition {
            app: section("app").and_then(|node| self.decode("app", node)).unwrap_or_default(),
            durability: section("durability").and_then(|n| self.decode("durability", n)).unwrap_or_default(),
            network: section("network").and_then(|node| self.decode("network", node)),
            buckets: section("buckets").map(|node| self.buckets(node)).unwrap_or_default(),
            functions: section("functions").map(|node| self.named("functions", node)).unwrap_or_default(),
            triggers: section("triggers").map(|node| self.triggers(node)).unwrap_or_default(),
            workflows: section("workflows").map(|node| self.named("workflows", node)).unwrap_or_default(),
            places: Places::default(),
        };
        if self.findings.is_empty() {
            return Ok(Definition { places: self.places, ..definition });
        }
        Err(std::mem::take(&mut self.findings).into_iter().map(|d| self.locate(d)).collect())
    }

    fn source(&mut self, node: &Node) {
        let source: BTreeMap<String, String> = self.decode("source", node).unwrap_or_default();
        for (path, place) in source {
            let place = place.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
            let Some((file, line)) = place else {
                let message = format!("the place of `{path}` is not FILE:LINE");
                self.findings.push(Diagnostic::error(Code::APP_INVALID, "source", message));
                continue;
            };
            if path == "app" {
                self.places.file = file.into();
            }
            self.places.positions.insert(path, (file.into(), Position { line, column: 0 }));
        }
    }

    /// `{a: {}, b: {keep: true}}`, or a list of names.
    fn buckets(&mut self, node: &Node) -> Vec<(String, Bucket)> {
        if let Value::List(_) = node.value {
            let names: Vec<String> = self.decode("buckets", node).unwrap_or_default();
            for (i, name) in names.iter().enumerate() {
                if let Some(place) = self.places.positions.get(&format!("buckets.{i}")).cloned() {
                    self.places.positions.insert(format!("buckets.{name}"), place);
                }
            }
            return names.into_iter().map(|name| (name, Bucket::default())).collect();
        }
        let mut buckets = Vec::new();
        for Entry { key, value, .. } in self.entries("buckets", node) {
            let bucket = self.decode::<Option<Bucket>>(&format!("buckets.{key}"), value);
            buckets.extend(bucket.map(|b| (key.clone(), b.unwrap_or_default())));
        }
        buckets
    }

    /// The parts of a section that is a mapping from names.
    fn named<T: DeserializeOwned>(&mut self, section: &str, node: &Node) -> Vec<(String, T)> {
        let mut parts = Vec::new();
        for Entry { key, value, .. } in self.entries(section, node) {
            let part = self.decode(&format!("{section}.{key}"), value);
            parts.extend(part.map(|part| (key.clone(), part)));
        }
        parts
    }

    fn triggers(&mut self, node: &Node) -> Vec<Trigger> {
        let Value::List(items) = &node.value else {
            if node.value != Value::Null {
                let finding = Diagnostic::error(Code::APP_INVALID, "triggers", "`triggers` is a list");
                self.findings.push(finding.fix("write `- {on: CONDITION, invoke: FUNCTION}` for each"));
            }
            return Vec::new();
        };
        let decoded = items.iter().enumerate().map(|(i, item)| self.decode(&format!("triggers.{i}"), item));
        decoded.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn entries<'a>(&mut self, path: &str, node: &'a Node) -> &'a [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                let message = format!("`{path}` is a mapping from names");
                self.findings.push(Diagnostic::error(Code::APP_INVALID, path, message));
                &[]
            }
        }
    }

    fn decode<T: DeserializeOwned>(&mut self, path: &str, node: &Node) -> Option<T> {
        let Mismatch { path: steps, at, message, fix } = match decode(node) {
            Ok(value) => return Some(value),
            Err(mismatch) => mismatch,
        };
        let path =
            std::iter::once(path).chain(steps.iter().map(String::as_str)).collect::<Vec<_>>().join(".");
        let finding = Diagnostic::error(Code::APP_INVALID, path, message).fix(fix);
        self.findings.push(Diagnostic { at, ..finding });
        None
    }

    fn locate(&self, finding: Diagnostic) -> Diagnostic {
        finding.located(&self.places)
    }
}
