//! Which variables an expression needs.

use sluice_expression::jsonata::{Dialect, Expression};

fn free(source: &str) -> Vec<String> {
    let expression = Expression::parse(source, Dialect::States).expect("it parses");
    let written = |reference: &sluice_expression::jsonata::Reference| {
        let fields: Vec<&str> = reference.fields.iter().map(|field| &**field).collect();
        [&[&*reference.name], &fields[..]].concat().join(".")
    };
    expression.variables().iter().map(written).collect()
}

#[test]
fn names_the_free_ones_with_their_fields() {
    assert_eq!(free("$states.input.a.b + $x"), ["states.input.a.b", "x"]);
    assert_eq!(free("{'k': [$a, $sum($b.c)]}"), ["a", "b.c"]);
    assert_eq!(free("$states.input[$i].a"), ["states.input.a", "i"]);
    assert_eq!(free("$a[0].b"), ["a.b"]);
    assert_eq!(free("$states.(input)"), ["states"]);
    assert_eq!(free("1 + a.b & $ & $$"), Vec::<String>::new());
}

#[test]
fn leaves_out_what_is_bound_inside() {
    assert_eq!(free("($x := $y; $x)"), ["y"]);
    assert_eq!(free("(($x := 1); $x)"), ["x"]);
    assert_eq!(free("function($a){ $a + $b }"), ["b"]);
    assert_eq!(free("($f := function($n){ $f($n - 1) }; $f(1))"), Vec::<String>::new());
    assert_eq!(free("a@$v#$i.($v + $i + $w)"), ["w"]);
    assert_eq!(free("$uppercase($name)"), ["name"]);
    assert_eq!(free("$a ~> |b|{'c': $d}|"), ["a", "d"]);
    assert_eq!(free("$list^($key).x"), ["list", "key"]);
}
