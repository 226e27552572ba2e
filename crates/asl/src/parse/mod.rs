//! From the text of a definition to a machine, with everything that is wrong with it.
//!
//! The rules are those of the States Language and of AWS; a rule that only AWS has says so.

mod block;
mod choice;
mod errors;
mod fields;
mod jsonata;
mod locate;
mod map;
mod node;
mod place;
mod query;
mod setting;
mod state;
mod task;

pub use block::STATE_NESTING_MAX;
pub use locate::{Spot, field_of_state};

use crate::Machine;
use crate::diagnostic::{Diagnostic, Severity, code};
use crate::machine::QueryLanguage;
use fields::{Allowed, In};
use node::{Node, NotJson};
use place::Place;
use sluice_expression::VALUE_NESTING_MAX;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Largest definition, in bytes of UTF-8: AWS's limit.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// Most diagnostics of one definition; the rest is left out.
pub const DIAGNOSTICS_MAX: usize = 100;
/// Longest name of a variable, in characters: AWS's limit.
pub const VARIABLE_NAME_CHARS_MAX: usize = 80;
/// Longest time that a field may name, in seconds: AWS's limit.
pub const SECONDS_MAX: u64 = 99_999_999;

const MACHINE: &[Allowed] = &[
    ("Comment", In::Both),
    ("QueryLanguage", In::Both),
    ("StartAt", In::Both),
    ("States", In::Both),
    ("TimeoutSeconds", In::Both),
    ("Version", In::Both),
];

impl Machine {
    /// Compiles a definition; also gives its warnings, or all that is wrong with it.
    pub fn parse(text: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        parse(text, false)
    }

    /// As [`Machine::parse`], for an express state machine: activities, `.sync`, `.waitForTaskToken` and distributed
    /// maps are errors, as they are with AWS.
    pub fn parse_express(text: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        parse(text, true)
    }
}

fn parse(text: &str, express: bool) -> Result<(Machine, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut parser = Parser::new(text, express);
    let machine = parser.machine();
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    match machine {
        Some(machine) if !parser.diagnostics.iter().any(is_error) => Ok((machine, parser.diagnostics)),
        _ => Err(parser.diagnostics),
    }
}

/// What is known while a definition is read.
struct Parser<'a> {
    text: &'a str,
    diagnostics: Vec<Diagnostic>,
    /// The language of states that name none.
    language: QueryLanguage,
    /// Whether the block being read is executed as an express workflow.
    express: bool,
    /// Names of all states, and labels of all maps, so far.
    state_names: HashSet<Arc<str>>,
    labels: HashSet<Arc<str>>,
    /// Names that each of the blocks around the state being read assigns, the outermost first.
    assigned: Vec<BTreeSet<Arc<str>>>,
    /// The state being read.
    state: Option<Arc<str>>,
    /// Variables that each state refers to.
    references: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, express: bool) -> Self {
        Self {
            text,
            diagnostics: Vec::new(),
            language: QueryLanguage::JsonPath,
            express,
            state_names: HashSet::new(),
            labels: HashSet::new(),
            assigned: Vec::new(),
            state: None,
            references: BTreeMap::new(),
        }
    }

    fn machine(&mut self) -> Option<Machine> {
        if self.text.len() > DEFINITION_BYTES_MAX {
            let message = format!("The definition is longer than {DEFINITION_BYTES_MAX} bytes");
            self.error(code::DEFINITION_TOO_LONG, None, 0, message);
            return None;
        }
        let root = self.root()?;
        let fields = self.fields(&root, Place::root(), &[MACHINE], QueryLanguage::JsonPath)?;
        self.language = self.query_language(&fields, QueryLanguage::JsonPath);
        let comment = self.text(&fields, "Comment");
        self.text(&fields, "Version");
        let timeout_seconds = self.integer(&fields, "TimeoutSeconds", 1..=SECONDS_MAX);
        let body = self.block(&fields)?;
        let variable_references = std::mem::take(&mut self.references);
        Some(Machine { comment, timeout_seconds, body, variable_references })
    }

    fn root(&mut self) -> Option<Node> {
        match Node::parse(self.text) {
            Ok(root) if root.as_object().is_some() => return Some(root),
            Err(NotJson::Syntax(error)) if !self.text.trim().is_empty() => self.syntax(&error),
            Err(NotJson::TooDeep(at)) => {
                let message = format!("Values are nested deeper than {VALUE_NESTING_MAX}");
                self.error(code::TOO_DEEPLY_NESTED, None, at, message);
            }
            _ => {
                let message = "Definition must be a valid JSON object".to_owned();
                self.error(code::SCHEMA_VALIDATION_FAILED, None, 0, message);
            }
        }
        None
    }

    fn syntax(&mut self, error: &serde_json::Error) {
        let (line, column) = (error.line(), error.column());
        let shown: String = self.text.chars().take(500).collect();
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code: code::INVALID_JSON_DESCRIPTION,
            message: message[..end].to_owned(),
            location: Some(format!("[Source: (String)\"{shown}\"; line: {line}, column: {column}]")),
            line,
            column,
        });
    }

    /// `QueryLanguage` of a machine or a state.
    fn query_language(&mut self, fields: &fields::Fields<'_>, default: QueryLanguage) -> QueryLanguage {
        match self.word(fields, "QueryLanguage", &["JSONPath", "JSONata"]) {
            Some("JSONata") => QueryLanguage::Jsonata,
            Some(_) if default == QueryLanguage::Jsonata => {
                let message =
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
                self.schema(&fields.place, fields.at, message.into());
                default
            }
            Some(_) => QueryLanguage::JsonPath,
            None => default,
        }
    }

    fn schema(&mut self, place: &Place, at: usize, message: String) {
        self.error(code::SCHEMA_VALIDATION_FAILED, Some(place), at, message);
    }

    fn error(&mut self, code: &'static str, place: Option<&Place>, at: usize, message: String) {
        self.report(Severity::Error, code, place, at, message);
    }

    fn warn(&mut self, code: &'static str, place: &Place, at: usize, message: String) {
        self.report(Severity::Warning, code, Some(place), at, message);
    }

    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: Option<&Place>,
        at: usize,
        message: String,
    ) {
        // Room is kept for an error, which must not be lost behind warnings.
        let limit = if severity == Severity::Error { DIAGNOSTICS_MAX } else { DIAGNOSTICS_MAX / 2 };
        if self.diagnostics.len() < limit {
            let (line, column) = locate::position(self.text, at);
            let location = place.map(Place::to_string);
            self.diagnostics.push(Diagnostic { severity, code, message, location, line, column });
        }
    }
}
