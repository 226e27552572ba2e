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

const ORDERS: &str = r#"
app: orders
functions:
  check: {runtime: exec, command: [check]}
  pack: {runtime: exec, command: [pack], into: output, on: {event: {type: pack}}}
workflows:
  order:
    asl:
      StartAt: Check
      TimeoutSeconds: 3600
      States:
        Check:
          Type: Task
          Resource: check
          TimeoutSeconds: 30
          Retry:
            - {ErrorEquals: [Busy, States.Timeout], IntervalSeconds: 2, MaxAttempts: 5, BackoffRate: 1.5, MaxDelaySeconds: 60, JitterStrategy: FULL}
            - {ErrorEquals: [Never], MaxAttempts: 0}
          Catch: [{ErrorEquals: [States.ALL], Next: Refuse}]
          Next: Decide
        Decide:
          Type: Choice
          Choices:
            - {And: [{Variable: $.total, NumericGreaterThan: 100}, {Not: {Variable: $.vip, IsPresent: false}}], Next: Pause}
            - {Or: [{Variable: $.to, StringMatches: "D*"}, {Variable: $.to, StringEqualsPath: $.from}], Next: Both}
          Default: Refuse
        Pause: {Type: Wait, SecondsPath: $.pause, Next: Both}
        Both:
          Type: Parallel
          Next: All
          Branches:
            - StartAt: Ship
              States:
                Ship: {Type: Task, Resource: "arn:aws:states:::sluice:invoke", Parameters: {FunctionName: pack}, Next: Told}
                Told: {Type: Pass, Parameters: {a: 1}, End: true}
            - StartAt: Bill
              States:
                Bill: {Type: Task, Resource: "arn:aws:states:::lambda:invoke.waitForTaskToken", Parameters: {FunctionName: bill, Payload: {token.$: $$.Task.Token}}, HeartbeatSeconds: 60, End: true}
        All:
          Type: Map
          ItemsPath: $.items
          MaxConcurrency: 5
          ItemProcessor: {StartAt: One, States: {One: {Type: Task, Resource: "arn:aws:states:us-east-1:123456789012:activity:look", End: true}}}
          Next: Later
        Later: {Type: Task, Resource: "arn:aws:states:::states:startExecution.sync:2", Parameters: {StateMachineArn: x}, Next: Done}
        Done: {Type: Succeed}
        Refuse: {Type: Fail, Error: Refused, CausePath: $.why}
  fast:
    asl:
      QueryLanguage: JSONata
      StartAt: Each
      States:
        Each:
          Type: Map
          Items: "{% $states.input.list %}"
          ItemProcessor:
            ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: EXPRESS}
            StartAt: Look
            States: {Look: {Type: Task, Resource: "arn:aws:states:::aws-sdk:s3:headObject", Arguments: {Key: "{% $states.input %}"}, End: true}}
          ItemBatcher: {MaxItemsPerBatch: 10}
          ToleratedFailurePercentage: 5
          Next: Enough
        Enough: {Type: Choice, Choices: [{Condition: "{% $count($states.input) > 3 %}", Next: Until}]}
        Until: {Type: Wait, Timestamp: "2030-01-01T00:00:00Z", Next: Out}
        Out: {Type: Pass, Output: "{% 1 %}", End: true}
"#;

#[test]
fn the_states_of_a_workflow_are_triggers() {
    let program = lower(&Definition::from_yaml(ORDERS, "sluice.yaml").unwrap()).unwrap();
    insta::assert_snapshot!(explain(&program));
    let json = explain_json(&program);
    insta::assert_json_snapshot!(json["workflows"][0]["triggers"][3]);
    let names = |key: &str| {
        let triggers = json["workflows"][0]["triggers"].as_array().unwrap().iter();
        triggers.map(|trigger| trigger[key].to_string()).collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(format!("{}\n{}\n{}", names("name"), names("inside"), names("next")));
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
