//! The dialect of AWS Step Functions.

use super::{bindings, evaluate, evaluate_in, json, outcome};
use sluice_expression::jsonata::{Dialect, Expression, Limits};

fn states(source: &str) -> String {
    outcome(evaluate_in(Dialect::States, source, None))
}

#[test]
fn has_functions_of_its_own() {
    for (source, wanted) in [
        ("$partition([1, 2, 3, 4, 5], 2)", "[[1,2],[3,4],[5]]"),
        ("$partition([1], 0)", "T0410"),
        ("$range(0, 9, 3)", "[0,3,6,9]"),
        ("$range(0, 10, 3)", "[0,3,6,9]"),
        ("$range(3, 1, -1)", "[3,2,1]"),
        // As AWS answers it: the result is a sequence.
        ("$range(1, 9, 9)", "1"),
        ("$range(1, 2, 0)", "T0410"),
        ("$hash('abc', 'MD5')", r#""900150983cd24fb0d6963f7d28e17f72""#),
        ("$hash('abc', 'SHA-1')", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        ("$substring($hash('abc', 'SHA-256'), 0, 8)", r#""ba7816bf""#),
        ("$length($hash('abc', 'SHA-384')) + $length($hash('abc', 'SHA-512'))", "224"),
        ("$hash('abc', 'CRC')", "T0410"),
        ("$random(7) = $random(7)", "true"),
        ("$random(7) = $random(8)", "false"),
        ("$random() < 1", "true"),
        (
            "$match($uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/).index",
            "0",
        ),
        ("$parse('{\"a\": [1, \"x\"]}')", r#"{"a":[1,"x"]}"#),
        ("$parse('-0')", "0"),
        ("$parse('{')", "D3120"),
        ("$eval('1')", "T1006"),
    ] {
        assert_eq!(states(source), wanted, "{source}");
    }
    for source in ["$partition([1], 1)", "$uuid()", "$parse('1')"] {
        assert_eq!(outcome(evaluate(source, None)), "T1006", "{source} is not of the reference");
    }
}

#[test]
fn variables_are_those_of_the_state() {
    let bound = bindings(&[("states", r#"{"input": {"a": {"b": 1}, "list": [1, 2]}}"#), ("x", "5")]);
    for (source, wanted) in [
        ("$states.input.a.b", "1"),
        ("{'x': $states.input.a.b + $x}", r#"{"x":6}"#),
        ("$sum($states.input.list)", "3"),
        ("($x := 7; $x)", "7"),
        ("states.input", "undefined"),
        ("$states.input.list[1]", "2"),
    ] {
        let expression = Expression::parse(source, Dialect::States).unwrap();
        let result = expression.evaluate(None, &bound, &mut super::Still, &Limits::default());
        assert_eq!(outcome(result), wanted, "{source}");
    }
    assert_eq!(bound[1].1, json("5"), "a variable of the caller stays what it is");
}
