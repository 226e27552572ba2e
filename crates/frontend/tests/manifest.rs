//! The reference of the manifest, its JSON Schema and the reader agree.

use jsonschema::Validator;
use sluice_frontend::{Definition, MANIFEST_SCHEMA, lower};

const REFERENCE: &str = include_str!("../../../docs/reference/manifest.md");
const FROM_PYTHON: &str = include_str!("../../../sdk/python/tests/fixtures/wordcount/definition.json");

fn schema() -> Validator {
    let schema = serde_json::from_str(MANIFEST_SCHEMA).expect("the schema is JSON");
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("the schema is one")
}

fn examples() -> Vec<&'static str> {
    REFERENCE
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("split gives one"))
        .collect()
}

#[test]
fn the_examples_of_the_reference_are_valid_and_lower() {
    let schema = schema();
    assert_eq!(examples().len(), 5);
    for example in examples() {
        let value = serde_yaml_ng::from_str(example).expect("the example is YAML");
        let errors: Vec<_> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{example}");
        let definition = Definition::from_yaml(example, "sluice.yaml").expect("the example is a definition");
        lower(&definition).expect("the example lowers");
    }
}

#[test]
fn what_the_python_sdk_emits_is_valid() {
    let value = serde_json::from_str(FROM_PYTHON).expect("the fixture is JSON");
    assert_eq!(schema().iter_errors(&value).map(|e| e.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
}

/// Single changes that make the first example wrong; schema and reader must both say so.
#[test]
fn schema_and_reader_refuse_the_same_mistakes() {
    let good = examples()[0];
    let mistakes = [
        ("app: wordcount", "ap: wordcount"),
        ("app: wordcount", "app: word count"),
        ("app: wordcount", "app: wordcount\ndurability: sometimes"),
        ("[texts, counts]", "[texts, counts, texts]"),
        ("[texts, counts]", "{texts: {kep: true}, counts: {}}"),
        ("runtime: python", "runtime: ruby"),
        ("runtime: python", "runtime: exec"),
        ("runtime: python", "runtime: container"),
        ("handler: app.py:total", "handler: app.count"),
        ("handler: app.py:total", "timeout: 3"),
        ("command: [wc,", "module: a.wasm\n    command: [wc,"),
        ("{each: texts}", "texts"),
        ("{each: texts}", "[]"),
        ("{each: texts}", "{each: texts, glob: x}"),
        ("{each: texts}", "{each: texts, set: texts}"),
        ("{each: texts}", "{set: texts, keys: [a, a]}"),
        ("{each: texts}", "{batch: texts, n: 0}"),
        ("{each: texts}", "{window: texts, seconds: 1 fortnight}"),
        ("{each: texts}", "{first: texts, k: 1}"),
        ("{each: texts}", "{event: {kind: x}}"),
        ("{each: texts}", "{all: []}"),
        ("into: counts", "into: {counts: {}}"),
        ("into: counts", "into: counts\n    timeout: 0"),
        ("into: counts", "into: counts\n    retries: 1000"),
        ("into: counts", "into: counts\n    retries: {maximum: 3}"),
        ("into: counts", "into: counts\n    memory: 1000"),
        ("into: counts", "into: counts\n    cpu: 0"),
        ("into: counts", "into: counts\n    network: maybe"),
        ("into: counts", "into: counts\n    colour: red"),
        ("functions:", "triggers: [{on: {each: texts}}]\nfunctions:"),
        ("functions:", "triggers: [{invoke: count}]\nfunctions:"),
        ("functions:", "triggers: [{on: {each: texts}, emit: {subject: s}}]\nfunctions:"),
        ("functions:", "workflows: {w: {}}\nfunctions:"),
        ("functions:", "workflows: {w: {asl: {}}}\nfunctions:"),
        ("functions:", "workflows: {w: {asl: [a]}}\nfunctions:"),
        ("functions:", "workflows: {w: {file: a, asl: {StartAt: A, States: {}}}}\nfunctions:"),
        ("functions:", "workflows: {w: {file: a, aws_limits: 3}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {}}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {tasks: {}}}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {tasks: {count: }}, file: a}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {tasks: {count: {rule: often}}}}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {tasks: {count: {retry: 1}}}}}\nfunctions:"),
        ("functions:", "workflows: {w: {dag: {tasks: {count: }, pools: {p: 0}}}}\nfunctions:"),
    ];
    let schema = schema();
    for (from, to) in mistakes {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is in the example");
        let value = serde_yaml_ng::from_str(&bad).expect("the mistake is YAML");
        assert!(!schema.is_valid(&value), "the schema takes {to}");
        let lowered = Definition::from_yaml(&bad, "sluice.yaml").and_then(|definition| lower(&definition));
        assert!(lowered.is_err(), "the reader takes {to}");
    }
}
