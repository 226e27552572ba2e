//! Programs in words.

use sluice_frontend::{Definition, explain, explain_json, lower};

const SHOP: &str = "
app: shop
durability: express
buckets: {texts: {}, counts: {keep: true}, loop: {}}
functions:
  count: {runtime: python, handler: app.py:count, on: {each: texts, when: object.size > 3}, into: counts, cpu: 0.5}
  total: {runtime: exec, command: [tr, a-z, 'A Z'], on: {join: counts, of: count}, into: output, retries: 0, timeout: 90s}
  retry: {runtime: wasm, module: f.wasm, fresh: true, on: [{each: input}, {each: loop}], into: [loop, output], warm: 2}
  nightly: {runtime: process, command: ./serve, on: {cron: 0 3 * * *}, concurrency: 4, visibility: commit, network: none}
triggers:
  - {on: {set: counts, keys: [a, b, c]}, emit: {type: ready, subject: s}, optional: true}
  - {on: {all: [{event: {type: go.*}}, {first: counts, k: 2, of: 3}]}, invoke: total}
  - {on: {window: texts, seconds: 60, slide: 0.5, by: object.key}, invoke: count, scope: app}
  - {on: {group: counts, of: count, by: object.group}, invoke: nightly}
  - {on: {batch: texts, n: 10, within: 5s}, invoke: [nightly, retry]}
";

#[test]
fn a_program_reads_well() {
    let program = lower(&Definition::from_yaml(SHOP, "sluice.yaml").unwrap()).unwrap();
    insta::assert_snapshot!(explain(&program));
}

#[test]
fn the_json_has_names_instead_of_indices() {
    let program = lower(&Definition::from_yaml(SHOP, "sluice.yaml").unwrap()).unwrap();
    insta::assert_json_snapshot!(explain_json(&program));
}

#[test]
fn the_largest_program_can_be_explained() {
    let functions =
        (0..10_000).map(|i| format!("  f{i}: {{runtime: exec, command: [x], on: {{each: b}}, into: b}}\n"));
    let yaml = format!("app: a\nbuckets: [b]\nfunctions:\n{}", functions.collect::<String>());
    let program = lower(&Definition::from_yaml(&yaml, "sluice.yaml").unwrap()).unwrap();
    let text = explain(&program);
    assert!(text.contains("+ f8 and 9991 more"), "{}", &text[text.len() - 500..]);
}
