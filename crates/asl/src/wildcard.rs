//! Patterns of `StringMatches`: `*` is any run of characters, `\*` a star, `\\` a backslash.

/// One element of a pattern.
#[derive(Clone, Copy)]
enum Element {
    Any,
    Exactly(char),
}

/// Whether the whole text matches. Time is bounded by the length of the text times that of the pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // After the last `*`: the rest of the pattern, and the text that it has not been tried on.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        match (next(pattern), text.chars().next()) {
            (Some((Element::Any, rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((Element::Exactly(expected), rest)), Some(found)) if expected == found => {
                pattern = rest;
                text = &text[found.len_utf8()..];
            }
            (None, None) => return true,
            _ => {
                let Some((rest, untried)) = retry else { return false };
                let Some(skipped) = untried.chars().next() else { return false };
                let untried = &untried[skipped.len_utf8()..];
                retry = Some((rest, untried));
                (pattern, text) = (rest, untried);
            }
        }
    }
}

/// Whether every backslash of a pattern escapes a star or a backslash.
pub(crate) fn is_valid(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        if c == '\\' && !matches!(characters.next(), Some('*' | '\\')) {
            return false;
        }
    }
    true
}

fn next(pattern: &str) -> Option<(Element, &str)> {
    let mut characters = pattern.chars();
    let element = match characters.next()? {
        '*' => Element::Any,
        '\\' => Element::Exactly(characters.next().unwrap_or('\\')),
        c => Element::Exactly(c),
    };
    Some((element, characters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("log-*.txt", "log-2019.txt", true),
            ("log-*.txt", "log-2019.txt.gz", false),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbxa", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("a**", "a", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*", r"a\anything", true),
            ("ü*", "übung", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn only_stars_and_backslashes_are_escaped() {
        assert!(is_valid(r"a\*\\"));
        assert!(!is_valid(r"a\b"));
        assert!(!is_valid(r"a\"));
    }
}
