//! The suite of JSONata's reference implementation, through `sluice eval`.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Map, Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use tool::{Folder, repository};

/// What of the suite has to agree.
const NEEDED: f64 = 0.99;

/// A case, with the folder that it is in.
struct Case {
    fields: Map<String, Value>,
    folder: PathBuf,
}

fn corpus() -> Option<PathBuf> {
    let root = repository().canonicalize().unwrap();
    root.ancestors().map(|folder| folder.join("shared/corpus/jsonata")).find(|folder| folder.is_dir())
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases(corpus: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in listed(&corpus.join("groups")) {
        for file in listed(&folder).iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
            let found = match read(file) {
                Value::Array(cases) => cases,
                case => vec![case],
            };
            let case =
                |case: Value| Case { fields: serde_json::from_value(case).unwrap(), folder: folder.clone() };
            cases.extend(found.into_iter().map(case));
        }
    }
    cases
}

impl Case {
    fn question(&self, corpus: &Path) -> Value {
        let mut question = json!({"lang": "jsonata"});
        question["expr"] = match self.fields.get("expr-file").and_then(Value::as_str) {
            Some(file) => std::fs::read_to_string(self.folder.join(file)).unwrap().into(),
            None => self.fields["expr"].clone(),
        };
        match self.fields.get("dataset").and_then(Value::as_str) {
            Some(name) => question["data"] = read(&corpus.join("datasets").join(format!("{name}.json"))),
            None => {
                if let Some(data) = self.fields.get("data") {
                    question["data"] = data.clone();
                }
            }
        }
        if let Some(bindings) = self.fields.get("bindings") {
            question["bindings"] = bindings.clone();
        }
        question
    }

    fn agrees(&self, answer: &Value) -> bool {
        let code = self.fields.get("code").or_else(|| self.fields.get("error")?.get("code"));
        match (code, self.fields.get("result")) {
            (Some(code), _) => answer["error"]["code"] == *code,
            (None, None) => *answer == json!({"undefined": true}),
            (None, Some(result)) if self.fields.get("unordered") == Some(&Value::Bool(true)) => {
                answer.get("ok").is_some_and(|value| sorted(value) == sorted(result))
            }
            (None, Some(result)) => answer.get("ok").is_some_and(|value| close(value, result)),
        }
    }
}

fn sorted(value: &Value) -> Vec<String> {
    let mut items: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
    items.sort();
    items
}

/// Equal, with numbers that may differ in the last digits.
fn close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-14 * a.abs().max(b.abs()),
            _ => a == b,
        },
    }
}

#[test]
fn the_command_agrees_with_the_suite_of_the_reference() {
    let Some(corpus) = corpus() else {
        return eprintln!("skipped: no shared/corpus/jsonata in a folder around the repository");
    };
    let cases = cases(&corpus);
    let questions: Vec<Value> = cases.iter().map(|case| case.question(&corpus)).collect();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let folder = Folder::with(&[("questions", &lines)]);
    let stdin = File::open(folder.path().join("questions")).unwrap();
    let called = tool::called(folder.command(&["eval"]).stdin(stdin).output().unwrap());
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let answers: Vec<Value> = called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    let mut agreeing = 0;
    for ((case, question), answer) in cases.iter().zip(&questions).zip(&answers) {
        match case.agrees(answer) {
            true => agreeing += 1,
            false => println!("{}: {question:.300}\n  {answer:.300}", case.folder.display()),
        }
    }
    println!("{agreeing} of {} cases agree", cases.len());
    assert!(!cases.is_empty(), "the suite is empty");
    assert!(f64::from(agreeing) >= NEEDED * cases.len() as f64, "{agreeing} of {} cases agree", cases.len());
}
