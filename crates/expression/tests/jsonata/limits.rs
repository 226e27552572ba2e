//! What no expression can do.

use super::{Still, outcome};
use sluice_expression::jsonata::{Dialect, Expression, Limits};

/// The stack of a thread of the engine.
const STACK_BYTES: usize = 2 << 20;

fn within(limits: Limits, source: &str) -> String {
    let source = source.to_owned();
    let evaluate = move || {
        let expression = Expression::parse(&source, Dialect::Reference)?;
        expression.evaluate(None, &[], &mut Still, &limits)
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(evaluate);
    outcome(thread.expect("a thread starts").join().expect("it neither panics nor overflows the stack"))
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    for body in [
        "1 + $f($n)",
        "$map([1], function($x) { [$f($n)] })",
        "{'a': [2, 3].{'b': $f($n)}}",
        "[1, 2]#$i[$f($i)]",
        "[2, 1]^($f($n))",
        "$replace('a', /a/, function($m) { $f($n) & '' })",
        "$sort([1, 2], function($a, $b) { $f($n) > 1 })",
        "{'a': 1} ~> |$|{'a': $f($n)}|",
        "($f($n); 1)",
        "[1, 2]{'a': $f($n)}",
        "$eval('1 + $f($n)')",
        "$n ~> $f() ~> $string",
        "$f(?)($n) + 1",
        "[$f($n)..2]",
        "$f($n) ?? 1",
    ] {
        let source = format!("($f := function($n) {{ {body} }}; $f(1))");
        assert_eq!(within(Limits::default(), &source), "U1001", "{body}");
    }
}

#[test]
fn values_are_not_nested_without_end() {
    for source in [
        "$reduce([1..100000], function($a, $x) { [[$a]] }, 1)",
        "$reduce([1..100000], function($a, $x) { {'a': $a} }, 1)",
        "$reduce([1..100000], function($a, $x) { {'a': [1, {'b': $a}]} }, 1)",
        "($f := function($n, $g) { $n = 0 ? 1 : $f($n - 1, $g ~> $string) }; $f(50000, $string))",
        "($f := function($n, $g) { $n = 0 ? 1 : $f($n - 1, $append($g, ?)) }; $f(50000, $string))",
    ] {
        assert_eq!(within(Limits::default(), source), "D1014", "{source}");
    }
    // Each function holds the one before, and what holds them is dropped at the end.
    let chain = "($f := function($n, $g) { $n = 0 ? 1 : $f($n - 1, function() { $g }) }; $f(50000, 1))";
    assert_eq!(within(Limits::default(), chain), "1");
}

#[test]
fn steps_are_bounded() {
    let limits = Limits { steps: 10_000, ..Limits::default() };
    for source in [
        "($f := function() { $f() }; $f())",
        "($f := function($x) { $f($x + 1) }; $f(1))",
        "$map([1..9000], function($x) { $x * 2 })",
        "$toMillis($pad('', 3000, '1'), '[Y][MNn][D]')",
        "$contains($pad('', 1000000, 'a'), /b/)",
        "($items := [1..2000]; $map([1..200], function() { $sum($items) }))",
        "($items := [1..2000]; $map([1..200], function() { $max($items) }))",
        "($text := $pad('', 30000); $map([1..200], function() { $length($text) }))",
        "($text := $pad('', 30000); $map([1..200], function() { $substringBefore($text, 'b') }))",
        "($text := $pad('', 30000); $map([1..200], function() { $contains($text, 'b') }))",
        "($text := $pad('', 30000); $map([1..200], function() { $replace($text, 'b', 'c') }))",
        "($a := $pad('', 30000); $b := $pad('', 30000); $map([1..200], function() { $a = $b }))",
    ] {
        assert_eq!(within(limits, source), "D1012", "{source}");
    }
}

#[test]
fn memory_is_bounded() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    for source in [
        "[1..1000000]",
        "$pad('', 1e9)",
        "$pad('', -1e300)",
        "$reduce([1..60], function($a, $x) { $a & $a }, 'a')",
        "$reduce([1..60], function($a, $x) { [$a, $a] }, [1, 2])",
        "$reduce([1..60], function($a, $x) { {'a': $a, 'b': $a} }, {}) ~> $string",
        "$replace($pad('', 1000, 'a'), 'a', $pad('', 10000, 'b'))",
        "$replace($pad('', 1000, 'a'), /a/, $pad('', 10000, '$0'))",
        "$join($map([1..1000], function() { '' }), $pad('', 10000))",
        "[1..9000].([1..100])",
        "$split($pad('', 40000, 'a'), '')",
        "$split($pad('', 40000, ',a'), ',')",
        "$split($pad('', 40000, ',a'), /,/)",
        "$match($pad('', 9000, 'a'), /a/)",
        "($text := $pad('', 10000); $map([1..200], function() { $substring($text, 1) }))",
        "($text := $pad('', 10000, 'a'); $map([1..200], function() { $uppercase($text) }))",
        "($text := $pad('', 10000); $map([1..200], function() { $encodeUrl($text) }))",
        "($text := $pad('', 10000, ','); $map([1..200], function() { $substringAfter($text, ',') }))",
        "($all := $merge([1..1000].{$string($): $}); $map([1..1000], function() { $spread($all) }))",
        "($all := $merge([1..1000].{$string($): $}); $map([1..1000], function() { $merge([$all]) }))",
    ] {
        assert_eq!(within(limits, source), "D1013", "{source}");
    }
}

#[test]
fn a_call_that_holds_nothing_costs_no_memory() {
    let limits = Limits { steps: 100_000_000, bytes: 64 << 20, ..Limits::default() };
    assert_eq!(
        within(limits, "($f := function($n) { $n = 0 ? 'done' : $f($n - 1) }; $f(100000))"),
        r#""done""#
    );
}
