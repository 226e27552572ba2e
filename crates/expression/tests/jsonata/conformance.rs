//! The suite of the reference implementation, as it is: `shared/corpus/jsonata` in a folder around the repository.

use super::Still;
use serde::Deserialize;
use sluice_expression::Value;
use sluice_expression::jsonata::{Dialect, Error, Expression, Limits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What of the suite has to agree.
const NEEDED: f64 = 0.99;

#[derive(Deserialize)]
struct Case {
    expr: Option<String>,
    #[serde(rename = "expr-file")]
    expr_file: Option<String>,
    #[serde(default, deserialize_with = "given")]
    data: Option<Value>,
    dataset: Option<String>,
    #[serde(default)]
    bindings: Value,
    #[serde(default, deserialize_with = "given")]
    result: Option<Value>,
    #[serde(default)]
    unordered: bool,
    code: Option<String>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cases {
    Many(Vec<Case>),
    One(Box<Case>),
}

/// `null` is a value here, and not the same as none.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The suite, in the nearest folder around this crate that has it.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpus/jsonata")).find(|folder| folder.is_dir())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// What differs from what the case asks for.
fn complaint(case: &Case, corpus: &Path, folder: &Path) -> Option<String> {
    let source = match (&case.expr, &case.expr_file) {
        (Some(source), _) => source.clone(),
        (None, Some(file)) => read(&folder.join(file)),
        (None, None) => return Some("the case has no expression".to_owned()),
    };
    let dataset =
        case.dataset.as_ref().map(|name| read(&corpus.join("datasets").join(format!("{name}.json"))));
    let data =
        dataset.map(|text| Value::parse(text.as_bytes()).expect("a dataset is JSON")).or(case.data.clone());
    let got = evaluate(&source, data.as_ref(), &case.bindings);
    let wanted = case.code.as_ref().or(case.error.as_ref().map(|error| &error.code));
    let message = case.error.as_ref().and_then(|error| error.message.as_ref());
    let agrees = match (&got, wanted) {
        (Err(error), Some(code)) => error.code == code && message.is_none_or(|text| *text == error.message),
        (Ok(value), None) if case.unordered => sorted(value) == sorted(&case.result),
        (Ok(value), None) => close(value.as_ref(), case.result.as_ref()),
        _ => false,
    };
    let asked =
        wanted.cloned().unwrap_or_else(|| case.result.as_ref().map_or("undefined".into(), Value::to_json));
    (!agrees).then(|| format!("{source}\n    wanted {asked:.300}\n    got    {got:.300?}"))
}

fn evaluate(source: &str, data: Option<&Value>, bindings: &Value) -> Result<Option<Value>, Error> {
    let bindings = bindings.as_object().into_iter().flatten();
    let bindings: Vec<_> = bindings.map(|(name, value)| (name.clone(), value.clone())).collect();
    Expression::parse(source, Dialect::Reference)?.evaluate(data, &bindings, &mut Still, &Limits::default())
}

fn sorted(value: &Option<Value>) -> Vec<String> {
    let items = value.as_ref().and_then(Value::as_array).unwrap_or_default();
    let mut items: Vec<String> = items.iter().map(Value::to_json).collect();
    items.sort();
    items
}

/// Equal, with numbers that may differ in the last digits, as between two ways to print them.
fn close(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| close(Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(name, value)| close(Some(value), b.get(name)))
        }
        (Some(a), Some(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-14 * a.abs().max(b.abs()),
            _ => a == b,
        },
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[test]
fn agrees_with_the_suite_of_the_reference() {
    let Some(corpus) = corpus() else {
        let reason = "no shared/corpus/jsonata in a folder around the repository";
        eprintln!("skipped: {reason}");
        return;
    };
    let (mut passed, mut total, mut complaints) = (0, 0, Vec::new());
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for folder in listed(&corpus.join("groups")) {
        let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        for file in
            listed(&folder).into_iter().filter(|file| file.extension().is_some_and(|end| end == "json"))
        {
            let cases = serde_json::from_str(&read(&file));
            let cases = match cases.unwrap_or_else(|error| panic!("{}: {error}", file.display())) {
                Cases::Many(cases) => cases,
                Cases::One(case) => vec![*case],
            };
            for (index, case) in cases.iter().enumerate() {
                let group = groups.entry(name.clone()).or_default();
                let complaint = complaint(case, &corpus, &folder);
                group.0 += usize::from(complaint.is_none());
                group.1 += 1;
                passed += usize::from(complaint.is_none());
                total += 1;
                let file = file.file_name().expect("a file has a name").to_string_lossy();
                complaints.extend(complaint.map(|text| format!("{name}/{file}[{index}]: {text}")));
            }
        }
    }
    for (name, (passed, total)) in &groups {
        println!("{passed:4} of {total:4}  {name}");
    }
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    println!("{passed} of {total} cases agree");
    assert!(total > 0, "the suite is empty");
    assert!(passed as f64 >= NEEDED * total as f64, "{passed} of {total} cases agree");
}
