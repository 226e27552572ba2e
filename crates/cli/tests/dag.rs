//! DAGs: what they can do in both notations, and that crashes change nothing of it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tool::runs::{ended, history, start, until};
use tool::server::Server;
use tool::{Called, Folder};

const HEAD: &str = "
import os, time
import sluicegate as sg

app = sg.App('flow')

def note(line):
    fd = os.open('/tmp/notes', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (line + '\\n').encode())
    os.close(fd)

@app.function()
def double(x):
    return x.value * 2

@app.function(retries=0)
def fail(x):
    raise ValueError(f'no {x.value}')

@app.function()
def keys(parts):
    return [part.key for part in parts]
";

fn folder(code: &str) -> Folder {
    Folder::with(&[("app.py", &format!("{HEAD}{code}"))])
}

#[track_caller]
fn run(code: &str, input: &str) -> Called {
    folder(code).call(&["run", "app.py", "--json", "--input", input])
}

#[track_caller]
fn outputs(code: &str, input: &str) -> Value {
    let called = run(code, input);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    called.json()["outputs"].clone()
}

/// What each task ended as.
fn ends(history: &[Value]) -> BTreeMap<String, String> {
    let of_tasks = history.iter().filter_map(|line| Some((line["task"].as_str()?, line["type"].as_str()?)));
    of_tasks.map(|(task, happened)| (task.to_owned(), happened.to_owned())).collect()
}

#[test]
fn a_manifest_says_which_task_waits_for_which() {
    let manifest = "
app: etl
functions:
  extract: {runtime: python, handler: tasks.py:extract}
  double: {runtime: python, handler: tasks.py:double}
  total: {runtime: python, handler: tasks.py:total}
  upper: {runtime: exec, command: [tr, a-z, A-Z]}
workflows:
  etl:
    dag:
      tasks:
        extract:
        double: {after: extract, map: true, pool: narrow}
        name: {call: upper, priority: -1, pool: narrow}
        total: {after: [double, name], rule: all_done, retries: 1, timeout: 1m}
      pools: {narrow: 2}
";
    let code = "
def extract(input):
    return [input.value, 2, 3]

def double(x):
    return x.value * 2

def total(parts):
    return {part.key: part.value for part in parts}
";
    let folder = Folder::with(&[("sluice.yaml", manifest), ("tasks.py", code)]);
    let called = folder.call(&["run", ".", "--json", "--input", "1"]);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    let expected = json!({"total": {"double/0": 2, "double/1": 4, "double/2": 6, "name": 1}});
    assert_eq!(called.json()["outputs"], expected);
    let explained = folder.call(&["explain", "."]).stdout;
    for line in [
        "workflow etl: each task is a trigger",
        "double   extract has succeeded (all_success)",
        "→ call double with each element of the result of extract; at most 2 at once in pool narrow",
        "total    all of double, name have ended (all_done)",
    ] {
        assert!(explained.contains(line), "{line}: {explained}");
    }
}

#[test]
fn a_thousand_elements_are_a_thousand_calls() {
    let code = "
with app.dag('etl') as dag:
    @dag.task
    def rows(input):
        return [{'n': n} for n in range(input.value)]

    @dag.task
    def square(row):
        return row.value['n'] ** 2

    @dag.task
    def again(squared):
        return squared.value + 1

    @dag.task
    def total(all):
        assert [one.key for one in all] == [f'again/{n}' for n in range(1000)]
        return sum(one.value for one in all)

    again.expand(square.expand(rows)) >> total
";
    let total: u64 = (0..1_000).map(|n: u64| n * n + 1).sum();
    assert_eq!(outputs(code, "1000"), json!({ "total": total }));
}

#[test]
fn results_of_any_size_and_type_are_passed_on() {
    let code = "
with app.dag('etl') as dag:
    @dag.task
    def text(input):
        return 'ü' * 100_000

    @dag.task
    def raw(input):
        return b'\\xff' * 3_000_000

    @dag.task
    def nothing(input):
        return None

    @dag.task
    def sizes(parts):
        return [[part.key, part.size, part.content_type] for part in parts]

    @dag.task
    def alone(part):
        return [part.key, part.value]

    [raw, text, nothing] >> sizes
    nothing >> alone
";
    let expected = json!({
        "sizes": [
            ["raw", 3_000_000, "application/octet-stream"], ["text", 200_000, "text/plain"],
            ["nothing", 4, "application/json"],
        ],
        "alone": ["nothing", null],
    });
    assert_eq!(outputs(code, "0"), expected);
}

#[test]
fn a_task_that_fails_is_named_with_its_cause() {
    let code = "
with app.dag('etl') as dag:
    first = dag.task(double, name='first')
    second = dag.task(fail, name='second')
    third = dag.task(double, name='third')
    sg.chain(first, second, third)
    sg.chain(first, dag.task(double, name='beside'))
";
    let called = run(code, "4");
    assert_eq!(called.exit, 1, "{}", called.stderr);
    let error = &called.json()["error"];
    let message = "workflow \"etl\" failed: task \"second\": function \"fail\" failed after 1 attempt: no 8";
    assert_eq!(
        (&error["code"], &error["message"], &error["where"]),
        (&json!("SLU0116"), &json!(message), &json!("workflow etl, task second"))
    );
    assert_eq!(error["cause"]["type"], "ValueError");
    assert!(error["cause"]["stack"].as_str().unwrap().contains("app.py"), "{error}");
    // What has nothing to do with it was done.
    assert_eq!(called.json()["outputs"], json!({"beside": 16}));
}

#[test]
fn a_branch_goes_where_it_says_and_hands_on_what_it_got() {
    let code = "
with app.dag('etl') as dag:
    @dag.branch
    def way(x):
        return {1: 'a', 2: ['a', 'b'], 3: None, 4: 'elsewhere', 5: 5}[x.value]

    a, b = dag.task(double, name='a'), dag.task(double, name='b')
    join = dag.task(keys, name='join', rule='none_failed_min_one_success')
    way >> [a, b] >> join
";
    assert_eq!(outputs(code, "1"), json!({"join": ["a"]}));
    assert_eq!(outputs(code, "2"), json!({"join": ["a", "b"]}));
    assert_eq!(outputs(code, "3"), json!({}));
    for (input, why) in [
        ("4", "a branch to \"elsewhere\", which is not directly downstream of it"),
        ("5", "a branch returns the name of a task, a list of names, or nothing"),
    ] {
        let error = run(code, input).json()["error"]["message"].to_string();
        assert!(error.contains(&why.replace('"', "\\\"")), "{error}");
    }
}

#[test]
fn pools_and_priorities_say_what_runs_when() {
    let code = "
def busy(name, seconds):
    note('+' + name)
    time.sleep(seconds)
    note('-' + name)

with app.dag('etl', pools={'one': 1, 'two': 2}) as dag:
    @dag.task
    def numbers(input):
        return list(range(8))

    @dag.task(pool='two')
    def pair(number):
        busy('pair', 0.02)

    pair.expand(numbers)

    @app.function()
    def turn(input):
        busy('turn', 0.02)

    for name, priority in dict(low=1, high=5, middle=3, last=-1).items():
        dag.task(turn, name=name, pool='one', priority=priority)

    @dag.task(rule='all_done')
    def notes(everything):
        return open('/tmp/notes').read().split()

    list(dag.tasks.values())[:-1] >> notes
";
    let folder = folder(code);
    let server = Server::start(&folder);
    start(&server, &folder, "etl", "r", &json!(null));
    let run = ended(&server, "r");
    let notes = run["outputs"]["notes"].as_array().unwrap_or_else(|| panic!("{run}"));
    for (name, most) in [("pair", 2), ("turn", 1)] {
        let (mut now, mut peak) = (0, 0);
        for line in notes.iter().filter_map(Value::as_str).filter(|line| line.ends_with(name)) {
            now += if line.starts_with('+') { 1 } else { -1 };
            peak = peak.max(now);
        }
        assert_eq!((now, peak), (0, most), "{name}: {notes:?}");
    }
    let started = history(&server, "r");
    let started = started.iter().filter(|line| line["type"] == "TaskStarted" && line["function"] == "turn");
    let order: Vec<&str> = started.filter_map(|line| line["task"].as_str()).collect();
    assert_eq!(order, ["high", "middle", "low", "last"]);
    server.stop();
}

#[test]
fn a_sensor_asks_until_it_is_told() {
    let code = "
with app.dag('etl') as dag:
    @dag.sensor(interval='20ms', timeout=60)
    def file(input):
        note('asked')
        asked = len(open('/tmp/notes').read().split())
        return asked >= 3 and {'asked': asked}

    @dag.sensor(interval='20ms', timeout='0.1s', soft_fail=True)
    def never(input):
        return []

    @dag.task(rule='none_failed_min_one_success')
    def found(files):
        return [file.value for file in files]

    [file, never] >> found
";
    assert_eq!(outputs(code, "0"), json!({"found": [{"asked": 3}]}));
}

#[test]
fn a_task_has_so_much_time_in_all() {
    let code = "
with app.dag('etl') as dag:
    @dag.task(timeout='0.2s')
    def slow(input):
        time.sleep(30)

    @dag.task(rule='one_failed')
    def instead(x):
        return 'instead'

    slow >> instead
";
    assert_eq!(outputs(code, "0"), json!({"instead": "instead"}));
}

#[test]
fn a_crash_changes_nothing() {
    let code = "
with app.dag('etl', pools={'p': 2}) as dag:
    @dag.task
    def numbers(input):
        return list(range(40))

    @app.function()
    def slowly(x):
        time.sleep(0.02)
        return x.value + 1

    each = dag.task(slowly, name='each', pool='p').expand(numbers)
    steps = [dag.task(slowly, name=f'step{n}', pool='p') for n in range(20)]
    dag.sensor(arrived, interval='50ms') >> steps[0]
    sg.chain(*steps)

    @dag.task
    def total(parts):
        return sum(part.value for part in parts)

    [each, steps[-1]] >> total
";
    let sensor = "
def arrived(input):
    note('asked')
    return len(open('/tmp/notes').read().split()) > 2 and 100
";
    let folder = folder(&format!("{sensor}{code}"));
    let mut server = Server::start(&folder);
    start(&server, &folder, "etl", "r", &json!(0));
    for crash in 1..=3 {
        until(&server, "r", "InvocationSucceeded", crash * 15);
        server.kill();
        server = Server::start(&folder);
    }
    let run = ended(&server, "r");
    let each: u64 = (1..=40).sum();
    assert_eq!(run["outputs"], json!({"total": each + 120}), "{run}");
    let history = history(&server, "r");
    assert!(ends(&history).values().all(|end| end == "TaskSucceeded"), "{:?}", ends(&history));
    // Every task starts once and ends once, whatever had to be done again.
    let count = |of: &str| history.iter().filter(|line| line["type"] == of).count();
    assert_eq!((count("TaskStarted"), count("TaskSucceeded")), (24, 24));
    server.stop();
}

#[test]
fn a_cancelled_dag_starts_nothing_more() {
    let code = "
with app.dag('etl') as dag:
    @dag.task
    def slow(input):
        time.sleep(30)

    slow >> dag.task(double, name='after')
";
    let folder = folder(code);
    let server = Server::start(&folder);
    start(&server, &folder, "etl", "r", &json!(null));
    until(&server, "r", "TaskStarted", 1);
    server.call(&folder, &["runs", "cancel", "r"]);
    assert_eq!(ended(&server, "r")["status"], "cancelled");
    assert_eq!(ends(&history(&server, "r")), BTreeMap::from([("slow".to_owned(), "TaskStarted".to_owned())]));
    server.stop();
}

#[test]
fn dates_that_have_passed_are_made_up_for_once() {
    let code = "
import datetime

start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)
start = start.replace(hour=0, minute=0, second=0, microsecond=0)

with app.dag('etl', schedule='0 0 * * *', catchup=True, start=start) as dag:
    @dag.task
    def date(input):
        return input.value['logical_date']
";
    let folder = folder(code);
    let mut server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let patience = Instant::now() + Duration::from_secs(60);
    let runs = |server: &Server| {
        let runs = server.ask("GET", "/v1/runs?status=succeeded", b"").json(200)["runs"].clone();
        let mut ids: Vec<String> =
            runs.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    while runs(&server).len() < 4 {
        assert!(Instant::now() < patience, "{:?}", runs(&server));
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = runs(&server);
    let date = ended(&server, &before[0])["outputs"]["date"].as_str().unwrap().replace(':', "-");
    assert_eq!(before[0], format!("flow.etl.{date}"));
    // Whoever has had its run does not get another, whatever the server forgets in a crash.
    server.kill();
    server = Server::start(&folder);
    let body = br#"{"id": "by-hand", "workflow": "etl", "input": {"logical_date": "x"}}"#;
    server.ask("POST", "/v1/apps/flow/runs", body).json(202);
    ended(&server, "by-hand");
    let after: Vec<String> = runs(&server).into_iter().filter(|run| run != "by-hand").collect();
    assert_eq!(after, before);
    server.stop();
}

#[test]
fn a_range_of_dates_is_backfilled_once() {
    let code = "
with app.dag('etl', schedule='0 3 * * *', tz='Europe/Berlin') as dag:
    @dag.task
    def date(input):
        return input.value['logical_date']
";
    let folder = folder(code);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let backfill = |to: &str| {
        server.call(&folder, &["backfill", "app.py", "--from", "2026-03-28", "--to", to]).json()["runs"]
            .clone()
    };
    // The clocks go forward in the night to the 29th.
    let ids = json!(["flow.etl.2026-03-28T02-00-00.000Z", "flow.etl.2026-03-29T01-00-00.000Z"]);
    assert_eq!(backfill("2026-03-30"), ids);
    let run = ended(&server, "flow.etl.2026-03-29T01-00-00.000Z");
    assert_eq!(run["outputs"], json!({"date": "2026-03-29T01:00:00.000Z"}));
    backfill("2026-03-31");
    let runs = server.ask("GET", "/v1/runs", b"").json(200)["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 3, "{runs}");
    for (arguments, words) in [
        (["--from", "soon", "--to", "2026-01-01"], "`soon` is no date"),
        (["--from", "2020-01-01", "--to", "2026-01-01"], "more than 1000 dates"),
    ] {
        let called = server.try_call(&folder, &[&["backfill", "app.py"][..], &arguments].concat());
        assert_eq!(called.exit, 2, "{}", called.stdout);
        assert!(called.stdout.contains(words), "{}", called.stdout);
    }
    server.stop();
}

#[test]
fn an_express_dag_gives_the_same() {
    let code = "
with app.dag('etl') as dag:
    @dag.task
    def numbers(input):
        return list(range(input.value))

    dag.task(double).expand(numbers) >> dag.task(keys)
";
    let head = HEAD.replace("sg.App('flow')", "sg.App('flow', durability='express')");
    let folder = Folder::with(&[("app.py", &format!("{head}{code}"))]);
    let called = folder.call(&["run", "app.py", "--json", "--input", "2"]);
    assert_eq!(called.json()["outputs"], json!({"keys": ["double/0", "double/1"]}), "{}", called.stderr);
}
