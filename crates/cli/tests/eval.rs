//! `sluice eval`: what it answers, and that no expression takes it down.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tool::server::signal;
use tool::{Called, Folder, until};

fn eval(arguments: &[&str]) -> Called {
    Folder::with(&[]).call(&[&["eval"], arguments].concat())
}

/// All that is answered to these lines.
fn answered(input: &[u8], arguments: &[&str]) -> Called {
    let folder = Folder::with(&[]);
    let path = folder.path().join("lines");
    std::fs::write(&path, input).unwrap();
    let mut command = folder.command(&[&["eval"], arguments].concat());
    tool::called(command.stdin(File::open(path).unwrap()).output().unwrap())
}

fn answers(input: &[u8], arguments: &[&str]) -> Vec<Value> {
    let called = answered(input, arguments);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn question(lang: &str, expr: &str) -> Value {
    json!({"lang": lang, "expr": expr})
}

fn lines(questions: &[Value]) -> Vec<u8> {
    questions.iter().flat_map(|question| format!("{question}\n").into_bytes()).collect()
}

#[test]
fn an_expression_of_any_language_is_evaluated() {
    for (lang, expr, data, expected) in [
        ("jsonata", "$sum(a.b) & '!'", r#"{"a": [{"b": 1}, {"b": 2}]}"#, r#""3!""#),
        ("jsonpath", "$..b", r#"{"a": [{"b": 1}, {"b": null}]}"#, "[1,null]"),
        ("asl-path", "$.a[0].b", r#"{"a": [{"b": 1}]}"#, "1"),
        ("asl-path", "$.a[*].b", r#"{"a": [{"b": 1}]}"#, "[1]"),
        ("asl-path", "States.Format('{}-{}', $.a, $b)", r#"{"a": 1}"#, r#""1-two""#),
        ("asl-path", "$b", "{}", r#""two""#),
        ("cel", "a.map(x, x * 2) + [data.a.size()]", r#"{"a": [1, 2]}"#, "[2,4,2]"),
        ("cel", "b + c", r#"{"b": "one", "c": "!"}"#, r#""two!""#),
    ] {
        let bindings = ["--bindings", r#"{"b": "two"}"#];
        let called = eval(&[&["--lang", lang, expr, "--data", data], &bindings[..]].concat());
        assert_eq!((called.exit, called.stdout.trim_end()), (0, expected), "{lang} {expr} {}", called.stderr);
    }
}

#[test]
fn data_comes_from_arguments_files_and_stdin() {
    let folder = Folder::with(&[("data.json", "{\n \"a\": 1\n}\n"), ("bound.json", "{\"b\": 2}")]);
    let arguments =
        ["eval", "--lang", "jsonata", "a + $b", "--data", "@data.json", "--bindings", "@bound.json"];
    assert_eq!(folder.call(&arguments).stdout, "3\n");
    let mut command = folder.command(&["eval", "--lang", "jsonata", "a", "--data", "-"]);
    let stdin = File::open(folder.path().join("data.json")).unwrap();
    assert_eq!(tool::called(command.stdin(stdin).output().unwrap()).stdout, "1\n");
    assert_eq!(eval(&["--lang", "jsonata", "--data", "-7", "--", "-$"]).stdout, "7\n");
}

#[test]
fn undefined_prints_nothing_and_has_an_exit_code() {
    for (lang, expr) in [("jsonata", "a"), ("asl-path", "$.a"), ("asl-path", "$a")] {
        let called = eval(&["--lang", lang, expr, "--data", "{}"]);
        let seen = (called.exit, called.stdout.as_str(), called.stderr.as_str());
        assert_eq!(seen, (1, "", "undefined\n"), "{lang} {expr}");
    }
    let called = eval(&["--lang", "jsonata", "a", "--json"]);
    assert_eq!((called.exit, called.json()), (1, json!({"undefined": true})));
}

#[test]
fn no_data_is_not_null() {
    let asked = |lang: &str, expr: &str, data: Option<&str>| {
        let data = data.map_or(vec![], |data| vec!["--data", data]);
        eval(&[&["--lang", lang, expr, "--json"], &data[..]].concat()).json()
    };
    for (lang, expr, none, null) in [
        ("jsonata", "$", json!({"undefined": true}), json!({"ok": null})),
        ("asl-path", "$", json!({"undefined": true}), json!({"ok": null})),
        ("jsonpath", "$", json!({"ok": []}), json!({"ok": [null]})),
    ] {
        assert_eq!(asked(lang, expr, None), none, "{lang}");
        assert_eq!(asked(lang, expr, Some("null")), null, "{lang}");
    }
    assert_eq!(asked("cel", "data", None)["error"]["code"], "SLU0017");
    assert_eq!(asked("cel", "data", Some("null")), json!({"ok": null}));
}

#[test]
fn a_wrong_request_says_what_to_do() {
    for (arguments, code) in [
        (&["--lang", "jsonata", "1 +"][..], "S0207"),
        (&["--lang", "jsonata", "'a' - 1"], "T2001"),
        (&["--lang", "jsonpath", "$["], "SLU0017"),
        (&["--lang", "asl-path", "a"], "SLU0017"),
        (&["--lang", "asl-path", "States.MathAdd('a', 1)"], "States.IntrinsicFailure"),
        (&["--lang", "asl-path", "States.ArrayLength($.a)", "--data", "{}"], "States.Runtime"),
        (&["--lang", "cel", "1 +"], "SLU0017"),
        (&["--lang", "cel", "nope"], "SLU0017"),
        (&["--lang", "cel", "1 / 0"], "SLU0022"),
        (&["--lang", "cel", "data.a", "--data", "{}"], "SLU0022"),
        (&["--lang", "jsonate", "1"], "SLU0014"),
        (&["--lang", "jsonata"], "SLU0014"),
        (&["1"], "SLU0014"),
        (&["--lang", "jsonata", "1", "--data", "{"], "SLU0014"),
        (&["--lang", "jsonata", "1", "--data", "@nowhere"], "SLU0002"),
        (&["--lang", "jsonata", "1", "--bindings", "[]"], "SLU0014"),
    ] {
        assert_eq!(eval(&[arguments, &["--json"]].concat()).error(2)["code"], code, "{arguments:?}");
    }
    assert_eq!(eval(&["--lang", "jsonate", "1", "--json"]).error(2)["fix"], "did you mean `jsonata`?");
    assert!(eval(&["--lang", "jsonata", "1 +"]).stderr.starts_with("error[S0207]: "));
}

#[test]
fn each_line_gets_a_line_whatever_it_is() {
    let mut input = br#"{"lang": "jsonata", "expr": "a + $b", "data": {"a": 1}, "bindings": {"b": 2}}

 {"lang": "jsonata", "expr": "a"}
{"lang": "jsonata", "expr": "1 +"}
{"lang": "jsonata"}
{"expr": "1"}
{"lang": "english", "expr": "1"}
{"lang": 1, "expr": "1"}
{"lang": "jsonata", "expr": "1", "binding": {}}
{"lang": "jsonata", "expr": "$", "data": null}
{"lang": "jsonata", "expr": "$", "bindings": []}
{"lang": "jsonpath", "expr": "$[?@ > 1]", "data": [1, 2, 3]}
{"lang": "asl-path", "expr": "$.a.length()", "data": {"a": "abc"}}
{"lang": "asl-path", "expr": "$$.a", "bindings": {"$": {"a": 1}}}
{"lang": "cel", "expr": "[b'ab', duration('90s'), timestamp('2026-01-01T00:00:00Z'), 0.5, 3u, {'b': 1, 'a': null}]"}
[]
null
{"lang": "jsonata", "expr": "1"
"#
    .to_vec();
    input.extend(b"\xff\xfe\n{\"lang\": \"jsonata\", \"expr\": \"\xff\"}\n\0\n");
    input.extend(br#"{"lang": "jsonata", "expr": "'the last line has no end'"}"#);
    let called = answered(&input, &[]);
    assert_eq!(called.exit, 0);
    insta::assert_snapshot!(called.stdout);
}

#[test]
fn a_line_is_answered_before_the_next_is_read() {
    let folder = Folder::with(&[]);
    let mut child = folder.command(&["eval"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stdout = BufReader::new(stdout).lines();
    for number in 0..3 {
        writeln!(stdin, "{}", question("jsonata", &number.to_string())).unwrap();
        assert_eq!(stdout.next().unwrap().unwrap(), format!("{{\"ok\":{number}}}"));
    }
    drop(stdin);
    assert_eq!((stdout.next().is_none(), child.wait().unwrap().code()), (true, Some(0)));
}

#[test]
fn a_line_that_is_too_long_is_skipped() {
    let expression = question("jsonata", "$length($)").to_string();
    let long =
        |bytes: usize| format!(r#"{},"data":"{}"}}"#, expression.trim_end_matches('}'), "x".repeat(bytes));
    let input = [long(50 << 20), long(15 << 20), "x".repeat(17 << 20)].join("\n");
    let answers = answers(input.as_bytes(), &[]);
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["error"]["code"], "SLU0013");
    assert_eq!(answers[1], json!({"ok": 15 << 20}));
    assert_eq!(answers[2]["error"]["code"], "SLU0013");
}

/// A hundred arrays inside one another.
fn nested() -> Value {
    serde_json::from_str(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap()
}

#[test]
fn no_expression_exceeds_its_limits() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + close;
    let cases = [
        ("[1..1e9]".to_owned(), "D2014"),
        ("$pad('', 1e9)".to_owned(), "D1013"),
        ("($f := function() { 1 + $f() }; $f())".to_owned(), "U1001"),
        ("($f := function() { $f() }; $f())".to_owned(), "D1013"),
        ("$match($pad('', 60, 'a') & '!', /^(a|a)*?\\1$/)".to_owned(), "D1012"),
        ("$reduce([1..60], function($a, $x) { $a & $a }, 'a')".to_owned(), "D1013"),
        (deep("(", ""), "S0900"),
        (deep("[", ""), "S0900"),
        (deep("-", "1"), "S0900"),
        (deep("a.", "a"), "S0900"),
    ];
    let questions: Vec<Value> = cases.iter().map(|(expr, _)| question("jsonata", expr)).collect();
    let answers = answers(&lines(&questions), &[]);
    assert_eq!(answers.len(), cases.len());
    for ((expr, code), answer) in cases.iter().zip(answers) {
        assert_eq!(answer["error"]["code"], *code, "{expr:.60}: {answer}");
    }
    let path = json!({"lang": "asl-path", "expr": format!("${}", "..*".repeat(30)), "data": nested()});
    assert_eq!(self::answers(&lines(&[path]), &[])[0]["error"]["code"], "SLU0013");
    for (lang, expr) in [("jsonpath", deep("(", "")), ("asl-path", deep("(", "")), ("cel", deep("(", ""))] {
        assert_eq!(eval(&["--lang", lang, "--json", &expr]).error(2)["code"], "SLU0017", "{lang}");
    }
}

#[test]
fn what_does_not_end_or_fit_is_ended_and_the_next_line_is_answered() {
    let endless = json!({"lang": "jsonpath", "expr": format!("${}", "..*".repeat(300)), "data": nested()});
    let parsed_for_ever = question("jsonpath", &format!("$[?{}@{}]", "@[?".repeat(200), "]".repeat(200)));
    let one = question("jsonata", "1");
    let answers = answers(&lines(&[endless, one.clone(), parsed_for_ever, one]), &["--timeout", "3"]);
    let codes: Vec<&Value> = answers.iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(codes, [&json!("SLU0013"), &Value::Null, &json!("SLU0013"), &Value::Null]);
    assert_eq!((&answers[1], &answers[3]), (&json!({"ok": 1}), &json!({"ok": 1})));
    // Ten times a text of a MiB, and that four times over: the memory ends before the time does.
    let ten = |name: &str| [name; 10].join("+");
    let (data, a, b, c) = (ten("data"), ten("a"), ten("b"), ten("c"));
    let expr = format!("[{data}].map(a, [{a}].map(b, [{b}].map(c, [{c}])))");
    let large = json!({"lang": "cel", "expr": expr, "data": "x".repeat(1 << 20)});
    let answer = &self::answers(&lines(&[large]), &["--timeout", "600"])[0];
    assert_eq!(answer["error"]["code"], "SLU0013");
    assert!(answer["error"]["message"].as_str().unwrap().contains("memory"), "{answer}");
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let folder = Folder::with(&[]);
    let mut child = folder.command(&["eval"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", question("jsonata", "1")).unwrap();
    // Its stdin is still open.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The processes that a process has started.
fn children(child: &Child) -> Vec<PathBuf> {
    let pid = child.id();
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| Path::new("/proc").join(pid)).collect()
}

#[track_caller]
#[test]
fn ctrl_c_ends_it_and_what_it_evaluates() {
    for name in ["INT", "KILL"] {
        let folder = Folder::with(&[]);
        let endless = format!("$[?{}@{}]", "@[?".repeat(200), "]".repeat(200));
        let mut command = folder.command(&["eval", "--lang", "jsonpath", &endless]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("it evaluates", || children(&child).iter().any(|path| threads(path) > 1));
        let evaluating = children(&child);
        signal(child.id(), name);
        let code = child.wait().unwrap().code();
        assert_eq!(code, (name == "INT").then_some(130), "{name}");
        until("the evaluation has ended", || evaluating.iter().all(|path| has_ended(path)));
    }
}

fn threads(process: &Path) -> usize {
    std::fs::read_dir(process.join("task")).into_iter().flatten().count()
}

/// Whether a process is gone, or waits for nothing but its parent to ask how it ended.
fn has_ended(process: &Path) -> bool {
    std::fs::read(process.join("cmdline")).unwrap_or_default().is_empty()
}
