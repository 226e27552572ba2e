//! Recorded workflows in definitions: what they are lowered to, and what is refused.

use serde_json::{Value, json};
use sluice_frontend::{Definition, MANIFEST_SCHEMA, lower, manifest_json, warnings, with_files};
use sluice_types::{Code, Program, Runtime, Steps};
use std::collections::BTreeMap;

const TEXT: &str = r#"{"schemaVersion": "1.5", "workflow": {
 "specification": {
  "tasks": [{"id": "a b", "outputFiles": ["x"]}, {"id": "c", "inputFiles": ["x", "in"]}],
  "files": [{"id": "x", "sizeInBytes": 1000}, {"id": "in", "sizeInBytes": 1}]},
 "execution": {"tasks": [{"id": "a b", "runtimeInSeconds": 1.5}]}}}"#;

fn definition(text: &str, scale: f64) -> Definition {
    let workflow = json!({"file": "w.json", "wfformat": text, "scale": scale});
    let json = json!({"app": "a", "workflows": {"w": workflow}, "source": {"app": "folder/w.json:1"}});
    Definition::from_json(&json.to_string()).expect("this is a definition")
}

fn lowered(scale: f64) -> Program {
    lower(&definition(TEXT, scale)).expect("nothing is wrong with it")
}

#[test]
fn it_is_a_dag_of_calls_of_one_function() {
    let program = lowered(0.1);
    let [function] = &program.functions[..] else { panic!("{:?}", program.functions) };
    let Runtime::Process { command } = &function.runtime else { panic!("{:?}", function.runtime) };
    assert_eq!((&*function.name, &*command[0]), ("w", Runtime::OWN_PROGRAM));
    let Steps::Dag(dag) = &program.workflows[0].steps else { panic!("{:?}", program.workflows) };
    let tasks: Vec<(&str, Vec<u32>)> =
        dag.tasks.iter().map(|task| (&*task.name, task.after.iter().map(|at| at.0).collect())).collect();
    let expected = [("a b", vec![]), ("c", vec![0, 2]), ("stage-in/1", vec![]), ("report", vec![1])];
    assert_eq!(tasks, expected);
    let given = |at: usize| -> Value {
        serde_json::from_slice(dag.tasks[at].with.as_ref().expect("each is told something"))
            .expect("it is JSON")
    };
    assert_eq!(
        given(0)["work"]["run"],
        json!({"nanos": 150_000_000, "writes": [{"file": "x", "at": 0, "bytes": 100}]})
    );
    assert_eq!(given(1)["upstream"][0]["files"], json!([{"file": "x", "at": 0, "bytes": 100}]));
    assert_eq!(given(2)["work"]["stage"], json!([{"file": "in", "at": 0, "bytes": 1}]));
    assert_eq!(given(3)["work"]["report"]["critical_path_ns"], 150_000_000);
}

#[test]
fn faults_have_the_place_in_the_file() {
    let findings =
        lower(&definition(&TEXT.replace(r#"["x", "in"]"#, r#"["y", "in"]"#), 1.0)).expect_err("it is wrong");
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code, &*finding.message), (Code::UNKNOWN_NAME, "there is no file `y`"));
    let place = "folder/w.json:3:77: workflows.w workflow.specification.tasks[1].inputFiles";
    assert_eq!(finding.place(), place);
    let findings = lower(&definition(TEXT, 1e12)).expect_err("it is too much");
    assert_eq!((findings[0].code, &*findings[0].path), (Code::LIMIT_EXCEEDED, "workflows.w.scale"));
}

#[test]
fn a_task_without_a_time_is_worth_a_warning() {
    let (definition, program) = (definition(TEXT, 0.0), lowered(0.0));
    let said: Vec<String> =
        warnings(&definition, &program).into_iter().map(|finding| finding.message).collect();
    assert_eq!(said, ["1 task has no recorded time: here they take none"]);
}

#[test]
fn a_manifest_names_the_file() {
    let manifest = "app: a\nworkflows: {w: {file: w.json, scale: 0.1}, s: {file: s.asl.json}}";
    let read = Definition::from_yaml(manifest, "sluice.yaml").expect("it is a definition");
    assert_eq!(read.files().collect::<Vec<_>>(), ["w.json", "s.asl.json"]);
    let machine = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
    let files = [("w.json", TEXT), ("s.asl.json", machine)];
    let files: BTreeMap<String, String> = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let mut attached = read;
    attached.attach(&files);
    let json = manifest_json(manifest, "sluice.yaml").expect("it is YAML");
    let sent =
        Definition::from_json(&with_files(&json, &files).expect("it is JSON")).expect("it is a definition");
    assert_eq!(sent.workflows, attached.workflows);
    let program = lower(&sent).expect("nothing is wrong with it");
    assert_eq!(program.functions, lowered(0.1).functions);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let schema = serde_json::from_str(MANIFEST_SCHEMA).expect("the schema is JSON");
    let schema = jsonschema::validator_for(&schema).expect("the schema is one");
    for (workflow, is_right) in [
        ("{file: w.json, scale: 0}", true),
        ("{wfformat: '{}'}", true),
        ("{scale: 1}", false),
        ("{file: w.json, scale: 1, aws_limits: true}", false),
        ("{wfformat: '{}', dag: {tasks: {a: }}}", false),
        ("{wfformat: '{}', asl: '{}'}", false),
        ("{wfformat: 1}", false),
    ] {
        let text = format!("app: a\nworkflows: {{w: {workflow}}}");
        assert_eq!(Definition::from_yaml(&text, "sluice.yaml").is_ok(), is_right, "{workflow}");
        let value: Value = serde_yaml_ng::from_str(&text).expect("it is YAML");
        assert_eq!(
            schema.is_valid(&value),
            is_right,
            "{workflow}: {:?}",
            schema.iter_errors(&value).map(|e| e.to_string()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_program_of_its_workers_is_not_for_apps() {
    let text = "app: a\nfunctions: {f: {runtime: process, command: ['{sluice}', x]}}";
    let definition = Definition::from_yaml(text, "sluice.yaml").expect("it is a definition");
    let findings = lower(&definition).expect_err("it is refused");
    assert_eq!(findings[0].message, "`{sluice}` is not for apps");
}
