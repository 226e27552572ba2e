//! Definitions to programs.

use sluice_frontend::{Definition, Diagnostic, lower, warnings};
use sluice_types::{Action, Condition, FunctionIx, Gathering, Network, Program, Runtime, Scope, Visibility};

fn program(yaml: &str) -> Program {
    let lowered = Definition::from_yaml(yaml, "sluice.yaml").and_then(|definition| lower(&definition));
    lowered.unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// What is said of a definition that can be lowered.
fn doubts(yaml: &str) -> Vec<Diagnostic> {
    let definition = Definition::from_yaml(yaml, "sluice.yaml").expect("this is a definition");
    warnings(&definition, &lower(&definition).expect("the definition lowers"))
}

const WORDCOUNT: &str = "
app: wordcount
buckets: {texts: {}, counts: {keep: true}}
functions:
  count: {runtime: python, handler: app.py:count, on: {each: texts}, into: counts, retries: 3, timeout: 30s}
  total: {runtime: python, handler: app.py:total, on: {join: counts, of: count}, into: output}
";

#[test]
fn names_become_indices_and_defaults_are_filled_in() {
    let program = program(WORDCOUNT);
    let names: Vec<_> = program.buckets.iter().map(|b| (&*b.name, b.keep)).collect();
    assert_eq!(names, [("input", true), ("output", true), ("texts", false), ("counts", true)]);
    let count = &program.functions[0];
    assert_eq!(count.runtime, Runtime::Python { module: "app.py".into(), name: "count".into() });
    assert_eq!((count.timeout_ms, count.retry.attempts), (30_000, 4));
    assert_eq!(program.triggers[1].condition, {
        let from = sluice_types::Source { bucket: program.bucket("counts").unwrap(), when: None };
        Condition::Join { from, of: FunctionIx(0) }
    });
    assert_eq!(program.triggers[1].actions, [Action::Invoke(FunctionIx(1))]);
    assert_eq!(doubts(WORDCOUNT), []);
}

#[test]
fn the_json_form_means_the_same() {
    let json = r#"{"app": "wordcount", "buckets": {"texts": {}, "counts": {"keep": true}}, "functions": {
        "count": {"runtime": "python", "handler": "app.py:count", "on": {"each": "texts"}, "into": ["counts"],
                  "retries": 3, "timeout": 30.0},
        "total": {"runtime": "python", "handler": "app.py:total", "on": {"join": "counts", "of": "count"},
                  "into": ["output"]}}, "triggers": [], "source": {"app": "app.py:3"}}"#;
    assert_eq!(lower(&Definition::from_json(json).unwrap()).unwrap(), program(WORDCOUNT));
}

#[test]
fn every_setting_of_a_function_arrives() {
    let program = program(
        "
app: a
network: none
buckets: [b]
functions:
  f:
    runtime: exec
    command: tr 'a-z x' A-Z
    on: {each: input}
    into: [b, output]
    timeout: 5m
    rerun_after: 500ms
    retries: {max: 1, initial: 1s, backoff: 1.5, max_delay: 1m, jitter: false}
    memory: 256MiB
    cpu: 0.5
    env: {A: b, N: 1, T: true}
    visibility: commit
    concurrency: 4
    warm: 1
  g: {runtime: wasm, module: m/f.wasm, fresh: true, network: host, on: {each: b}}
",
    );
    let [f, g] = &program.functions[..] else { panic!("two functions") };
    assert_eq!(f.runtime, Runtime::Exec { command: vec!["tr".into(), "a-z x".into(), "A-Z".into()] });
    assert_eq!((f.timeout_ms, f.retry.attempts, f.retry.initial_ms, f.retry.max_ms), (500, 2, 1000, 60_000));
    assert_eq!((f.retry.backoff_permille, f.retry.jitter), (1500, false));
    assert_eq!((f.resources.memory_bytes, f.resources.cpu_millis), (256 << 20, 500));
    assert_eq!((f.network, g.network), (Network::None, Network::Host));
    assert_eq!(f.env.values().map(String::as_str).collect::<Vec<_>>(), ["b", "1", "true"]);
    assert_eq!((f.visibility, f.concurrency, f.warm), (Visibility::Commit, 4, 1));
    assert_eq!(f.into.len(), 2);
    assert_eq!(g.runtime, Runtime::Wasm { module: "m/f.wasm".into(), fresh: true });
}

#[test]
fn every_condition_arrives() {
    let program = program(
        "
app: a
buckets: [b]
functions:
  f: {runtime: exec, command: [x], into: b, on: {each: b, when: object.size > 3}}
  g: {runtime: exec, command: [x]}
triggers:
  - {on: {name: b, glob: 'x/*.txt'}, invoke: g}
  - {on: {set: b, keys: [p, q]}, invoke: g, optional: true}
  - {on: {batch: b, n: 10, within: 5s}, invoke: g, scope: app, name: batches}
  - {on: {window: b, seconds: 1, slide: 0.5, by: object.key}, invoke: g}
  - {on: {first: b, k: 2, of: 3}, invoke: [g, f]}
  - {on: {group: b, of: f, by: object.group}, invoke: g}
  - {on: {event: {type: order.*, when: event.data.n > 1}}, emit: {type: seen, subject: s}}
  - {on: {cron: '*/5 * * * *', tz: Europe/Berlin}, invoke: g}
  - {on: {all: [{each: b}, {any: [{each: input}, {each: output}]}]}, invoke: g}
  - {on: [{each: b}, {event: {}}], invoke: g}
",
    );
    let names: Vec<_> = program.triggers.iter().map(|t| &*t.name).collect();
    assert_eq!(names, ["f", "g", "g-2", "batches", "g-3", "g-4", "g-5", "emit", "g-6", "g-7", "g-8"]);
    let scopes: Vec<_> =
        program.triggers.iter().filter(|t| t.scope == Scope::App).map(|t| &*t.name).collect();
    assert_eq!(scopes, ["batches", "g-6"]);
    insta::assert_debug_snapshot!(program.triggers.iter().map(|t| &t.condition).collect::<Vec<_>>());
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let doubts = doubts(
        "
app: a
buckets: [b]
functions:
  idle: {runtime: exec, command: [x], into: b}
  after: {runtime: exec, command: [x], on: {join: b, of: idle}}
",
    );
    let messages: Vec<_> = doubts.into_iter().map(|d| d.message).collect();
    assert_eq!(
        messages,
        [
            "nothing starts `idle`",
            "`after` waits for `idle`, which nothing starts: it will get an empty list"
        ]
    );
}

#[test]
fn batches_windows_and_firsts_gather_events_and_then_belong_to_the_app() {
    let program = program(
        "
app: a
buckets: [b]
functions:
  f: {runtime: exec, command: [x], on: {batch: {event: {type: order.*, when: event.data.n > 1}}, n: 10, within: 5s}}
  g: {runtime: exec, command: [x], on: {window: {event: {type: t}}, seconds: 10, slide: 5, by: event.subject}}
  h: {runtime: exec, command: [x], on: {first: {event: {subject: s}}, k: 2, of: 3}, scope: run}
  i: {runtime: exec, command: [x], on: [{batch: {event: {}}, n: 2}, {each: b}]}
",
    );
    let scopes: Vec<_> = program.triggers.iter().map(|trigger| trigger.scope).collect();
    assert_eq!(scopes, [Scope::App, Scope::App, Scope::Run, Scope::Run]);
    let gathering = |trigger: &sluice_types::Trigger| match &trigger.condition {
        Condition::Events { from, gathering } => (from.clone(), gathering.clone()),
        other => panic!("{other:?}"),
    };
    let gatherings: Vec<_> = program.triggers[..3].iter().map(gathering).collect();
    let (from, batch) = &gatherings[0];
    assert_eq!(from.r#type.as_deref(), Some("order.*"));
    assert!(from.when.is_some());
    assert_eq!(*batch, Gathering::Batch { n: 10, within_ms: Some(5_000) });
    let by = Some(sluice_types::Expr("event.subject".into()));
    assert_eq!(gatherings[1].1, Gathering::Window { size_ms: 10_000, slide_ms: 5_000, by });
    assert_eq!(gatherings[2].1, Gathering::First { k: 2, n: 3 });
    let text = sluice_frontend::explain(&program);
    for words in [
        "every 10 events of type `order.*` where `event.data.n > 1`, or fewer after 5 s",
        "the events of 10 s of type `t` every 5 s, separately by `event.subject`",
        "once 2 of 3 events of subject `s` arrived",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
