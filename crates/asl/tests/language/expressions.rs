//! What templates, intrinsic functions, conditions and settings give, and how they fail.

use sluice_asl::intrinsic::Intrinsic;
use sluice_asl::machine::{Kind, State};
use sluice_asl::{Fault, Machine, Scope, Variables};
use sluice_expression::{Value, World};

/// A world whose random numbers count.
struct Counting(u64);

impl World for Counting {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0 << 60
    }
}

fn json(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The state of a machine of one state.
fn state(definition: &str) -> State {
    let machine = format!(r#"{{"StartAt": "A", "States": {{"A": {definition}}}}}"#);
    let (machine, _) =
        Machine::parse(&machine).unwrap_or_else(|problems| panic!("{definition}: {problems:#?}"));
    machine.body.states[0].clone()
}

/// Runs `act` in a scope with this input, a context and the variable `v`.
fn within<T>(input: &str, act: impl FnOnce(&mut Scope<'_>) -> T) -> T {
    let mut outer = Variables::default();
    outer.set("v".into(), json(r#"{"w": "variable"}"#));
    let variables = outer.inner();
    let context = json(r#"{"Execution": {"Name": "run"}}"#);
    let input = json(input);
    act(&mut Scope {
        input: &input,
        context: &context,
        variables: &variables,
        result: None,
        error_output: None,
        aws_limits: false,
        world: &mut Counting(0),
    })
}

fn parameters(template: &str, input: &str) -> Result<Value, Fault> {
    let state = state(&format!(r#"{{"Type": "Pass", "End": true, "Parameters": {template}}}"#));
    let template = state.arguments.expect("the state has parameters");
    within(input, |scope| template.evaluate(scope, "Parameters"))
}

fn call(source: &str, input: &str) -> Result<Value, Fault> {
    let intrinsic = Intrinsic::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    within(input, |scope| intrinsic.evaluate(scope))
}

#[test]
fn payload_templates_compute_fields_that_end_in_dollar() {
    let found = parameters(
        r#"{"fixed": "$.a", "a.$": "$.a", "all.$": "$", "deep": [{"b.$": "$.b[*]"}, 1], "name.$": "$$.Execution.Name",
            "w.$": "$v.w", "text.$": "States.Format('{}!', $.a)"}"#,
        r#"{"a": 1, "b": [1, 2]}"#,
    );
    let expected = r#"{"fixed": "$.a", "a": 1, "all": {"a": 1, "b": [1, 2]}, "deep": [{"b": [1, 2]}, 1], "name": "run",
        "w": "variable", "text": "1!"}"#;
    assert_eq!(found, Ok(json(expected)));
}

#[test]
fn a_path_of_a_template_that_finds_nothing_is_named_with_its_field() {
    for (template, cause) in [
        (
            r#"{"x": {"address.$": "$.application.address"}}"#,
            "The JSONPath '$.application.address' specified for the field 'address.$' could not be found in the input \
             '{\"flagged\":false}'",
        ),
        (
            r#"{"x.$": "States.Array($.no)"}"#,
            "The function 'States.Array($.no)' had the following error: The JsonPath argument for the field '$.no' could \
             not be found in the input '{\"flagged\":false}'",
        ),
    ] {
        let fault = parameters(template, r#"{"flagged": false}"#).unwrap_err();
        assert_eq!((&*fault.error, fault.cause.as_str()), ("States.Runtime", cause));
    }
}

#[test]
fn intrinsic_functions_give_what_they_promise() {
    let input = r#"{"a": [1, 2, 3, 3, 4], "o": {"x": 1, "y": {"z": 1}}, "s": "it's"}"#;
    for (source, expected) in [
        ("States.Array()", "[]"),
        (
            "States.Array('a', 1, true, null, $.s, States.Array(-2.5))",
            r#"["a", 1, true, null, "it's", [-2.5]]"#,
        ),
        ("States.ArrayPartition($.a, 2)", "[[1, 2], [3, 3], [4]]"),
        ("States.ArrayContains($.a, 3)", "true"),
        ("States.ArrayRange(1, 9, 2)", "[1, 3, 5, 7, 9]"),
        ("States.ArrayRange(5, 1, -2)", "[5, 3, 1]"),
        ("States.ArrayRange(1, 5, -1)", "[]"),
        ("States.ArrayGetItem($.a, 4)", "4"),
        ("States.ArrayLength($.a)", "5"),
        ("States.ArrayUnique($.a)", "[1, 2, 3, 4]"),
        ("States.Base64Encode('Data to encode')", r#""RGF0YSB0byBlbmNvZGU=""#),
        ("States.Base64Decode('RGVjb2RlZCBkYXRh')", r#""Decoded data""#),
        ("States.Hash('input data', 'SHA-1')", r#""aaff4a450a104cd177d28d18d74485e8cae074b7""#),
        ("States.JsonMerge($.o, States.StringToJson('{\"y\": 2}'), false)", r#"{"x": 1, "y": 2}"#),
        ("States.JsonToString($.o)", r#""{\"x\":1,\"y\":{\"z\":1}}""#),
        ("States.MathAdd(111, -1)", "110"),
        ("States.StringSplit('1,2;3', ',;')", r#"["1", "2", "3"]"#),
        (r"States.Format('\{{}\} \'{}\' \\ {}', 1, $.s, $.o.y)", r#""{1} 'it's' \\ {\"z\":1}""#),
        (r"States.Array('a\{b\'c')", r#"["a{b'c"]"#),
        ("States.UUID()", r#""10000000-0000-4000-a000-000000000000""#),
        ("States.MathRandom(1, 9)", "1"),
    ] {
        assert_eq!(call(source, input), Ok(json(expected)), "{source}");
    }
}

#[test]
fn a_random_number_repeats_with_its_seed_and_stays_in_its_range() {
    for seed in 0..200 {
        let source = format!("States.MathRandom(-3, 4, {seed})");
        let number = call(&source, "{}").unwrap();
        assert_eq!(call(&source, "{}").unwrap(), number);
        assert!((-3..4).contains(&number.as_i64().unwrap()), "{number}");
    }
}

#[test]
fn intrinsic_functions_check_their_arguments() {
    for source in [
        "States.ArrayGetItem(States.Array(1), 1)",
        "States.ArrayGetItem(States.Array(1), -1)",
        "States.ArrayLength('text')",
        "States.ArrayPartition(States.Array(1), 0)",
        "States.ArrayRange(1, 2, 0)",
        "States.ArrayRange(0, 1000000000, 1)",
        "States.Base64Decode('*')",
        "States.Format('{}')",
        "States.Format('x', 1)",
        "States.Format('{x}', 1)",
        "States.Hash('x', 'CRC')",
        "States.JsonMerge(1, 2, false)",
        "States.JsonMerge(States.StringToJson('{}'), States.StringToJson('{}'), true)",
        "States.MathAdd('1', 2)",
        "States.MathAdd(9223372036854775807, 1)",
        "States.MathRandom(2, 2)",
        "States.StringSplit(1, ',')",
        "States.StringToJson('{')",
    ] {
        let fault = call(source, "{}").unwrap_err();
        assert_eq!(&*fault.error, "States.IntrinsicFailure", "{source}");
        let function = source.split('(').next().unwrap();
        let start =
            format!("The function '{source}' had the following error: Invalid arguments in {function}");
        assert!(fault.cause.starts_with(&start), "{}", fault.cause);
    }
    for source in [
        "States.Nope()",
        "States.UUID(1)",
        "States.UUID",
        "States.UUID() x",
        " States.UUID()",
        "States.Array(1 2)",
        "States.Array(1,)",
        "States.Array('a)",
        "States.Array(a)",
        "States.Array($.a b)",
        "States.MathAdd(1)",
        "States.Array({})",
        "uuid()",
    ] {
        assert!(Intrinsic::parse(source).is_err(), "{source}");
    }
    let nested = format!("{}1{}", "States.Array(".repeat(40), ")".repeat(40));
    assert!(Intrinsic::parse(&nested).is_err());
}

#[test]
fn a_choice_of_a_path_that_finds_nothing_fails_unless_it_asks_for_that() {
    let holds = |rule: &str| {
        let definition = format!(
            r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Choice", "Choices": [{{{rule}, "Next": "B"}}]}},
                "B": {{"Type": "Succeed"}}}}}}"#
        );
        let (machine, _) =
            Machine::parse(&definition).unwrap_or_else(|problems| panic!("{rule}: {problems:#?}"));
        let Kind::Choice { rules } = &machine.body.states[0].kind else { panic!() };
        within(r#"{"s": "x", "n": 1, "t": "2020-01-01T00:00:00Z", "z": null}"#, |scope| {
            rules[0].condition.holds(scope)
        })
    };
    for (rule, expected) in [
        (r#""Variable": "$.none", "IsPresent": false"#, true),
        (r#""Variable": "$.z", "IsPresent": true"#, true),
        (r#""Variable": "$.z", "IsNull": true"#, true),
        (r#""Variable": "$.n", "IsNumeric": false"#, false),
        (r#""Variable": "$.t", "IsTimestamp": true"#, true),
        (r#""Variable": "$.s", "StringEquals": "x""#, true),
        (r#""Variable": "$.s", "NumericEquals": 1"#, false),
        (r#""Variable": "$.n", "NumericLessThanEquals": 1.0"#, true),
        (r#""Variable": "$v.w", "StringMatches": "*able""#, true),
        (r#""Variable": "$$.Execution.Name", "StringEqualsPath": "$.s""#, false),
        (r#""Variable": "$.t", "TimestampLessThan": "2020-01-01T00:00:00-01:00""#, true),
        (
            r#""And": [{"Variable": "$.none", "IsPresent": true}, {"Variable": "$.none", "IsNull": true}]"#,
            false,
        ),
        (
            r#""Not": {"Or": [{"Variable": "$.s", "IsNull": true}, {"Variable": "$.n", "IsNull": true}]}"#,
            true,
        ),
    ] {
        assert_eq!(holds(rule), Ok(expected), "{rule}");
    }
    let fault = holds(r#""Variable": "$.none", "IsNull": true"#).unwrap_err();
    let cause = "Invalid path '$.none': The choice state's condition path references an invalid value.";
    assert_eq!((&*fault.error, fault.cause.as_str()), ("States.Runtime", cause));
}

#[test]
fn waits_end_when_they_say() {
    const NOW_MS: u64 = 1_700_000_000_000;
    let until = |fields: &str, input: &str| {
        let state = state(&format!(r#"{{"Type": "Wait", "End": true, {fields}}}"#));
        let Kind::Wait(wait) = state.kind else { panic!() };
        within(input, |scope| wait.until_ms(scope, NOW_MS)).map_err(|fault| fault.cause)
    };
    assert_eq!(until(r#""Seconds": 2"#, "{}"), Ok(NOW_MS + 2000));
    assert_eq!(until(r#""SecondsPath": "$.s""#, r#"{"s": 3}"#), Ok(NOW_MS + 3000));
    assert_eq!(until(r#""Timestamp": "1970-01-01T00:00:01Z""#, "{}"), Ok(1000));
    assert_eq!(until(r#""TimestampPath": "$.t""#, r#"{"t": "1970-01-01T00:00:01Z"}"#), Ok(1000));
    for (fields, input, cause) in [
        (r#""SecondsPath": "$.s""#, "{}", "Invalid path '$.s' : No results for path: $['s']"),
        (
            r#""SecondsPath": "$.s""#,
            r#"{"s": -1}"#,
            "The SecondsPath parameter does not reference an integer value: $.s == -1",
        ),
        (
            r#""TimestampPath": "$.t""#,
            r#"{"t": "noon"}"#,
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: \
             $.t == noon",
        ),
        (
            r#""TimestampPath": "$.t""#,
            r#"{"t": "2094-12-09T20:45:00.000Z"}"#,
            "Wait state delay is too long.",
        ),
    ] {
        assert_eq!(until(fields, input), Err(cause.to_owned()));
    }
}

#[test]
fn variables_of_outer_scopes_are_read_and_not_written() {
    let mut outer = Variables::default();
    assert!(outer.is_empty());
    outer.set("a".into(), Value::Int(1));
    let mut inner = outer.inner();
    inner.set("b".into(), Value::Int(2));
    assert_eq!((inner.get("a"), inner.get("b")), (Some(&Value::Int(1)), Some(&Value::Int(2))));
    assert_eq!((outer.get("b"), inner.own().count()), (None, 1));
    outer.set("a".into(), Value::Int(3));
    assert_eq!(inner.get("a"), Some(&Value::Int(1)));
}

/// The fields of a JSONata state, evaluated with a result and an error output at hand.
fn output(template: &str, input: &str) -> Result<Value, Fault> {
    let state = state(&format!(
        r#"{{"Type": "Task", "QueryLanguage": "JSONata", "Resource": "f", "End": true, "Output": {template}}}"#
    ));
    let template = state.output.expect("the state has an output");
    let result = json(r#"{"r": 7}"#);
    within(input, |scope| {
        let (input, context, variables) = (scope.input, scope.context, scope.variables);
        let world = &mut *scope.world;
        let (result, error_output) = (Some(&result), None);
        let mut scope = Scope { input, context, variables, result, error_output, aws_limits: false, world };
        template.evaluate(&mut scope, "Output")
    })
}

#[test]
fn jsonata_stands_anywhere_in_a_value() {
    let found = output(
        r#"{"fixed": " {% $states.input %} ", "a": "{% $states.input.a + 1 %}", "deep": [{"r": "{%$states.result.r%}"}],
            "run": "{% $states.context.Execution.Name %}", "w": "{% $v.w & '!' %}", "x.$": "$.x",
            "own": "{% ($n := 2; $n * $states.input.a) %}", "all": "{% $states.input %}"}"#,
        r#"{"a": 1}"#,
    );
    let expected = r#"{"fixed": " {% $states.input %} ", "a": 2, "deep": [{"r": 7}], "run": "run", "w": "variable!",
        "x.$": "$.x", "own": 2, "all": {"a": 1}}"#;
    assert_eq!(found, Ok(json(expected)));
    assert_eq!(
        output("\"{% $keys($states) ~> $sort() %}\"", "{}"),
        Ok(json(r#"["context", "input", "result"]"#))
    );
}

#[test]
fn jsonata_that_fails_is_named_with_its_field() {
    for (template, cause) in [
        (
            r#"{"a": {"b": ["{% 1 %}", "{% $none %}"]}}"#,
            "The JSONata expression '$none' specified for the field 'Output/a/b[1]' returned nothing (undefined).",
        ),
        (
            r#""{% $states.input.a + 1 %}""#,
            "The JSONata expression '$states.input.a + 1' specified for the field 'Output' threw an error during \
             evaluation. T2001: The left side of the \"+\" operator must evaluate to a number",
        ),
    ] {
        let fault = output(template, r#"{"a": "x"}"#).unwrap_err();
        assert_eq!((&*fault.error, fault.cause.as_str()), ("States.QueryEvaluationError", cause));
    }
    let endless = output(r#""{% ($f := function($x) { $f($x + 1) }; $f(0)) %}""#, "{}").unwrap_err();
    assert_eq!(&*endless.error, "States.QueryEvaluationError");
}

#[test]
fn settings_in_jsonata_have_types() {
    let definition = |seconds: &str| {
        state(&format!(
            r#"{{"Type": "Wait", "QueryLanguage": "JSONata", "End": true, "Seconds": "{{% {seconds} %}}"}}"#
        ))
    };
    let until = |seconds: &str| {
        let Kind::Wait(wait) = definition(seconds).kind else { panic!() };
        within("{}", |scope| wait.until_ms(scope, 0))
    };
    assert_eq!(until("1 + 1"), Ok(2000));
    let fault = until("'soon'").unwrap_err();
    let cause = "The JSONata expression ''soon'' specified for the field 'Seconds' returned an unexpected result type. \
        Expected 'integer', but was 'string' for value: \"soon\"";
    assert_eq!((&*fault.error, fault.cause.as_str()), ("States.QueryEvaluationError", cause));
}
