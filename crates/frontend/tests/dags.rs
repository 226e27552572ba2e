//! DAGs in definitions: what they are lowered to, what is refused, and how they are explained.

use sluice_frontend::{Definition, explain, explain_json, lower, warnings};
use sluice_types::dag::{Dag, Pool, Rule, Task};
use sluice_types::{FunctionIx, RetryPolicy, Steps, TaskIx, TaskKind};

const HEAD: &str = "app: etl
functions:
  extract: {runtime: exec, command: [extract]}
  load: {runtime: exec, command: [load]}
workflows:
  etl:
    dag:
";

const TASKS: &str = "      tasks:
        extract:
        wait: {call: extract, sensor: true, interval: 5s, soft_fail: true}
        rows: {call: load, after: [extract, wait], map: extract, pool: db, priority: 3, with: {b: [1, x], a: 2.5}}
        way: {call: extract, after: rows, branch: true, retries: {max: 1, jitter: false}, timeout: 2m}
        load: {after: way, rule: none_failed}
      pools: {db: 4}
";

fn definition(dag: &str) -> Definition {
    Definition::from_yaml(&format!("{HEAD}{dag}"), "sluice.yaml").expect("this is a definition")
}

/// What is said of the DAG with one change.
fn refused(from: &str, to: &str) -> String {
    assert!(TASKS.contains(from), "{from}");
    let text = format!("{HEAD}{}", TASKS.replacen(from, to, 1));
    let found = Definition::from_yaml(&text, "sluice.yaml").and_then(|definition| lower(&definition));
    let findings = found.err().unwrap_or_default();
    findings.iter().map(|finding| finding.render(Some(&text))).collect()
}

#[test]
fn names_become_indices_and_defaults_are_filled_in() {
    let definition = definition(TASKS);
    let program = lower(&definition).expect("it is right");
    let task = |name: &str, function| Task::new(name, FunctionIx(function));
    let expected = Dag {
        tasks: vec![
            task("extract", 0),
            Task {
                kind: TaskKind::Sensor { interval_ms: 5_000, soft_fail: true },
                timeout_ms: Some(7 * 86_400_000),
                ..task("wait", 0)
            },
            Task {
                after: vec![TaskIx(0), TaskIx(1)],
                kind: TaskKind::Map { over: TaskIx(0) },
                priority: 3,
                pool: Some(0),
                with: Some(r#"{"b":[1,"x"],"a":2.5}"#.into()),
                ..task("rows", 1)
            },
            Task {
                after: vec![TaskIx(2)],
                kind: TaskKind::Branch,
                retry: Some(Box::new(RetryPolicy { attempts: 2, jitter: false, ..RetryPolicy::default() })),
                timeout_ms: Some(120_000),
                ..task("way", 0)
            },
            Task { after: vec![TaskIx(3)], rule: Rule::NoneFailed, ..task("load", 1) },
        ],
        pools: vec![Pool { name: "db".into(), slots: 4 }],
        schedule: None,
    };
    assert_eq!(program.workflows[0].steps, Steps::Dag(expected.into()));
    assert!(warnings(&definition, &program).is_empty());
}

#[test]
fn each_mistake_is_named_with_its_place_and_fix() {
    let cases = [
        ("call: load, after: [extract, wait]", "call: lod, after: [extract, wait]", "did you mean `load`?"),
        ("        extract:\n", "        extrct:\n", "task `extrct` calls nothing"),
        ("after: rows", "after: row", "did you mean `rows`?"),
        ("after: rows", "after: [rows, way]", "task `way` waits for itself"),
        ("after: rows", "after: [rows, rows]", "`rows` is named twice"),
        ("after: rows", "after: [rows, load]", "`way` → `load` → `way`"),
        ("none_failed}", "none_faild}", "did you mean `none_failed`?"),
        ("none_failed}", "sometimes}", "known are: all_success, all_done"),
        ("pool: db", "pool: dbs", "did you mean `db`?"),
        ("{db: 4}", "{db: 0}", "pool `db` has no slots"),
        ("map: extract", "map: way", "`way` is not among the tasks that this one waits for"),
        ("map: extract", "map: true", "this task waits for 2 tasks"),
        ("map: extract", "map: extract, branch: true", "one of `map`, `branch` and `sensor`"),
        ("sensor: true, interval", "interval", "`interval` and `soft_fail` belong to a sensor"),
        ("interval: 5s", "interval: 0", "`interval` must be between 1 ms and 366 days"),
        ("timeout: 2m", "timeout: 400d", "`timeout` must be between 1 ms and 366 days"),
        ("after: way, rule", "after: way, map: true, rule", "`way` is a branch"),
        ("{db: 4}", "{db: 4}\n      schedule: {cron: 0 25 * * *}", "`0 25 * * *`"),
        ("{db: 4}", "{db: 4}\n      schedule: {cron: 0 3 * * *, tz: Moon}", "use an IANA name"),
        ("{db: 4}", "{db: 4}\n      schedule: {cron: 0 3 * * *, start: soon}", "`soon` is no date"),
        ("max: 1", "max: 1000", "at most 999 retries are possible"),
        ("after: rows", "afer: rows", "did you mean `after`?"),
        ("      tasks:\n", "      retries: 3\n      tasks:\n", "`retries` is not known here"),
        ("priority: 3", "priority: high", "a whole number"),
    ];
    for (from, to, words) in cases {
        let said = refused(from, to);
        assert!(said.contains(words) && said.contains("sluice.yaml:"), "{to}: {said}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let dag = "      tasks:
        a: {call: extract, after: c, rule: often}
        b: {call: extract, after: [a, b], pool: q}
        c: {call: nothing, after: b}
";
    let said = lower(&definition(dag)).expect_err("it is wrong");
    let messages: Vec<&str> = said.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "these tasks wait for one another: `a` → `b` → `c` → `a`",
            "`often` is no trigger rule",
            "task `b` waits for itself",
            "there is no pool `q`",
            "there is no function `nothing`",
        ]
    );
}

#[test]
fn a_cycle_is_told_from_what_only_waits_for_one() {
    let chain: String =
        (1..200).map(|n| format!("        t{n}: {{call: load, after: t{}}}\n", n - 1)).collect();
    let dag = format!("      tasks:\n        t0: {{call: load, after: t3}}\n{chain}");
    let said = lower(&definition(&dag)).expect_err("it is wrong");
    let messages: Vec<&str> = said.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["these tasks wait for one another: `t0` → `t1` → `t2` → `t3` → `t0`"]);
}

#[test]
fn a_dag_stands_alone() {
    let text = format!("{HEAD}{TASKS}    timeout: 3\n");
    let said = Definition::from_yaml(&text, "sluice.yaml").expect_err("it is wrong");
    assert_eq!(said[0].message, "`dag` stands alone");
}

#[test]
fn every_rule_has_a_name() {
    for rule in Rule::ALL {
        assert_eq!(Rule::parse(rule.as_str()), Some(rule));
    }
}

#[test]
fn the_tasks_of_a_dag_are_triggers() {
    let program = lower(&definition(TASKS)).expect("it is right");
    let text = explain(&program);
    let from = text.find("\nworkflow etl: ").expect("it is explained");
    let to = text.find("\ndata, within a run").expect("the data follows");
    insta::assert_snapshot!(&text[from..to]);
    let json = &explain_json(&program)["workflows"][0]["triggers"][2];
    assert_eq!(
        (&json["type"], &json["invokes"], &json["next"]),
        (&"Map".into(), &"load".into(), &["way"][..].into())
    );
}
