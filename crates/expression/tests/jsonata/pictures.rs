//! Numbers, integers, dates and times by picture.

use super::{evaluate, outcome, table};

#[test]
fn numbers() {
    table(
        "null",
        &[
            ("$formatNumber(12345.6, '#,###.00')", r#""12,345.60""#),
            ("$formatNumber(1234.5678, '00.000e0')", r#""12.346e2""#),
            ("$formatNumber(0.00012, '0.0##e00')", r#""1.2e-04""#),
            ("$formatNumber(0, '0.0e0')", r#""0.0e0""#),
            ("$formatNumber(-34.555, '#0.00;(#0.00)')", r#""(34.56)""#),
            ("$formatNumber(-6, '000')", r#""-006""#),
            ("$formatNumber(0.14, '01%')", r#""14%""#),
            ("$formatNumber(0.14, '###pm', {'per-mille': 'pm'})", r#""140pm""#),
            (
                "$formatNumber(1234.5, '#.##0,00', {'decimal-separator': ',', 'grouping-separator': '.'})",
                r#""1.234,50""#,
            ),
            ("$formatNumber(0.12345678, '0.00,00,00')", r#""0.12,34,57""#),
            ("$formatNumber(12345678, '##,####,##,0')", r#""1,2345,67,8""#),
            ("$formatNumber(0.5, '#.#')", r#"".5""#),
            ("$formatNumber(0, '#')", r#""0""#),
            ("$formatNumber(1, 'a;b;c')", "D3080"),
            ("$formatNumber(1, '0.0.0')", "D3081"),
            ("$formatNumber(1, '0%%')", "D3082"),
            ("$formatNumber(1, '0‰‰')", "D3083"),
            ("$formatNumber(1, '0%‰')", "D3084"),
            ("$formatNumber(1, '.')", "D3085"),
            ("$formatNumber(1, '0a0')", "D3086"),
            ("$formatNumber(1, '0,.0')", "D3087"),
            ("$formatNumber(1, '0,')", "D3088"),
            ("$formatNumber(1, '0,,0')", "D3089"),
            ("$formatNumber(1, '0#')", "D3090"),
            ("$formatNumber(1, '0.#0')", "D3091"),
            ("$formatNumber(1, '0e0%')", "D3092"),
            ("$formatNumber(1, '0e#')", "D3093"),
        ],
    );
}

#[test]
fn integers() {
    table(
        "null",
        &[
            ("$formatInteger(2789, 'w')", r#""two thousand, seven hundred and eighty-nine""#),
            ("$formatInteger(120, 'Ww;o')", r#""One Hundred and Twentieth""#),
            ("$formatInteger(1e15, 'W')", r#""ONE THOUSAND TRILLION""#),
            ("$formatInteger(1999, 'I')", r#""MCMXCIX""#),
            ("$formatInteger(28, 'a')", r#""ab""#),
            (
                "[$formatInteger(1, '0;o'), $formatInteger(12, '0;o'), $formatInteger(22, '0;o')]",
                r#"["1st","12th","22nd"]"#,
            ),
            ("$formatInteger(1234567, '#,##0')", r#""1,234,567""#),
            ("$formatInteger(-7, '000')", r#""-007""#),
            ("$formatInteger(42, '٠')", "\"٤٢\""),
            ("$formatInteger(1, '0٠')", "D3131"),
            ("$formatInteger(1, '*')", "D3130"),
            ("$parseInteger('twelve thousand, four hundred and seventy-six', 'w')", "12476"),
            ("$parseInteger('one million and twenty-first', 'w;o')", "1000021"),
            ("$parseInteger('MCMXCIX', 'I')", "1999"),
            ("$parseInteger('ab', 'a')", "28"),
            ("$parseInteger('1,234,567', '#,##0')", "1234567"),
            ("$parseInteger('22nd', '0;o')", "22"),
        ],
    );
}

#[test]
fn times() {
    table(
        "null",
        &[
            (
                "$fromMillis(1510067557121, '[M01]/[D#1]/[Y0001] [h#1]:[m01][P]', '-0500')",
                r#""11/7/2017 10:12am""#,
            ),
            ("$fromMillis(1521801216617, '[FNn], [D1o] [MNn] [Y]')", r#""Friday, 23rd March 2018""#),
            (
                "$fromMillis(1521801216617, '[FNn,3-3] [MN,3-3] [Y,2] [[[X]-W[W01]-[F]]]')",
                r#""Fri MAR 18 [2018-W12-friday]""#,
            ),
            (
                "$fromMillis(1521801216617, '[d] [Dwo] [YI] [H]:[m]:[s].[f001] [PN]')",
                r#""82 twenty-third MMXVIII 10:33:36.617 AM""#,
            ),
            ("$fromMillis(0, '[YN]')", "D3133"),
            ("$fromMillis(0, '[Y')", "D3135"),
            ("$fromMillis(0, '[q]')", "D3132"),
            ("$fromMillis(0, '[Z000000]')", "D3134"),
            ("$toMillis('10/12/2018 11:08 PM', '[M#1]/[D#1]/[Y0001] [h#1]:[m01] [P]')", "1539385680000"),
            ("$toMillis('Wednesday, 14th November 2018', '[FNn], [D1o] [MNn] [Y]')", "1542153600000"),
            ("$toMillis('20180327', '[Y0001][M01][D01]')", "1522108800000"),
            ("$toMillis('2018-084', '[Y]-[d]')", "1521936000000"),
            ("$toMillis('2020-09-09 08:00:00 -05:30', '[Y]-[M]-[D] [H]:[m]:[s] [Z]')", "1599658200000"),
            ("$toMillis('12 am', '[h] [P]') % 86400000", "0"),
            ("$toMillis('two thousand and eighteen', '[Yw]')", "1514764800000"),
            ("$toMillis('nonsense', '[Y]')", "undefined"),
            ("$toMillis('2018-W12', '[X]-W[W]')", "D3136"),
            ("$toMillis('2018 10', '[Y] [m]')", "D3136"),
        ],
    );
}

/// Days all over four centuries, and before 1970, are written and read as themselves.
#[test]
fn the_calendar_has_no_gap() {
    let source =
        "$map([-500..1506], function($d) { ($ms := $d * 97 * 86400000; $t := $fromMillis($ms, '[Y]-[M]-[D]');
                   $toMillis($t, '[Y]-[M]-[D]') = $ms and $toMillis($fromMillis($ms)) = $ms ? () : $t) })";
    assert_eq!(outcome(evaluate(source, None)), "undefined");
}
