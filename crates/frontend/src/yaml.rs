//! YAML 1.2 (core schema) to a [`Node`] tree with positions.

use crate::node::{Entry, Node, Position, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use sluice_types::limits;
use std::collections::BTreeMap;

/// What to do about a text that is not YAML.
pub(crate) const FIX: &str = "mend the line: close brackets and quotes, indent with spaces";

/// Why a text is not the YAML of one document.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub at: Position,
    pub message: String,
}

/// Parses a text that holds one document.
pub(crate) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, depth: 0 };
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            _ if document.is_some() => return Err(fault(&span, "a second document; one file holds one app")),
            event => document = Some(reader.node(event, &span)?),
        }
    }
    Ok(document.unwrap_or(Node { at: None, value: Value::Null }))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.parser
            .next_event()
            .transpose()
            .map_err(|e: ScanError| YamlError { at: position(e.marker()), message: e.info().to_owned() })
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        Ok(self.next()?.expect("a YAML stream ends with an event of its own"))
    }

    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, YamlError> {
        self.nodes += 1;
        self.depth += 1;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|t| t.suffix == "str");
                (if is_text { Value::Text(text.into_owned()) } else { scalar(&text) }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list()?, anchor),
            Event::MappingStart(anchor, _) => (self.map()?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| fault(span, "the alias names no anchor before it"))?;
                self.nodes += node.size();
                (node.value, 0)
            }
            _ => return Err(fault(span, "a value belongs here")),
        };
        if self.nodes > limits::DEFINITION_NODES_MAX || self.depth > limits::DEFINITION_NESTING_MAX {
            return Err(fault(span, "the file has too many values, or nests too deep"));
        }
        self.depth -= 1;
        let node = Node { at: Some(position(&span.start)), value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.expect_next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, &span)?);
        }
    }

    fn map(&mut self) -> Result<Value, YamlError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = BTreeMap::new();
        loop {
            let (event, key_span) = self.expect_next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(fault(&key_span, "a key must be plain text")),
            };
            if let Some(line) = seen.insert(key.clone(), key_span.start.line()) {
                return Err(fault(&key_span, &format!("the key `{key}` occurs twice, first in line {line}")));
            }
            let (event, span) = self.expect_next()?;
            let value = self.node(event, &span)?;
            entries.push(Entry { key, key_at: Some(position(&key_span.start)), value });
        }
    }
}

fn fault(span: &Span, message: &str) -> YamlError {
    YamlError { at: position(&span.start), message: message.to_owned() }
}

/// The scanner counts columns from 0.
fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// A plain scalar by the core schema.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Value::Text(text.to_owned());
    }
    let hex = text.strip_prefix("0x").and_then(|h| i64::from_str_radix(h, 16).ok());
    let octal = text.strip_prefix("0o").and_then(|o| i64::from_str_radix(o, 8).ok());
    let int = hex.or(octal).or_else(|| text.parse().ok()).map(Value::Int);
    int.or_else(|| text.parse().ok().map(Value::Float)).unwrap_or_else(|| Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_text() {
        let values = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("no", Value::Text("no".into())),
            ("12", Value::Int(12)),
            ("-0x1", Value::Text("-0x1".into())),
            ("0x10", Value::Int(16)),
            ("0.5", Value::Float(0.5)),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("30s", Value::Text("30s".into())),
            ("'12'", Value::Text("12".into())),
            ("!!str 12", Value::Text("12".into())),
            ("inf", Value::Text("inf".into())),
        ];
        for (text, expected) in values {
            assert_eq!(parse(text).unwrap().value, expected, "{text}");
        }
    }

    #[test]
    fn faults_have_a_place() {
        let cases = [
            ("a: 1\na: 2", 2, 1),
            ("a: [1,", 2, 1),
            ("a: *b", 1, 4),
            ("a: 1\n---\nb: 2", 3, 1),
            ("? [a]\n: 1", 1, 3),
        ];
        for (text, line, column) in cases {
            assert_eq!(parse(text).unwrap_err().at, Position { line, column }, "{text}");
        }
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..9 {
            let alias = format!("*l{}", i - 1);
            text += &format!("l{i}: &l{i} [{}]\n", [alias.as_str(); 10].join(", "));
        }
        assert!(parse(&text).unwrap_err().message.contains("too many"));
        assert!(parse(&"[".repeat(200)).is_err());
    }
}
