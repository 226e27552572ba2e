//! Regular expressions and other matchers.

use super::table;

#[test]
fn functions_of_patterns() {
    table(
        "null",
        &[
            ("$match('ababbc', /a(b+)/).match", r#"["ab","abb"]"#),
            ("$match('ababbc', /a(b+)/, 1)", r#"{"match":"ab","index":0,"groups":["b"]}"#),
            ("$match('😀ab', /b/).index", "3"),
            ("$match('abc', /x/)", "undefined"),
            ("$match('abc', /x*/)", "D1004"),
            ("$match('a', /a/, -1)", "D3040"),
            ("$contains('Hello', /ELL/i)", "true"),
            ("$contains('Hello', 'ell')", "true"),
            ("$split('a, b;c', /[,;]\\s*/)", r#"["a","b","c"]"#),
            ("$split('abc', '')", r#"["a","b","c"]"#),
            ("$split('a-b-c', '-', 2)", r#"["a","b"]"#),
            ("$split('a', '-', -1)", "D3020"),
            ("$replace('aaa', 'a', 'b', 2)", r#""bba""#),
            ("$replace('John Smith', /(\\w+)\\s(\\w+)/, '$2, $1')", r#""Smith, John""#),
            ("$replace('265USD', /([0-9]+)USD/, '$$$1')", r#""$265""#),
            ("$replace('ab', /(a)|(x)/, '[$2$1$0$3]')", r#""[aa]b""#),
            ("$replace('a1b2', /\\d/, function($m) { $string($number($m.match) * 2) })", r#""a2b4""#),
            ("$replace('a', '', 'b')", "D3010"),
            ("$replace('a', 'a', 'b', -1)", "D3011"),
            ("$replace('a', /a/, function() { 1 })", "D3012"),
            ("/b(c)?/('abc')[match='bc'].[start, end, groups]", r#"[1,3,"c"]"#),
            ("/b/('abcb').next().start", "3"),
        ],
    );
}

#[test]
fn patterns_are_javascript() {
    table(
        "null",
        &[
            ("$match('a.b', /a\\.b/).match", r#""a.b""#),
            ("$match('x{y}', /{y}/).match", r#""{y}""#),
            ("$match('aaa', /a{2}/).match", r#""aa""#),
            ("$match('a]b', /[\\]]/).match", r#""]""#),
            ("$match('a[b', /[\\[]/).match", r#""[""#),
            ("$contains('٣', /\\d/)", "false"),
            ("$contains('é', /\\w/)", "false"),
            ("$contains('\\u00a0', /\\s/)", "true"),
            ("$contains('\\r', /./)", "false"),
            ("$contains('a\\nb', /^b$/)", "false"),
            ("$contains('a\\nb', /^b$/m)", "true"),
            ("$match('abab', /(?<x>ab)\\k<x>/).match", r#""abab""#),
            ("$match('abab', /(ab)\\1/).match", r#""abab""#),
            ("$match('price: 10', /(?<=: )\\d+/).match", r#""10""#),
            ("$match('foobar', /foo(?=bar)/).match", r#""foo""#),
            ("$match('A', /\\u0041/).match", r#""A""#),
            ("$match('a/b', /a\\/b/).match", r#""a/b""#),
            ("$match('a/b', /a[/]b/).match", r#""a/b""#),
            ("$match('a<b>', /\\<b\\>/).match", r#""<b>""#),
            ("$contains('', /[^]/)", "false"),
            ("$contains('x', /[]/)", "false"),
        ],
    );
}

#[test]
fn any_function_can_be_a_matcher() {
    let matcher = "$at := function($places) { function($text) {
        $places[0] ? {'match': $substring($text, $places[0], 1), 'start': $places[0], 'end': $places[0] + 1,
                      'groups': [], 'next': function() { $at($places[$ > $places[0]])($text) }} } };";
    table(
        "null",
        &[
            (&format!("({matcher} $match('abcd', $at([1, 3])).match)"), r#"["b","d"]"#),
            (&format!("({matcher} $split('abcd', $at([1, 3])))"), r#"["a","c",""]"#),
            (&format!("({matcher} $replace('abcd', $at([1, 3]), '-'))"), r#""a-c-""#),
            ("$match('a', function($s) { {'match': 'a'} })", "T1010"),
        ],
    );
}

#[test]
fn no_pattern_can_hang() {
    table(
        "null",
        &[
            ("$contains($pad('', 100000, 'a'), /(a+)+$/)", "true"),
            ("$contains($pad('', 5000, 'a') & 'b', /^(a+)+$/)", "false"),
            ("$contains($pad('', 5000, 'a') & 'c', /^(a|aa)+\\1b?c\\1$/)", "D1012"),
            ("$contains('a', /((((a{1,100}){1,100}){1,100}){1,100}){1,100}/)", "S0303"),
        ],
    );
}
