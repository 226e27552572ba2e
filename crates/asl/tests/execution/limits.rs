//! Limits, and work in slices.

use crate::stage::{START_MS, Stage, gives, json, settings};
use sluice_asl::Machine;
use sluice_asl::execution::{
    EXPRESS_SECONDS_MAX, Event, HISTORY_EVENTS_MAX, STEPS_PER_SLICE, Settings, Status,
};
use sluice_expression::Value;

const TURNS: &str = r#"{"StartAt":"N","States":{
    "N":{"Type":"Pass","Parameters":{"n.$":"States.MathAdd($.n,-1)"},"Next":"C"},
    "C":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":0,"Next":"N"}],"Default":"D"},
    "D":{"Type":"Succeed"}}}"#;

#[test]
fn a_long_run_is_done_in_slices() {
    let mut stage = Stage::new(TURNS, json(r#"{"n":2000}"#), |_| Vec::new());
    let mut slices = 1;
    while stage.execution.next_deadline() == Some(stage.now_ms) {
        let before = stage.types().len();
        stage.apply(Event::Timer);
        assert!(stage.types().len() - before <= 2 * STEPS_PER_SLICE as usize + 1);
        slices += 1;
    }
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(r#"{"n":0}"#) });
    assert_eq!(slices, 4001_usize.div_ceil(STEPS_PER_SLICE as usize));
}

#[test]
fn a_history_of_aws_has_a_last_event() {
    let mut stage = Stage::new(TURNS, json(r#"{"n":20000}"#), |_| Vec::new());
    stage.run();
    let Status::Failed { error: Some(error), cause: Some(cause) } = stage.execution.status() else {
        panic!()
    };
    assert_eq!(&**error, "States.Runtime");
    assert_eq!(&**cause, "The execution reached the maximum number of history events (25000).");
    let last = stage.history.last().unwrap();
    assert_eq!((last.id, last.kind.name()), (HISTORY_EVENTS_MAX, "ExecutionFailed".to_owned()));
    assert_eq!(stage.history.len() as u64, HISTORY_EVENTS_MAX);
}

#[test]
fn the_history_of_a_child_has_a_last_event() {
    let definition = format!(
        r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","ToleratedFailurePercentage":100,"End":true,"ItemProcessor":
            {{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},{}}}}}}}"#,
        &TURNS[1..]
    );
    let mut stage = Stage::new(&definition, json(r#"[{"n":20000}]"#), |_| Vec::new());
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }), "{:?}", stage.execution.status());
    let child: Vec<_> = stage.history.iter().filter(|event| event.child.is_some()).collect();
    let last = child.last().unwrap();
    assert_eq!((last.id, last.kind.name()), (HISTORY_EVENTS_MAX, "ExecutionFailed".to_owned()));
    assert_eq!(child.len() as u64, HISTORY_EVENTS_MAX);
}

#[test]
fn without_the_limits_of_aws_a_history_goes_on() {
    let settings = Settings { aws_limits: false, ..settings() };
    let mut stage = Stage::with(TURNS, json(r#"{"n":10000}"#), settings, |_| Vec::new());
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }));
    assert!(stage.history.len() as u64 > HISTORY_EVENTS_MAX);
}

#[test]
fn an_express_execution_of_aws_has_five_minutes() {
    const WAIT: &str =
        r#"{"TimeoutSeconds":600,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":400,"End":true}}}"#;
    for aws_limits in [true, false] {
        let settings = Settings { aws_limits, records_history: false, ..settings() };
        let mut stage = Stage::with(WAIT, json("{}"), settings, |_| Vec::new());
        stage.run();
        let timed_out = Status::TimedOut { error: None, cause: None };
        assert_eq!(*stage.execution.status() == timed_out, aws_limits);
        let seconds = if aws_limits { EXPRESS_SECONDS_MAX } else { 400 };
        assert_eq!(stage.now_ms - START_MS, seconds * 1000);
    }
}

#[test]
fn an_output_that_is_too_large_is_caught_by_its_name_only() {
    let run = |names: &str| {
        let definition = format!(
            r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"work","ResultSelector":{{"a.$":"$","b.$":"$"}},
                "Catch":[{{"ErrorEquals":[{names}],"ResultPath":"$","Next":"C"}}],"End":true}},
                "C":{{"Type":"Pass","End":true}}}}}}"#
        );
        let mut stage =
            Stage::new(&definition, json("{}"), |task| gives(task, Value::from("a".repeat(200_000))));
        stage.run();
        stage.execution.status().clone()
    };
    let said = "An error occurred while executing the state 'T' (entered at the event id #2). The state/task 'T' \
                returned a result with a size exceeding the maximum number of bytes service limit.";
    let Status::Succeeded { output } = run(r#""States.DataLimitExceeded""#) else { panic!() };
    assert_eq!(output.get("Cause").and_then(Value::as_str), Some(said));
    assert!(matches!(run(r#""States.ALL""#), Status::Failed { error: Some(error), .. }
        if &*error == "States.DataLimitExceeded"));
}

#[test]
fn many_items_are_done_with_work_that_grows_as_they_do() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Pass","End":true}}}}}}"#;
    let settings = Settings { aws_limits: false, ..settings() };
    let items = Value::array((0..12_000).map(Value::Int).collect());
    let mut stage = Stage::with(definition, items.clone(), settings, |_| Vec::new());
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: items });
    assert_eq!(stage.history.len(), 12_000 * 4 + 6);
}

/// Runs a state again and again until it fails, without AWS's limits; with `rewrites` written and read after every event.
fn grown(state: &str, input: &str, rewrites: bool) -> (String, String) {
    let definition = format!(
        r#"{{"StartAt":"A","States":{{"A":{{{state},"Next":"C"}},"D":{{"Type":"Succeed"}},
            "C":{{"Type":"Choice","Choices":[{{"Variable":"$","IsNull":true,"Next":"D"}}],"Default":"A"}}}}}}"#
    );
    let settings = Settings { aws_limits: false, ..settings() };
    let mut stage = Stage::with(&definition, json(input), settings, |task| gives(task, json(&nested(126))));
    stage.rewrites = rewrites;
    stage.run();
    match stage.execution.status() {
        Status::Failed { error: Some(error), cause: Some(cause) } => (error.to_string(), cause.to_string()),
        status => panic!("{status:?}"),
    }
}

fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[test]
fn no_state_nests_values_deeper_than_they_can_be_read_back() {
    for state in [
        r#""Type":"Pass","Parameters":{"a.$":"$"}"#,
        r#""Type":"Pass","Parameters":{"a.$":"States.Array($)"}"#,
        r#""Type":"Pass","QueryLanguage":"JSONata","Output":"{% [[[$states.input]]] %}""#,
        r#""Type":"Pass","Parameters":{"v.$":"States.Array($.v)"}"#,
        r#""Type":"Parallel","Branches":[{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}]"#,
        r#""Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","Parameters":{"b.$":"$$"},"End":true}}},
            "ItemsPath":"$.v","ItemSelector":{"c.$":"$"},"ResultPath":"$.v""#,
        r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"}"#,
    ] {
        let (error, cause) = grown(state, r#"{"v":[[1]]}"#, true);
        assert_eq!(error, "States.DataLimitExceeded", "{state}: {cause}");
    }
    let (error, cause) = grown(r#""Type":"Pass","Parameters":{"a.$":"$"}"#, "1", true);
    assert_eq!(error, "States.DataLimitExceeded");
    assert!(cause.ends_with("returned a result with more than 120 values within values."), "{cause}");
}

#[test]
fn no_state_makes_values_without_end() {
    for state in [
        r#""Parameters":{"a.$":"$","b.$":"$"}"#,
        r#""Parameters":{"v.$":"States.Array($.v, $.v)"}"#,
        r#""Parameters":{"v.$":"States.Format('{}{}', $.v, $.v)"}"#,
        r#""Parameters":{"v.$":"States.JsonToString($)"}"#,
        r#""Parameters":{"v.$":"$..*"}"#,
        r#""QueryLanguage":"JSONata","Assign":{"w":"{% [$states.input, $states.input] %}"},"Output":"{% [$states.input, $states.input] %}""#,
    ] {
        let (error, cause) = grown(&format!(r#""Type":"Pass",{state}"#), r#"{"v":"aaaaaaaaaaaa"}"#, false);
        assert_eq!(error, "States.DataLimitExceeded", "{state}: {cause}");
    }
}

#[test]
fn variables_have_the_limits_of_aws() {
    let ends = |sizes: &[usize], states: usize| {
        let fill = |(at, bytes): (usize, &usize)| format!(r#""v{at}_N":"{{% $pad('', {bytes}, 'x') %}}""#);
        let assign: Vec<String> = sizes.iter().enumerate().map(fill).collect();
        let chain = (0..states).map(|number| {
            let assign = assign.join(",").replace("_N", &format!("_{number}"));
            format!(r#""S{number}":{{"Type":"Pass","Assign":{{{assign}}},"Next":"S{}"}},"#, number + 1)
        });
        let definition = format!(
            r#"{{"StartAt":"S0","QueryLanguage":"JSONata","States":{{{}"S{states}":{{"Type":"Succeed"}}}}}}"#,
            chain.collect::<String>()
        );
        let mut stage = Stage::new(&definition, json("0"), |_| Vec::new());
        stage.run();
        match stage.execution.status() {
            Status::Failed { error: Some(error), cause: Some(cause) } => format!("{error}: {cause}"),
            status => status.name().to_owned(),
        }
    };
    assert_eq!(ends(&[262_000], 40), "SUCCEEDED");
    for (sizes, states, number, most) in [
        (&[262_144][..], 1, 0, 262_144),
        (&[200_000, 200_000], 1, 0, 262_144),
        (&[262_000], 41, 40, 10_485_760),
    ] {
        let said = ends(sizes, states);
        let expected = format!(
            "The variables that the state 'S{number}' assigns exceed a limit: more than {most} bytes."
        );
        assert!(said.starts_with("States.DataLimitExceeded: ") && said.ends_with(&expected), "{said}");
    }
}

#[test]
fn intrinsic_functions_have_the_limits_of_aws() {
    let nest = |calls: usize| "States.Array(".repeat(calls) + &")".repeat(calls);
    let text = |chars: usize| Value::fields([("t", Value::from("a".repeat(chars)))]);
    for (call, fits, input) in [
        ("States.ArrayRange(1,1000,1)".to_owned(), true, text(0)),
        ("States.ArrayRange(1,1001,1)".into(), false, text(0)),
        ("States.Base64Encode($.t)".into(), true, text(10_000)),
        ("States.Base64Encode($.t)".into(), false, text(10_001)),
        ("States.Hash($.t,'MD5')".into(), false, text(10_001)),
        ("States.MathAdd(2147483647,1)".into(), true, text(0)),
        ("States.MathAdd(2147483648,1)".into(), false, text(0)),
        ("States.MathRandom(-2147483649,1)".into(), false, text(0)),
        (nest(10), true, text(0)),
        (nest(11), false, text(0)),
    ] {
        let definition = format!(
            r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","Parameters":{{"a.$":"{call}"}},"End":true}}}}}}"#
        );
        for aws_limits in [true, false] {
            let settings = Settings { aws_limits, ..settings() };
            let stage = Stage::with(&definition, input.clone(), settings, |_| Vec::new());
            match stage.execution.status() {
                Status::Succeeded { .. } => assert!(fits || !aws_limits, "{call}"),
                Status::Failed { error: Some(error), .. } => {
                    assert_eq!(
                        (&**error, fits, aws_limits),
                        ("States.IntrinsicFailure", false, true),
                        "{call}"
                    );
                }
                status => panic!("{call}: {status:?}"),
            }
        }
    }
}

#[test]
fn retriers_take_the_delays_that_aws_takes() {
    let takes = |delays: &str| {
        Machine::parse(&format!(
            r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"work","End":true,
                "Retry":[{{"ErrorEquals":["States.ALL"],{delays}}}]}}}}}}"#
        ))
        .is_ok()
    };
    assert!(takes(r#""IntervalSeconds":99999999"#) && !takes(r#""IntervalSeconds":100000000"#));
    assert!(takes(r#""MaxDelaySeconds":31622399"#) && !takes(r#""MaxDelaySeconds":31622400"#));
}

#[test]
fn a_field_that_lambda_does_not_have_fails_the_task() {
    let definition = r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
        "Parameters":{"FunctionName":"f","Bogus":1},"End":true}}}"#;
    let mut stage = Stage::new(definition, json("{}"), |task| gives(task, Value::Null));
    stage.run();
    let said = "An error occurred while executing the state 'A' (entered at the event id #2). The Parameters \
                '{\"FunctionName\":\"f\",\"Bogus\":1}' could not be used to start the Task: [The field \"Bogus\" is not \
                supported by Step Functions]";
    let failed = Status::Failed { error: Some("States.Runtime".into()), cause: Some(said.into()) };
    assert_eq!(stage.execution.status(), &failed);
}
