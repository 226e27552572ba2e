//! Printing for people and for programs.

use crate::exit::{Failure, Outcome};
use serde::Serialize;
use serde_json::value::RawValue;
use sluice_types::Code;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::ops::ControlFlow;

/// Prints to stdout. A reader that went away ends the command quietly, as with other filters.
pub fn text(text: &str) -> Outcome<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&e)),
        _ => Ok(()),
    }
}

/// Prints a line to stdout.
pub fn line(line: &str) -> Outcome<()> {
    text(&format!("{line}\n"))
}

/// Prints raw bytes to stdout.
pub fn bytes(bytes: &[u8]) -> Outcome<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&e)),
        _ => Ok(()),
    }
}

/// Prints one of many answers, at once; breaks when the reader went away.
pub fn streamed(bytes: &[u8]) -> Outcome<ControlFlow<()>> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(e) => Err(unwritten(&e)),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(Code::HOST_LACKS, format!("cannot write to stdout: {error}"), "check where it leads")
}

/// Prints one JSON object on one line.
pub fn json(value: &impl Serialize) -> Outcome<()> {
    let text = serde_json::to_string(value).map_err(|e| {
        Failure::new(Code::INTERNAL, format!("cannot be written as JSON: {e}"), "report this")
    })?;
    line(&text)
}

/// A JSON document, indented. Works on the text, so that numbers of any size survive.
pub fn indented(document: &RawValue) -> String {
    let mut text = String::new();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut characters = document.get().chars().filter(|c| *c != '\r').peekable();
    let newline = |text: &mut String, depth: usize| {
        let _ = write!(text, "\n{:1$}", "", depth * 2);
    };
    while let Some(character) = characters.next() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            text.push(character);
            continue;
        }
        match character {
            ' ' | '\n' | '\t' => continue,
            '{' | '[' => {
                text.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        depth += 1;
                        newline(&mut text, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                newline(&mut text, depth);
            }
            ':' => text.push_str(": "),
            other => {
                in_string = other == '"';
                text.push(other);
            }
        }
    }
    text
}

/// The number of a workflow's command as people count, from 1. JSON has it as the workflow protocol does, from 0.
pub fn ordinal(command: u64) -> u64 {
    command + 1
}

/// A table with aligned columns and a head.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in [&head].into_iter().chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indent(json: &str) -> String {
        indented(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn documents_are_indented_as_they_are() {
        assert_eq!(
            indent(r#"{"b":12345678901234567890123,"a":[1, {"x":"a\"{,:\\"}],"e":{ },"l":[]}"#),
            "{\n  \"b\": 12345678901234567890123,\n  \"a\": [\n    1,\n    {\n      \"x\": \"a\\\"{,:\\\\\"\n    }\n  ],\n  \"e\": {},\n  \"l\": []\n}"
        );
        assert_eq!(indent("7"), "7");
        assert_eq!(indent("\"a b\""), "\"a b\"");
        assert_eq!(indent("{\n \"a\" : 1\n}"), "{\n  \"a\": 1\n}");
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_owned(), "long one".to_owned()], vec!["bbbb".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["ID", "WHAT"], &rows), "ID    WHAT\na     long one\nbbbb  x\n");
    }
}
