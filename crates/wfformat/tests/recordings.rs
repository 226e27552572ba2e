//! Recordings: what is understood, and what is said of the others.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use sluice_wfformat::{FAULTS_MAX, Recording, is_recording};

const TEXT: &str = r#"{
 "name": "x", "schemaVersion": "1.5",
 "workflow": {
  "specification": {
   "tasks": [
    {"name": "n", "id": "a", "children": ["b"], "outputFiles": ["x", "x"]},
    {"name": "n", "id": "b", "inputFiles": ["x", "in"], "outputFiles": ["y"]},
    {"name": "n", "id": "ç", "parents": ["a", "a"], "inputFiles": ["y"], "children": null}
   ],
   "files": [
    {"id": "x", "sizeInBytes": 10},
    {"id": "y", "sizeInBytes": 0},
    {"id": "in", "sizeInBytes": 3}
   ]
  },
  "execution": {"tasks": [
   {"id": "a", "runtimeInSeconds": 1.5, "command": {"program": "p"}},
   {"id": "b"}
  ]}
 }
}"#;

fn said(text: &str) -> Vec<String> {
    let faults = Recording::parse(text).map_or_else(|faults| faults, |_| Vec::new());
    faults
        .iter()
        .map(|fault| format!("{}:{}: {}: {}", fault.line, fault.column, fault.path, fault.message))
        .collect()
}

/// What is said of the text with one change.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(TEXT.contains(from), "{from}");
    said(&TEXT.replacen(from, to, 1))
}

#[test]
fn names_become_indices() {
    let recording = Recording::parse(TEXT).unwrap();
    let [a, b, c] = &recording.tasks[..] else { panic!("{recording:?}") };
    assert_eq!(
        (&*a.id, a.seconds, &a.parents[..], &a.reads[..], &a.writes[..]),
        ("a", 1.5, &[][..], &[][..], &[0][..])
    );
    assert_eq!((&b.parents[..], &b.reads[..], &b.writes[..]), (&[0][..], &[0, 2][..], &[1][..]));
    assert_eq!((&*c.id, &c.parents[..], &c.reads[..]), ("ç", &[0][..], &[1][..]));
    assert_eq!(
        recording.files.iter().map(|file| file.producer).collect::<Vec<_>>(),
        [Some(0), Some(1), None]
    );
    assert_eq!(recording.untimed, 2);
    // What somebody reads counts, even where nobody says who the parent is.
    assert_eq!(recording.upstream(), [vec![], vec![0], vec![1, 0]]);
}

#[test]
fn a_minimal_one_is_understood() {
    let text = r#"{"schemaVersion":"1.5.1","workflow":{"specification":{"tasks":[{"id":"a"}]}}}"#;
    let recording = Recording::parse(text).unwrap();
    assert_eq!((recording.tasks.len(), recording.files.len(), recording.untimed), (1, 0, 1));
}

#[test]
fn each_fault_is_told_with_its_place() {
    let tasks = "workflow.specification.tasks";
    let cases = [
        (r#"["b"]"#, r#"["bb"]"#, format!("6:43: {tasks}[0].children: there is no task `bb`")),
        (r#"["x", "in"]"#, r#"["x", "i"]"#, format!("7:50: {tasks}[1].inputFiles: there is no file `i`")),
        (r#""id": "b", "i"#, r#""id": "a", "i"#, format!("7:5: {tasks}[1]: two tasks have the id `a`")),
        (
            r#""id": "y", "s"#,
            r#""id": "x", "s"#,
            "12:5: workflow.specification.files[1]: two files have the id `x`".into(),
        ),
        (r#"["y"]}"#, r#"["x"]}"#, format!("7:5: {tasks}[1]: file `x` is written by two tasks, `a` and `b`")),
        (
            r#""parents": ["a", "a"]"#,
            r#""parents": ["ç"]"#,
            format!("8:5: {tasks}[2]: these tasks wait for one another: `ç` → `ç`"),
        ),
        (
            r#""b", "inputFiles""#,
            r#""b", "parents": ["ç"], "inputFiles""#,
            format!("7:5: {tasks}[1]: these tasks wait for one another: `b` → `ç` → `b`"),
        ),
        (
            r#"Bytes": 10"#,
            r#"Bytes": -10"#,
            "11:5: workflow.specification.files[0]: file `x` has a size of -10 bytes".into(),
        ),
        (
            r#"Bytes": 10"#,
            r#"Byte": 10"#,
            "11:33: workflow.specification.files[0]: missing field `sizeInBytes`".into(),
        ),
        (
            r#"Seconds": 1.5"#,
            r#"Seconds": -1"#,
            "17:4: workflow.execution.tasks[0]: task `a` took -1 seconds".into(),
        ),
        (
            r#"{"id": "b"}"#,
            r#"{"id": "d"}"#,
            "18:4: workflow.execution.tasks[1]: there is no task `d`".into(),
        ),
        (
            r#"{"id": "b"}"#,
            r#"{"id": "a", "runtimeInSeconds": 1}"#,
            "18:4: workflow.execution.tasks[1]: the time of task `a` is told twice".into(),
        ),
        (r#""1.5""#, r#""1.4""#, "2:32: schemaVersion: this is WfFormat 1.4; 1.5 is understood".into()),
        (r#""1.5""#, r#""1.50""#, "2:32: schemaVersion: this is WfFormat 1.50; 1.5 is understood".into()),
        (r#""specification""#, r#""spec""#, "3:14: workflow: there is no `workflow.specification`".into()),
        (
            r#"["b"]"#,
            r#"[7]"#,
            format!("6:43: {tasks}[0].children: invalid type: integer `7`, expected a string"),
        ),
    ];
    for (from, to, expected) in cases {
        let said = changed(from, to);
        assert!(said.contains(&expected), "{to}: {said:#?}");
    }
}

#[test]
fn all_faults_are_told_at_once_up_to_a_limit() {
    let text = TEXT.replacen(r#"["b"]"#, r#"["q"]"#, 1).replacen("Bytes\": 0", "Bytes\": -1", 1);
    assert_eq!(said(&text).len(), 2, "{:?}", said(&text));
    let many = vec!["\"q\""; FAULTS_MAX + 50].join(",");
    let said = changed(r#"["b"]"#, &format!("[{many}]"));
    assert_eq!(said.len(), FAULTS_MAX);
    assert!(said[FAULTS_MAX - 1].ends_with("(and 50 more faults)"), "{}", said[FAULTS_MAX - 1]);
}

#[test]
fn recordings_are_told_from_other_json() {
    assert!(is_recording(TEXT));
    assert!(is_recording(r#"{"schemaVersion": "1.3", "workflow": {"jobs": []}}"#), "an old one is one");
    assert!(is_recording(&TEXT[..TEXT.len() - 1]), "a broken one is one");
    for other in [r#"{"app": "a", "workflows": {}}"#, r#"{"StartAt": "A", "States": {}}"#, "[]", "{", "7"] {
        assert!(!is_recording(other), "{other}");
    }
}
