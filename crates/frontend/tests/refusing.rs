//! Definitions that cannot be: what is said about each, and where.

use sluice_frontend::{Definition, Diagnostic, lower};

/// The findings about a manifest, whichever stage has them.
fn findings(yaml: &str) -> Vec<Diagnostic> {
    let lowered = Definition::from_yaml(yaml, "sluice.yaml").and_then(|definition| lower(&definition));
    lowered.expect_err("this manifest is wrong")
}

/// `LINE:COLUMN PATH CODE MESSAGE | FIX` for each finding.
fn summary(yaml: &str) -> Vec<String> {
    let line = |d: &Diagnostic| {
        let at = d.at.map_or("-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        format!("{at} {} {} {} | {}", d.path, d.code, d.message, d.fix)
    };
    findings(yaml).iter().map(line).collect()
}

#[test]
fn all_problems_are_named_at_once_each_with_its_place() {
    let yaml = "
app: 1shop
buckets: [texts, counts, texts, input, a/b]
functions:
  count:
    runtime: python
    handler: app.count
    on: {each: text}
    into: [cuonts, counts, counts, input]
    timeout: 0
    memory: 1KiB
    cpu: 0
    retries: 5000
    env: {'A=B': c}
  total: {runtime: wasm, command: [x], on: {join: texts, of: count}}
  odd: {runtime: exec, command: '', optional: true}
  later: {runtime: container, on: {join: counts, of: cuont}}
  up: {runtime: python, handler: ../app.py:f, rerun_after: 1000d}
triggers:
  - {on: {first: texts, k: 4, of: 3}, invoke: [total, nobody]}
  - {name: count, on: {each: texts}, invoke: total}
  - {on: {set: texts, keys: [a, a, '']}}
  - {on: {set: texts, keys: []}, invoke: total}
  - {on: {batch: texts, n: 0}, invoke: total}
  - {on: {window: texts, seconds: 0, slide: 1}, invoke: total}
  - {on: {window: texts, seconds: 1h, slide: 1ms}, invoke: total}
  - {on: {name: texts, glob: '{a'}, invoke: total}
  - {on: {each: texts, when: 'object.size >'}, invoke: total}
  - {on: {group: counts, of: count, by: thing.key}, invoke: total, scope: app}
  - {on: {cron: '61 * * * *'}, invoke: total}
  - {on: {cron: '* * * * *', tz: Europe/Berln}, invoke: total, scope: run}
  - {on: {any: [{cron: '* * * * *'}, {each: texts}]}, invoke: total}
  - {on: {all: []}, emit: {type: ''}}
";
    insta::assert_snapshot!(summary(yaml).join("\n"));
}

#[test]
fn shapes_that_do_not_fit_are_named_at_once_too() {
    let yaml = "
ap: shop
durability: durabel
network: 3
buckets: {b: {kep: true}, c: 1, d: }
functions:
  f: {runtime: pyton}
  g: {handler: x}
  h: {runtime: exec, command: [x], on: each, timeout: soon, colour: red}
  i: {runtime: exec, command: 'tr \"a', on: {each: b}}
  j: {runtime: exec, command: [x], timeout: soon}
  k: {runtime: exec, command: [x], retries: -1}
  l: {runtime: exec, command: [x], memory: {}}
triggers:
  - {on: {each: b, set: c}}
  - {on: {set: b}}
  - {on: {each: b, glob: x}}
  - {on: {when: x}}
  - {on: {first: b, k: 1, of: f}}
  - {on: {join: b, of: 1}}
  - {invoke: f}
  - {on: {each: b}, emit: {subject: s}}
  - {on: {all: [{each: b}, {batch: b, n: many}]}}
";
    insta::assert_snapshot!(summary(yaml).join("\n"));
}

#[test]
fn joins_that_wait_for_themselves_are_named_with_their_cycle() {
    let yaml = "
app: a
buckets: [p, q]
functions:
  f: {runtime: exec, command: [x], on: [{each: p}, {each: q}], into: p}
  g: {runtime: exec, command: [x], on: {join: p, of: f}, into: q}
";
    insta::assert_snapshot!(summary(yaml).join("\n"));
    let own = yaml.replace("{join: p, of: f}, into: q", "{join: q, of: g}, into: q");
    insta::assert_snapshot!(summary(&own).join("\n"));
}

#[test]
fn a_join_into_the_bucket_it_reads_is_no_cycle_of_joins() {
    let yaml = "
app: a
buckets: [p]
functions:
  f: {runtime: exec, command: [x], on: {each: input}, into: p}
  g: {runtime: exec, command: [x], on: {join: p, of: f}, into: p}
";
    let definition = Definition::from_yaml(yaml, "sluice.yaml").unwrap();
    assert!(lower(&definition).is_ok());
}

#[test]
fn a_finding_is_shown_with_its_line() {
    let yaml = "app: a\nfunctions:\n  f:\n    runtime: exec\n    command: [x]\n    into: [outptu]\n";
    let shown = findings(yaml)[0].render(Some(yaml));
    insta::assert_snapshot!(shown);
    let broken = "app: a\nfunctions: [\n";
    insta::assert_snapshot!(findings(broken)[0].render(Some(broken)));
}

#[test]
fn texts_that_are_no_definition_are_refused() {
    for yaml in ["", "- a", "just text", "app: [", "app: a\n---\napp: b"] {
        assert_eq!(findings(yaml).len(), 1, "{yaml:?}");
    }
    for json in ["", "[]", "{\"app\": 1, \"app\": 2}", "{\"app\": \"a\", \"source\": {\"app\": \"x\"}}"] {
        assert_eq!(Definition::from_json(json).expect_err("no definition").len(), 1, "{json:?}");
    }
    let deep = format!("{{\"app\": {}", "[".repeat(10_000));
    assert!(Definition::from_json(&deep).is_err());
}

#[test]
fn too_many_items_are_refused() {
    let names: Vec<String> = (0..10_001).map(|i| format!("b{i}")).collect();
    let yaml = format!("app: a\nbuckets: [{}]\n", names.join(", "));
    assert_eq!(findings(&yaml)[0].code, sluice_types::Code::LIMIT_EXCEEDED);
}

#[test]
fn gathering_events_is_checked_as_gathering_objects_is() {
    let yaml = "
app: a
functions: {f: {runtime: exec, command: [x]}}
triggers:
  - {on: {batch: {event: {type: t}}, n: 0}, invoke: f}
  - {on: {window: {event: {}}, seconds: 1, by: object.key}, invoke: f}
  - {on: {first: {event: {when: nothing}}, k: 3, of: 2}, invoke: f}
";
    let found = summary(yaml).join("\n");
    for part in ["on.n", "on.by", "on.first.event.when", "on.k"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let stray = summary(
        "app: a\nfunctions: {f: {runtime: exec, command: [x], on: {batch: {event: {}}, n: 2, when: 'true'}}}\n",
    );
    assert!(stray[0].contains("`when` of a `batch` of events belongs to the `event`"), "{stray:?}");
}
