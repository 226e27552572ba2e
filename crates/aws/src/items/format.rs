//! What files hold as items: JSON, JSON lines, CSV; and results as files.

use super::Error;
use super::gathering::Gathering;
use sluice_expression::{Map, Value};
use std::collections::BTreeSet;

/// Longest header of a CSV file, in bytes of its names: AWS's limit.
pub const CSV_HEADER_BYTES_MAX: usize = 10 * 1024;

/// How the bytes of a file are items; fields of `ReaderConfig`.
#[derive(Clone, Copy, Debug)]
pub struct Format<'a>(pub &'a Value);

impl Format<'_> {
    /// A field that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Most items that are wanted.
    pub fn most(&self) -> usize {
        match self.0.get("MaxItems") {
            Some(Value::Int(most)) => usize::try_from(*most).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// Adds the items in the bytes of a file, as its `InputType` says or else its name.
    pub fn read(&self, name: &str, bytes: &[u8], items: &mut Gathering) -> Result<(), Error> {
        let by_name = match name.trim_end_matches(".gz").rsplit('.').next() {
            Some("csv") => "CSV",
            Some("jsonl" | "ndjson") => "JSONL",
            _ => "JSON",
        };
        match self.text("InputType").unwrap_or(by_name) {
            "JSON" => self.json(bytes, items),
            "JSONL" => lines(bytes, items),
            "CSV" => self.rows(bytes, items),
            other => Err(no_items(format!("Items of the type {other} cannot be read by this server"))),
        }
    }

    fn json(&self, bytes: &[u8], items: &mut Gathering) -> Result<(), Error> {
        let value =
            Value::parse(bytes).map_err(|error| no_items(format!("The file is not JSON: {error}")))?;
        let pointer = self.text("ItemsPointer").unwrap_or_default();
        match pointed(&value, pointer) {
            Some(Value::Array(found)) => items.extend(found.iter().cloned()),
            Some(Value::Object(fields)) => items.object(fields),
            Some(_) => Err(no_items("Attempting to map over non-iterable node.".into())),
            None => Err(no_items(format!("The ItemsPointer \"{pointer}\" points to nothing in the file."))),
        }
    }

    /// Rows as objects: values that a row lacks are empty, values that no column has are left out.
    fn rows(&self, bytes: &[u8], items: &mut Gathering) -> Result<(), Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(self.delimiter())
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes)
            .into_records()
            .map(|row| row.map_err(|error| no_items(format!("The file is not CSV: {error}"))))
            .peekable();
        let header = match self.given_header()? {
            Some(given) => given,
            None => match rows.next().transpose()? {
                Some(first) => first.iter().map(str::to_owned).collect(),
                None => return Err(no_items("The CSV file is empty.".into())),
            },
        };
        check_header(&header)?;
        if rows.peek().is_none() {
            return Err(no_items("The CSV file contains only CSV headers.".into()));
        }
        while !items.is_full()
            && let Some(row) = rows.next().transpose()?
        {
            let cells = header.iter().enumerate().map(|(column, name)| {
                (name.as_str().into(), Value::string(row.get(column).unwrap_or_default()))
            });
            items.push(Value::object(cells.collect::<Map>()))?;
        }
        Ok(())
    }

    /// The names of the columns that do not stand in the file.
    fn given_header(&self) -> Result<Option<Vec<String>>, Error> {
        if self.text("CSVHeaderLocation") != Some("GIVEN") {
            return Ok(None);
        }
        let given = self.0.get("CSVHeaders").and_then(Value::as_array);
        let names = given.map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        let missing =
            || no_items("CSVHeaders must name the columns if the CSVHeaderLocation is GIVEN".into());
        names.flatten().map(Some).ok_or_else(missing)
    }

    fn delimiter(&self) -> u8 {
        match self.text("CSVDelimiter") {
            Some("PIPE") => b'|',
            Some("SEMICOLON") => b';',
            Some("SPACE") => b' ',
            Some("TAB") => b'\t',
            _ => b',',
        }
    }
}

fn check_header(names: &[String]) -> Result<(), Error> {
    if names.iter().map(String::len).sum::<usize>() > CSV_HEADER_BYTES_MAX {
        return Err(no_items(format!("CSV headers cannot be longer than {CSV_HEADER_BYTES_MAX} bytes.")));
    }
    match names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        true => Err(no_items("CSV headers cannot contain duplicates.".into())),
        false => Ok(()),
    }
}

fn lines(bytes: &[u8], items: &mut Gathering) -> Result<(), Error> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.trim_ascii().is_empty()) {
        if items.is_full() {
            break;
        }
        let item = Value::parse(line);
        let item = item
            .map_err(|error| no_items(format!("Line {number} of the file is not JSON: {}", error.message)));
        items.push(item?)?;
    }
    Ok(())
}

fn no_items(why: String) -> Error {
    Error::NoItems(why)
}

/// What an RFC 6901 pointer points to.
fn pointed<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return Some(value);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(value, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(&step),
        }
    })
}

/// Results as the bytes of a file, by `OutputType` of a `WriterConfig`.
pub fn results(config: &Value, results: &Value) -> Vec<u8> {
    let as_lines = config.get("OutputType").and_then(Value::as_str) == Some("JSONL");
    match results.as_array() {
        Some(results) if as_lines => {
            results.iter().map(|result| result.to_json() + "\n").collect::<String>().into_bytes()
        }
        _ => results.to_json().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(config: &str, name: &str, bytes: &str) -> Result<String, String> {
        let config = Value::parse(config.as_bytes()).expect("a configuration");
        let format = Format(&config);
        let mut items = Gathering::of(format.most());
        let read = format.read(name, bytes.as_bytes(), &mut items);
        read.map(|()| items.into_value().to_json()).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_become_objects() {
        let file = "id,name\n1,\"a, b\"\n2\n3,c,extra\n";
        let all = r#"[{"id":"1","name":"a, b"},{"id":"2","name":""},{"id":"3","name":"c"}]"#;
        assert_eq!(read(r#"{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}"#, "x", file), Ok(all.into()));
        assert_eq!(read(r#"{"MaxItems":1}"#, "x.csv", file), Ok(r#"[{"id":"1","name":"a, b"}]"#.into()));
        assert_eq!(read("{}", "x.csv", "\u{feff}a\r\n1\r\n"), Ok(r#"[{"a":"1"}]"#.into()));
        let delimiters = [("PIPE", "|"), ("SEMICOLON", ";"), ("SPACE", " "), ("TAB", "\t"), ("COMMA", ",")];
        for (name, delimiter) in delimiters {
            let given = format!(
                r#"{{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["a","b"],"CSVDelimiter":"{name}"}}"#
            );
            let row = format!("1{delimiter}2\n");
            assert_eq!(read(&given, "x", &row), Ok(r#"[{"a":"1","b":"2"}]"#.into()), "{name}");
        }
    }

    #[test]
    fn what_is_no_csv_says_why() {
        let why = |config: &str, file: &str| read(config, "x.csv", file).expect_err("it is refused");
        assert_eq!(why("{}", "a,b,a\n1,2,3\n"), "CSV headers cannot contain duplicates.");
        assert_eq!(why("{}", "a,b\n"), "The CSV file contains only CSV headers.");
        assert_eq!(why("{}", ""), "The CSV file is empty.");
        assert!(why("{}", &format!("{}\n1\n", "h".repeat(CSV_HEADER_BYTES_MAX + 1))).contains("10240 bytes"));
        assert!(why(r#"{"CSVHeaderLocation":"GIVEN"}"#, "1\n").starts_with("CSVHeaders must"));
        let mut items = Gathering::of(9);
        let error = Format(&Value::Null).read("x.csv", b"a\n\xff\xfe\n", &mut items).expect_err("not UTF-8");
        assert!(error.to_string().starts_with("The file is not CSV: "), "{error}");
    }

    #[test]
    fn json_is_an_array_an_object_or_lines() {
        assert_eq!(read(r#"{"MaxItems":2}"#, "x", "[1,2,3]"), Ok("[1,2]".into()));
        assert_eq!(read("{}", "x", r#"{"b":1,"a":2}"#), Ok(r#"{"b":1,"a":2}"#.into()));
        assert_eq!(read(r#"{"MaxItems":1}"#, "x", r#"{"b":1,"a":2}"#), Ok(r#"{"b":1}"#.into()));
        assert_eq!(read(r#"{"ItemsPointer":"/a/0"}"#, "x", r#"{"a":[[7]]}"#), Ok("[7]".into()));
        assert_eq!(read(r#"{"ItemsPointer":"/a~1b/~0"}"#, "x", r#"{"a/b":{"~":[8]}}"#), Ok("[8]".into()));
        assert!(read(r#"{"ItemsPointer":"/b"}"#, "x", r#"{"a":[]}"#).is_err_and(|why| why.contains("/b")));
        assert_eq!(read("{}", "x", "7"), Err("Attempting to map over non-iterable node.".into()));
        assert_eq!(read("{}", "x", "[]"), Ok("[]".into()));
        assert_eq!(read("{}", "x.jsonl", "1\n\n{\"a\":2}\n"), Ok(r#"[1,{"a":2}]"#.into()));
        assert_eq!(read(r#"{"MaxItems":1}"#, "x.jsonl", "1\n{\n"), Ok("[1]".into()));
        assert!(read("{}", "x.jsonl", "1\n{\n").is_err_and(|why| why.contains("Line 2")));
        assert!(read(r#"{"InputType":"PARQUET"}"#, "x", "").is_err_and(|why| why.contains("PARQUET")));
    }

    #[test]
    fn results_are_an_array_or_lines() {
        let results_as = |config: &str| {
            let value = |text: &str| Value::parse(text.as_bytes()).expect("JSON");
            String::from_utf8(results(&value(config), &value(r#"[1,{"a":2}]"#))).expect("text")
        };
        assert_eq!(results_as("{}"), r#"[1,{"a":2}]"#);
        assert_eq!(results_as(r#"{"OutputType":"JSONL"}"#), "1\n{\"a\":2}\n");
    }
}
