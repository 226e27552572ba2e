//! What is no expression, and where it stops being one.

use super::{outcome, table};
use sluice_expression::jsonata::{Dialect, Expression};

#[test]
fn mistakes_have_the_codes_of_the_reference() {
    table(
        "{}",
        &[
            ("", "S0207"),
            ("1 +", "S0207"),
            ("(1", "S0203"),
            ("[1, 2)", "S0202"),
            ("1 2", "S0201"),
            ("a.b;", "S0201"),
            ("1!", "S0204"),
            ("@a", "S0211"),
            ("[1,]", "S0211"),
            ("function(x){1}", "S0208"),
            ("1 := 2", "S0212"),
            ("a.1", "S0213"),
            ("'abc", "S0101"),
            ("1e999", "S0102"),
            (r"'\q'", "S0103"),
            (r"'\u12'", "S0104"),
            ("`abc", "S0105"),
            ("/* abc", "S0106"),
            ("$match('a', //)", "S0301"),
            ("$match('a', /a)", "S0302"),
            ("$match('a', /(/)", "S0302"),
            ("$match('a', /*/)", "S0106"),
            ("$match('a', /+/)", "S0303"),
            ("function($a)<n<n>>{1}", "S0401"),
            ("function($a)<(a<n>)>{1}", "S0402"),
        ],
    );
}

#[test]
fn words_are_read_as_written() {
    table(
        r#"{"and": 1, "or": 2, "in": 3, "a b": 4, "é": 5, "a/b": 6}"#,
        &[
            ("and + or + in", "6"),
            ("and and or", "true"),
            ("`a b`", "4"),
            ("$.'a b'", "4"),
            ("é", "5"),
            ("/* one */ 1 /* two */", "1"),
            (r#""\u00e9\uD83D\uDE00\n\/""#, "\"é😀\\n/\""),
            ("'it' & \"'s\"", r#""it's""#),
            ("$length('\\uD83D')", "1"),
            ("6/2/3", "1"),
            ("0.5e1", "5"),
            ("1.a", "S0213"),
            ("(true;false;null)", "null"),
            ("()", "undefined"),
        ],
    );
}

#[test]
fn errors_say_where_and_what() {
    let error = Expression::parse("1 + (2 * )", Dialect::Reference).unwrap_err();
    assert_eq!((error.code, error.position), ("S0211", 10));
    assert_eq!(error.message, r#"The symbol ")" cannot be used as a unary operator"#);
    let expression = Expression::parse("'ü' & $uppercase(1)", Dialect::Reference).unwrap();
    let error = expression.evaluate(None, &[], &mut super::Still, &Default::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"T0410: Argument 1 of function "uppercase" does not match function signature"#
    );
    assert_eq!((error.position, error.token.as_deref()), (17, Some("uppercase")));
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{'a':", "}"), ("-", ""), ("a[", "]"), ("$f(", ")")] {
        let source = format!("{}1{}", open.repeat(5000), close.repeat(5000));
        assert_eq!(outcome(super::evaluate(&source, None)), "S0900", "{open}");
    }
    for link in [".a", "+1", "[0]", "~>$f", "&'a'", " ? 1 : 1"] {
        let source = format!("1{}", link.repeat(5000));
        assert_eq!(outcome(super::evaluate(&source, None)), "S0900", "{link}");
    }
}

/// Words in any order: whatever they say, it is a value or an error.
#[test]
fn no_text_makes_it_panic() {
    const WORDS: [&str; 60] = [
        "a",
        "b",
        "$",
        "$$",
        "$x",
        "$sum",
        "$map",
        "$string",
        "$sort",
        "$eval",
        "$match",
        "1",
        "0",
        "-1",
        "2.5",
        "'s'",
        "\"\"",
        "true",
        "null",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ";",
        ":",
        "?",
        ":=",
        ".",
        "..",
        "+",
        "-",
        "*",
        "**",
        "/",
        "%",
        "|",
        "=",
        "<",
        ">",
        "!=",
        "<=",
        "^",
        "^(",
        "&",
        "~>",
        "@$v",
        "#$i",
        "and",
        "in",
        "/a+/",
        "function($x){",
        "λ($y)<n:n>{",
        "??",
        "?:",
        "[]",
        " ",
        "é",
    ];
    let data = super::json(r#"{"a": [1, {"b": [2, 3]}], "b": {"a": "s"}}"#);
    let limits = sluice_expression::jsonata::Limits { steps: 20_000, bytes: 1 << 20, depth: 100 };
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut evaluated = 0;
    for _ in 0..30_000 {
        let length = 1 + next(9);
        let source: String = (0..length).map(|_| WORDS[next(WORDS.len())]).collect();
        if let Ok(expression) = Expression::parse(&source, Dialect::Reference) {
            evaluated += 1;
            _ = expression.evaluate(Some(&data), &[], &mut super::Still, &limits);
        }
    }
    assert!(evaluated > 1000, "only {evaluated} texts were expressions");
}
