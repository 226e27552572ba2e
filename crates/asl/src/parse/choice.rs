//! `Choice` states.

use super::block::Names;
use super::fields::{Allowed, Fields, In};
use super::node::Node;
use super::query::{Sees, jsonata_source};
use super::{Parser, Place};
use crate::Expression;
use crate::diagnostic::code;
use crate::machine::{Kind, Operator, QueryLanguage, Rule, Setting, Test};
use crate::timestamp::Timestamp;
use crate::wildcard;
use sluice_expression::Value;
use std::sync::LazyLock;

/// Deepest nesting of conditions. AWS has no such limit of its own.
pub const CONDITION_NESTING_MAX: usize = 64;

const RULE: &[Allowed] = &[
    ("Assign", In::Both),
    ("Comment", In::Both),
    ("Condition", In::Jsonata),
    ("Next", In::Both),
    ("Output", In::Jsonata),
];
const NESTED: &[Allowed] = &[("Comment", In::Both)];
const TEST: &[Allowed] =
    &[("And", In::JsonPath), ("Not", In::JsonPath), ("Or", In::JsonPath), ("Variable", In::JsonPath)];

/// What an operator compares with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Boolean,
    Number,
    Text,
    Pattern,
    Timestamp,
}

/// Operators: their names, the names of their `…Path` forms, and what they compare with.
const OPERATORS: [(&str, Option<&str>, Operator, Operand); 23] = [
    ("BooleanEquals", Some("BooleanEqualsPath"), Operator::BooleanEquals, Operand::Boolean),
    ("IsBoolean", None, Operator::IsBoolean, Operand::Boolean),
    ("IsNull", None, Operator::IsNull, Operand::Boolean),
    ("IsNumeric", None, Operator::IsNumeric, Operand::Boolean),
    ("IsPresent", None, Operator::IsPresent, Operand::Boolean),
    ("IsString", None, Operator::IsString, Operand::Boolean),
    ("IsTimestamp", None, Operator::IsTimestamp, Operand::Boolean),
    ("NumericEquals", Some("NumericEqualsPath"), Operator::NumericEquals, Operand::Number),
    ("NumericGreaterThan", Some("NumericGreaterThanPath"), Operator::NumericGreaterThan, Operand::Number),
    (
        "NumericGreaterThanEquals",
        Some("NumericGreaterThanEqualsPath"),
        Operator::NumericGreaterThanEquals,
        Operand::Number,
    ),
    ("NumericLessThan", Some("NumericLessThanPath"), Operator::NumericLessThan, Operand::Number),
    (
        "NumericLessThanEquals",
        Some("NumericLessThanEqualsPath"),
        Operator::NumericLessThanEquals,
        Operand::Number,
    ),
    ("StringEquals", Some("StringEqualsPath"), Operator::StringEquals, Operand::Text),
    ("StringGreaterThan", Some("StringGreaterThanPath"), Operator::StringGreaterThan, Operand::Text),
    (
        "StringGreaterThanEquals",
        Some("StringGreaterThanEqualsPath"),
        Operator::StringGreaterThanEquals,
        Operand::Text,
    ),
    ("StringLessThan", Some("StringLessThanPath"), Operator::StringLessThan, Operand::Text),
    ("StringLessThanEquals", Some("StringLessThanEqualsPath"), Operator::StringLessThanEquals, Operand::Text),
    ("StringMatches", None, Operator::StringMatches, Operand::Pattern),
    ("TimestampEquals", Some("TimestampEqualsPath"), Operator::TimestampEquals, Operand::Timestamp),
    (
        "TimestampGreaterThan",
        Some("TimestampGreaterThanPath"),
        Operator::TimestampGreaterThan,
        Operand::Timestamp,
    ),
    (
        "TimestampGreaterThanEquals",
        Some("TimestampGreaterThanEqualsPath"),
        Operator::TimestampGreaterThanEquals,
        Operand::Timestamp,
    ),
    ("TimestampLessThan", Some("TimestampLessThanPath"), Operator::TimestampLessThan, Operand::Timestamp),
    (
        "TimestampLessThanEquals",
        Some("TimestampLessThanEqualsPath"),
        Operator::TimestampLessThanEquals,
        Operand::Timestamp,
    ),
];

/// All operators as fields, `…Path` forms included.
static OPERATOR_FIELDS: LazyLock<Vec<Allowed>> = LazyLock::new(|| {
    let names = OPERATORS.iter().flat_map(|(name, path_name, ..)| std::iter::once(*name).chain(*path_name));
    names.map(|name| (name, In::JsonPath)).collect()
});

impl Parser<'_> {
    pub(super) fn choice(
        &mut self,
        fields: &Fields<'_>,
        query: QueryLanguage,
        names: &Names,
    ) -> Option<Kind> {
        self.require(fields, &["Choices"]);
        let place = fields.place.field("Choices");
        let nodes = self.list(fields, "Choices");
        let mut rules = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            rules.extend(self.rule(node, place.item(position), query, names));
        }
        (rules.len() == nodes.len() && !nodes.is_empty()).then_some(Kind::Choice { rules })
    }

    fn rule(&mut self, node: &Node, place: Place, query: QueryLanguage, names: &Names) -> Option<Rule> {
        let fields = self.fields(node, place, &[RULE, TEST, &OPERATOR_FIELDS], query)?;
        self.require(&fields, &["Next"]);
        self.text(&fields, "Comment");
        let condition = match query {
            QueryLanguage::Jsonata => self.condition(&fields),
            QueryLanguage::JsonPath => self.test(&fields, 0),
        };
        let next = self.target(&fields, "Next", names);
        let assign = self.assign(&fields, query, Sees::INPUT);
        let output = self.template(&fields, "Output", query, Sees::INPUT);
        Some(Rule { condition: condition?, next: next?, assign, output })
    }

    /// A condition within `And`, `Or` or `Not`.
    fn nested(&mut self, node: &Node, place: Place, nesting: usize) -> Option<Test> {
        if nesting > CONDITION_NESTING_MAX {
            let message = format!("Conditions are nested deeper than {CONDITION_NESTING_MAX}");
            self.error(code::TOO_DEEPLY_NESTED, Some(&place), node.at, message);
            return None;
        }
        let fields = self.fields(node, place, &[NESTED, TEST, &OPERATOR_FIELDS], QueryLanguage::JsonPath)?;
        self.text(&fields, "Comment");
        self.test(&fields, nesting)
    }

    /// `Condition`: JSONata, or `true` or `false`.
    fn condition(&mut self, fields: &Fields<'_>) -> Option<Test> {
        self.require(fields, &["Condition"]);
        let node = fields.get("Condition")?;
        if let Some(holds) = node.value().as_bool() {
            return Some(if holds { Test::All(Vec::new()) } else { Test::Any(Vec::new()) });
        }
        match node.as_str().and_then(jsonata_source) {
            Some(source) => {
                let place = fields.place.field("Condition");
                self.jsonata(source, &place, node.at, Sees::INPUT).map(Test::Jsonata)
            }
            None => {
                self.mistyped(fields, "Condition", node, "a JSONata expression, written `{% … %}`");
                None
            }
        }
    }

    fn test(&mut self, fields: &Fields<'_>, nesting: usize) -> Option<Test> {
        let forms = ["And", "Or", "Not", "Variable"];
        if !forms.iter().any(|name| fields.has(name)) {
            let message = format!("One of these fields is required: [{}]", forms.join(", "));
            self.schema(&fields.place, fields.at, message);
            return None;
        }
        if !self.exclusive(fields, &forms) {
            return None;
        }
        if fields.has("And") {
            return self.tests(fields, "And", nesting).map(Test::All);
        }
        if fields.has("Or") {
            return self.tests(fields, "Or", nesting).map(Test::Any);
        }
        match fields.get("Not") {
            Some(node) => {
                let test = self.nested(node, fields.place.field("Not"), nesting + 1)?;
                Some(Test::Not(Box::new(test)))
            }
            None => self.comparison(fields),
        }
    }

    fn tests(&mut self, fields: &Fields<'_>, name: &str, nesting: usize) -> Option<Vec<Test>> {
        let place = fields.place.field(name);
        let nodes = self.list(fields, name);
        let mut tests = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            tests.extend(self.nested(node, place.item(position), nesting + 1));
        }
        (tests.len() == nodes.len() && !nodes.is_empty()).then_some(tests)
    }

    fn comparison(&mut self, fields: &Fields<'_>) -> Option<Test> {
        let variable = self.some_path(fields, "Variable");
        let written: Vec<&str> =
            OPERATOR_FIELDS.iter().map(|(name, _)| *name).filter(|name| fields.has(name)).collect();
        let [name] = written.as_slice() else {
            let message = match written.as_slice() {
                [] => "A comparison has an operator, such as 'StringEquals'".to_owned(),
                names => format!("Only one of these fields is allowed: [{}]", names.join(", ")),
            };
            self.schema(&fields.place, fields.at, message);
            return None;
        };
        let is_row = |row: &&(&str, Option<&str>, Operator, Operand)| row.0 == *name || row.1 == Some(*name);
        let (fixed_name, _, operator, takes) = OPERATORS.iter().find(is_row)?;
        let operand = match name == fixed_name {
            true => Setting::Fixed(self.operand(fields, name, *takes)?),
            false => Setting::Computed(Expression::Path(self.some_path(fields, name)?)),
        };
        Some(Test::Compare { variable: variable?, operator: *operator, operand })
    }

    fn operand(&mut self, fields: &Fields<'_>, name: &str, takes: Operand) -> Option<Value> {
        let node = fields.get(name)?;
        let value = node.value();
        let (fits, expected) = match takes {
            Operand::Boolean => (value.as_bool().is_some(), "true or false"),
            Operand::Number => (value.as_f64().is_some(), "a number"),
            Operand::Text => (value.as_str().is_some(), "a string"),
            Operand::Pattern => (
                value.as_str().is_some_and(wildcard::is_valid),
                "a string in which only `*` and `\\` are escaped",
            ),
            Operand::Timestamp => {
                let is_timestamp = value.as_str().and_then(Timestamp::parse).is_some();
                (is_timestamp, "a timestamp such as 2016-03-14T01:59:00Z")
            }
        };
        if !fits {
            self.mistyped(fields, name, node, expected);
            return None;
        }
        if takes == Operand::Text && value.as_str().is_some_and(|text| text.starts_with("$.")) {
            let message = format!(
                "The value for the field '{name}' looks like a path, but is compared as it is; to compare with what it \
                 finds, name the field '{name}Path'"
            );
            self.warn(code::NO_PATH, &fields.place.field(name), node.at, message);
        }
        Some(value)
    }
}
