//! From text to a [`Definition`], collecting what is wrong in every part before giving up.

use super::{Bucket, Definition, Function, Places, Trigger};
use crate::decode::{Mismatch, decode};
use crate::diagnostic::Diagnostic;
use crate::node::{Entry, Node, Position, Value};
use crate::suggest::did_you_mean;
use crate::yaml;
use serde::de::DeserializeOwned;
use sluice_types::Code;
use std::collections::BTreeMap;

const SECTIONS: [&str; 7] = ["app", "durability", "network", "buckets", "functions", "triggers", "source"];

impl Definition {
    /// Reads a manifest. `file` is its name for messages.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let root = yaml::parse(text).map_err(|e| {
            let fault = Diagnostic::error(Code::APP_SYNTAX, "", format!("this is not YAML: {}", e.message));
            vec![Diagnostic { at: Some(e.at), file: file.to_owned(), ..fault }]
        })?;
        let mut places = Places { file: file.to_owned(), ..Places::default() };
        root.positions(&mut |path, at| {
            places.positions.insert(path.to_owned(), at);
        });
        Reader { places, findings: Vec::new() }.definition(&root)
    }

    /// Reads the JSON form, in which `source` may tell the places: `{"file": F, "lines": {PATH: LINE}}`.
    pub fn from_json(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let root: Node = serde_json::from_str(text)
            .map_err(|e| vec![Diagnostic::error(Code::APP_SYNTAX, "", format!("this is not JSON: {e}"))])?;
        Reader { places: Places::default(), findings: Vec::new() }.definition(&root)
    }
}

/// Positions as the Python SDK tells them.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    file: String,
    #[serde(default)]
    lines: BTreeMap<String, usize>,
}

struct Reader {
    places: Places,
    findings: Vec<Diagnostic>,
}

impl Reader {
    fn definition(mut self, root: &Node) -> Result<Definition, Vec<Diagnostic>> {
        let Value::Map(sections) = &root.value else {
            let message = "a definition is a mapping with `app`, `buckets`, `functions` and `triggers`";
            return Err(vec![self.locate(Diagnostic::error(Code::APP_INVALID, "", message))]);
        };
        for entry in sections.iter().filter(|e| !SECTIONS.contains(&e.key.as_str())) {
            let fix =
                did_you_mean(&entry.key, SECTIONS).unwrap_or(format!("known are: {}", SECTIONS.join(", ")));
            let message = format!("`{}` is not known here", entry.key);
            self.findings.push(Diagnostic::error(Code::APP_INVALID, &entry.key, message).fix(fix));
        }
        let section = |name: &str| sections.iter().find(|e| e.key == name).map(|e| &e.value);
        if let Some(source) = section("source").and_then(|node| self.decode::<Source>("source", node)) {
            self.places.file = source.file;
            let lines = source.lines.into_iter();
            self.places.positions = lines.map(|(path, line)| (path, Position { line, column: 0 })).collect();
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
            functions: section("functions").map(|node| self.functions(node)).unwrap_or_default(),
            triggers: section("triggers").map(|node| self.triggers(node)).unwrap_or_default(),
            places: Places::default(),
        };
        if self.findings.is_empty() {
            return Ok(Definition { places: self.places, ..definition });
        }
        Err(std::mem::take(&mut self.findings).into_iter().map(|d| self.locate(d)).collect())
    }

    /// `{a: {}, b: {keep: true}}`, or a list of names.
    fn buckets(&mut self, node: &Node) -> Vec<(String, Bucket)> {
        if let Value::List(_) = node.value {
            let names: Vec<String> = self.decode("buckets", node).unwrap_or_default();
            return names.into_iter().map(|name| (name, Bucket::default())).collect();
        }
        let mut buckets = Vec::new();
        for Entry { key, value, .. } in self.entries("buckets", node) {
            let bucket = self.decode::<Option<Bucket>>(&format!("buckets.{key}"), value);
            buckets.extend(bucket.map(|b| (key.clone(), b.unwrap_or_default())));
        }
        buckets
    }

    fn functions(&mut self, node: &Node) -> Vec<(String, Function)> {
        let mut functions = Vec::new();
        for Entry { key, value, .. } in self.entries("functions", node) {
            let function = self.decode(&format!("functions.{key}"), value);
            functions.extend(function.map(|f| (key.clone(), f)));
        }
        functions
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
