//! The functions of the library.

use super::table;

const NONE: &str = "null";

#[test]
fn numbers() {
    table(
        NONE,
        &[
            ("$sum([1, 2, 3])", "6"),
            ("$sum([])", "0"),
            ("$sum(nothing)", "undefined"),
            ("$sum('a')", "T0412"),
            ("$max([3, 1])", "3"),
            ("$min([])", "undefined"),
            ("$average([1, 2])", "1.5"),
            ("$abs(-3)", "3"),
            ("$floor(-1.5)", "-2"),
            ("$ceil(1.2)", "2"),
            (
                "[$round(0.5), $round(1.5), $round(-0.5), $round(123.456, 2), $round(12450, -2)]",
                "[0,2,0,123.46,12400]",
            ),
            ("$sqrt(16)", "4"),
            ("$sqrt(-1)", "D3060"),
            ("$power(2, 10)", "1024"),
            ("$power(10, 400)", "D3061"),
            (
                "[$number('1e3'), $number('0x1F'), $number('0b101'), $number('0o17'), $number(true)]",
                "[1000,31,5,15,1]",
            ),
            ("$number('1a')", "D3030"),
            ("$number('')", "D3030"),
            ("$formatBase(255, 16)", r#""ff""#),
            ("$formatBase(-5, 2)", r#""-101""#),
            ("$formatBase(1, 37)", "D3100"),
            ("$random() < 1", "true"),
        ],
    );
}

#[test]
fn strings() {
    table(
        NONE,
        &[
            (
                "[$string(1), $string(0.1 + 0.2), $string(1e21), $string(1e-7), $string(1e20)]",
                r#"["1","0.3","1e+21","1e-7","100000000000000000000"]"#,
            ),
            ("$string({'a': [1, null, function() { 1 }]})", r#""{\"a\":[1,null,\"\"]}""#),
            ("$string([1, {}], true)", r#""[\n  1,\n  {}\n]""#),
            ("$string(1 / 0)", "D3001"),
            ("$length('a😀')", "2"),
            ("$substring('hello', 1, 3)", r#""ell""#),
            ("$substring('hello', -3, 2)", r#""ll""#),
            ("$substring('hello', -9)", r#""hello""#),
            ("$substring('hello', 2, -1)", r#""""#),
            ("$substringBefore('a=b', '=') & $substringAfter('a=b', '=')", r#""ab""#),
            ("$substringBefore('ab', '=')", r#""ab""#),
            ("$lowercase('ÀB') & $uppercase('àb')", r#""àbÀB""#),
            ("$trim('  a \n b ')", r#""a b""#),
            ("$pad('a', 3) & $pad('a', -3, '#') & $pad('a', 4, '12')", r##""a  ##aa121""##),
            ("$join(['a', 'b'], '-')", r#""a-b""#),
            ("$join([1])", "T0412"),
            ("$base64encode('hello') ~> $base64decode", r#""hello""#),
            ("$base64decode('aGk')", r#""hi""#),
            ("$encodeUrlComponent('a b&ü')", r#""a%20b%26%C3%BC""#),
            ("$encodeUrl('http://x/?a=ü#b')", r#""http://x/?a=%C3%BC#b""#),
            ("$decodeUrl('%26%C3%BC')", r#""%26ü""#),
            ("$decodeUrlComponent('%26%C3%BC')", r#""&ü""#),
            ("$decodeUrlComponent('%C3')", "D3140"),
            ("$encodeUrl('\\uD800')", "D3140"),
            ("$eval('[1, $string(2)]')", r#"[1,"2"]"#),
            ("$eval('a.b', {'a': {'b': 3}})", "3"),
            ("($x := 5; $eval('$x + 1'))", "6"),
            ("$eval('1 +')", "D3120"),
            ("$eval('1 + null')", "D3121"),
        ],
    );
}

#[test]
fn arrays() {
    table(
        NONE,
        &[
            ("[$count([1, 2]), $count(1), $count(nothing)]", "[2,1,0]"),
            ("$append([1], 2)", "[1,2]"),
            ("$reverse([1, 2, 3])", "[3,2,1]"),
            ("$sort([3, 1, 2])", "[1,2,3]"),
            ("$sort(['b', 'a', 'B'])", r#"["B","a","b"]"#),
            ("$sort([1, 'a'])", "D3070"),
            ("$sort([{'a': 2}, {'a': 1}], function($l, $r) { $l.a > $r.a }).a", "[1,2]"),
            ("$sort([1..3], function($l, $r) { true })", "[3,2,1]"),
            ("$distinct([1, 1.0, '1', [1], [1], {'a': 1}, {'a': 1}])", r#"[1,"1",[1],{"a":1}]"#),
            ("$zip([1, 2], ['a', 'b', 'c'])", r#"[[1,"a"],[2,"b"]]"#),
            ("$sort($shuffle([1..20])) = [1..20]", "true"),
            ("$map([1, 2], function($v, $i, $a) { $v * $i + $count($a) })", "[2,4]"),
            ("$map([1], $string)", r#""1""#),
            ("$filter([1..6], function($v) { $v % 2 = 0 })", "[2,4,6]"),
            ("$single([1, 2], function($v) { $v = 2 })", "2"),
            ("$single([1, 2])", "D3138"),
            ("$single([])", "D3139"),
            ("$reduce([1..5], function($a, $v) { $a * $v })", "120"),
            ("$reduce([1, 2], function($a, $v, $i) { $a + $v * $i }, 10)", "12"),
            ("$reduce([1], function($a) { $a })", "D3050"),
        ],
    );
}

#[test]
fn objects_and_types() {
    table(
        NONE,
        &[
            ("$keys([{'a': 1}, {'b': 2, 'a': 3}])", r#"["a","b"]"#),
            ("$lookup([{'a': 1}, {'a': 2}], 'a')", "[1,2]"),
            ("$spread([{'a': 1, 'b': 2}, {'c': 3}])", r#"[{"a":1},{"b":2},{"c":3}]"#),
            ("$merge([{'a': 1}, {'a': 2, 'b': 3}])", r#"{"a":2,"b":3}"#),
            ("$each({'a': 1, 'b': 2}, function($v, $k) { $k & $v })", r#"["a1","b2"]"#),
            ("$sift({'a': 1, 'b': 2}, function($v) { $v > 1 })", r#"{"b":2}"#),
            (
                "[1, 'a', true, null, {}, []].$type($)",
                r#"["number","string","boolean","null","object","array"]"#,
            ),
            ("[$type($sum), $type(nothing)]", r#"["function"]"#),
            (
                "[$boolean('a'), $boolean(''), $boolean([0]), $boolean([0, 1]), $boolean({}), $boolean($sum)]",
                "[true,false,false,true,false,false]",
            ),
            ("$not(1)", "false"),
            ("$exists(nothing)", "false"),
            ("$clone({'a': 1})", r#"{"a":1}"#),
            ("$error('no')", "D3137"),
            ("$assert(false)", "D3141"),
            ("$assert(true)", "undefined"),
        ],
    );
}

#[test]
fn times() {
    table(
        NONE,
        &[
            ("$millis()", "1700000000000"),
            ("$now()", r#""2023-11-14T22:13:20.000Z""#),
            ("$now('[Y]')", r#""2023""#),
            ("$toMillis('2017-11-07T15:07:54.972Z')", "1510067274972"),
            ("$toMillis('2017-11-07T15:07:54+0130')", "1510061874000"),
            ("$toMillis('2017')", "1483228800000"),
            ("$toMillis('1969-12-31')", "-86400000"),
            ("$toMillis('yesterday')", "D3110"),
            ("$fromMillis(-1)", r#""1969-12-31T23:59:59.999Z""#),
            ("$fromMillis(1e17)", "D1001"),
            ("$fromMillis(0, '[H01]:[m01] [z]', '-0530')", r#""18:30 GMT-05:30""#),
        ],
    );
}
