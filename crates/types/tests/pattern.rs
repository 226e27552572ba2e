//! Globs and wildcards: examples, and every small pattern against a naive matcher.

use sluice_types::pattern::{Glob, GlobError, glob_matches, wildcard_matches};

#[test]
fn globs_follow_their_description() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("*.txt", &["a.txt", ".txt"], &["d/a.txt", "a.txtx"]),
        ("**.txt", &["a.txt", "d/a.txt"], &["d/a.md"]),
        ("**/a", &["a", "d/a", "d/e/a"], &["ba", "d/ba"]),
        ("d/**/a", &["d/a", "d/e/a", "d/e/f/a"], &["da", "d/ea"]),
        ("d/**", &["d/", "d/a", "d/e/a"], &["d", "e/a"]),
        ("?.a", &["x.a", "ä.a"], &["/.a", "xx.a"]),
        ("[a-c0]", &["b", "0"], &["d", "-"]),
        ("[!a-c]", &["d", "]"], &["a", "/", ""]),
        ("[]x-]", &["]", "x", "-"], &["y"]),
        ("{a,b{c,d}}.{x,}", &["a.x", "bc.", "bd.x"], &["b.x", "a.y"]),
        ("{**/a,b}", &["a", "c/a", "b"], &["c/b"]),
        ("{a/,b/}**/c", &["a/c", "b/d/c"], &["ac"]),
        ("{a,b/}**/c", &["b/d/c", "a/c"], &["ac", "b/c"]),
        ("a,b}", &["a,b}"], &["a", "a,b"]),
        (r"\*\{", &["*{"], &["a{"]),
        ("", &[""], &["a"]),
    ];
    for (pattern, matching, others) in cases {
        for text in *matching {
            assert!(glob_matches(pattern, text), "{pattern:?} matches {text:?}");
        }
        for text in *others {
            assert!(!glob_matches(pattern, text), "{pattern:?} does not match {text:?}");
        }
    }
}

#[test]
fn a_malformed_glob_says_why() {
    assert_eq!(Glob::new("{a,b"), Err(GlobError::OpenAlternatives));
    assert_eq!(Glob::new("[a"), Err(GlobError::OpenClass));
    assert_eq!(Glob::new("[]"), Err(GlobError::OpenClass));
    assert_eq!(Glob::new("[z-a]"), Err(GlobError::EmptyRange('z', 'a')));
    assert_eq!(Glob::new("a\\"), Err(GlobError::DanglingEscape));
    assert_eq!(Glob::new(&"{".repeat(100)), Err(GlobError::TooDeep));
    assert_eq!(Glob::new(&"a".repeat(5_000)), Err(GlobError::TooLong));
}

#[test]
fn a_hostile_glob_costs_no_more_than_its_length_times_the_text() {
    // Backtracking would need about 10^30 steps here.
    let text = "a".repeat(200);
    assert!(!glob_matches(&format!("{}b", "*a".repeat(50)), &text));
    assert!(!wildcard_matches(&format!("{}b", "*a".repeat(50)), &text));
}

/// Every pattern of up to `n` of the tokens.
fn sequences(tokens: &[&str], n: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..n {
        last = last.iter().flat_map(|head| tokens.iter().map(move |t| format!("{head}{t}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// The patterns without alternatives that a pattern stands for.
fn expand(pattern: &str) -> Vec<String> {
    let Some(open) = pattern.find('{') else { return vec![pattern.to_owned()] };
    let close = open + pattern[open..].find('}').expect("alternatives end");
    let (head, tail) = (&pattern[..open], &pattern[close + 1..]);
    pattern[open + 1..close].split(',').flat_map(|a| expand(&format!("{head}{a}{tail}"))).collect()
}

/// Matches by trying everything; `at_start` says whether a path component starts here.
fn naive(pattern: &str, text: &str, at_start: bool) -> bool {
    let any = |rest: &str, slash: bool, dirs: bool| {
        (0..=text.len()).any(|n| {
            (slash || !text[..n].contains('/'))
                && (!dirs || n == 0 || text[..n].ends_with('/'))
                && naive(rest, &text[n..], dirs)
        })
    };
    let one = |rest: &str, accepts: &dyn Fn(char) -> bool| {
        text.chars().next().is_some_and(|c| accepts(c) && naive(rest, &text[1..], c == '/'))
    };
    if let Some(rest) = pattern.strip_prefix("**/").filter(|_| at_start) {
        any(rest, true, true)
    } else if let Some(rest) = pattern.strip_prefix("**") {
        any(rest, true, false)
    } else if let Some(rest) = pattern.strip_prefix('*') {
        any(rest, false, false)
    } else if let Some(rest) = pattern.strip_prefix('?') {
        one(rest, &|c| c != '/')
    } else if let Some(rest) = pattern.strip_prefix("[!a]") {
        one(rest, &|c| c != '/' && c != 'a')
    } else if let Some(literal) = pattern.chars().next() {
        one(&pattern[1..], &|c| c == literal)
    } else {
        text.is_empty()
    }
}

#[test]
fn every_small_glob_agrees_with_a_naive_matcher() {
    let texts = sequences(&["a", "b", "/"], 4);
    // Alternatives are complete components here: `expand` and the compiler then see the same component starts.
    for pattern in sequences(&["a", "/", "*", "?", "[!a]", "{b,?a}"], 4) {
        let glob = Glob::new(&pattern).unwrap();
        let plain = expand(&pattern);
        for text in &texts {
            let expected = plain.iter().any(|p| naive(p, text, true));
            assert_eq!(glob.matches(text), expected, "{pattern:?} on {text:?}");
        }
    }
}

#[test]
fn every_small_wildcard_agrees_with_a_naive_matcher() {
    fn naive(pattern: &str, text: &str) -> bool {
        match pattern.strip_prefix('*') {
            Some(rest) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            None if pattern.is_empty() => text.is_empty(),
            None => text.starts_with(&pattern[..1]) && naive(&pattern[1..], &text[1..]),
        }
    }
    let texts = sequences(&["a", "b"], 6);
    for pattern in sequences(&["a", "b", "*"], 5) {
        for text in &texts {
            assert_eq!(wildcard_matches(&pattern, text), naive(&pattern, text), "{pattern:?} on {text:?}");
        }
    }
}
