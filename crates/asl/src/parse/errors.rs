//! `Retry` and `Catch`.

use super::Parser;
use super::block::Names;
use super::fields::{Allowed, Fields, In};
use super::query::Sees;
use crate::machine::{Catcher, QueryLanguage, Retrier};
use std::sync::Arc;

/// Longest interval of a retrier, in seconds: AWS's limit.
const INTERVAL_SECONDS_MAX: u64 = 99_999_999;
/// Longest delay between retries, in seconds, below 366 days: AWS's limit.
const DELAY_SECONDS_MAX: u64 = 31_622_399;
/// Most attempts of a retrier: AWS's limit.
const ATTEMPTS_MAX: u64 = 99_999_999;

const RETRIER: &[Allowed] = &[
    ("BackoffRate", In::Both),
    ("Comment", In::Both),
    ("ErrorEquals", In::Both),
    ("IntervalSeconds", In::Both),
    ("JitterStrategy", In::Both),
    ("MaxAttempts", In::Both),
    ("MaxDelaySeconds", In::Both),
];
const CATCHER: &[Allowed] = &[
    ("Assign", In::Both),
    ("Comment", In::Both),
    ("ErrorEquals", In::Both),
    ("Next", In::Both),
    ("Output", In::Jsonata),
    ("ResultPath", In::JsonPath),
];

impl Parser<'_> {
    pub(super) fn retriers(&mut self, fields: &Fields<'_>) -> Vec<Retrier> {
        let place = fields.place.field("Retry");
        let nodes = self.array(fields, "Retry");
        let mut retriers = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            if let Some(fields) = self.fields(node, place.item(position), &[RETRIER], self.language) {
                retriers.extend(self.retrier(&fields, position + 1 == nodes.len()));
            }
        }
        retriers
    }

    fn retrier(&mut self, fields: &Fields<'_>, is_last: bool) -> Option<Retrier> {
        let errors = self.error_names(fields, is_last);
        let interval_seconds = self.integer(fields, "IntervalSeconds", 1..=INTERVAL_SECONDS_MAX).unwrap_or(1);
        let max_delay_seconds = self.integer(fields, "MaxDelaySeconds", 1..=DELAY_SECONDS_MAX);
        if let (Some(max), Some(node)) = (max_delay_seconds, fields.get("MaxDelaySeconds"))
            && max <= interval_seconds
        {
            let expected = format!("greater than that of 'IntervalSeconds', {interval_seconds}");
            self.mistyped(fields, "MaxDelaySeconds", node, &expected);
        }
        Some(Retrier {
            interval_seconds,
            max_attempts: self.integer(fields, "MaxAttempts", 0..=ATTEMPTS_MAX).unwrap_or(3),
            backoff_rate: self.number(fields, "BackoffRate", 1.0..=f64::MAX).unwrap_or(2.0),
            max_delay_seconds,
            jitter: self.word(fields, "JitterStrategy", &["FULL", "NONE"]) == Some("FULL"),
            errors: errors?,
        })
    }

    pub(super) fn catchers(
        &mut self,
        fields: &Fields<'_>,
        query: QueryLanguage,
        names: &Names,
    ) -> Vec<Catcher> {
        let place = fields.place.field("Catch");
        let nodes = self.array(fields, "Catch");
        let mut catchers = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            if let Some(fields) = self.fields(node, place.item(position), &[CATCHER], query) {
                catchers.extend(self.catcher(&fields, query, names, position + 1 == nodes.len()));
            }
        }
        catchers
    }

    fn catcher(
        &mut self,
        fields: &Fields<'_>,
        query: QueryLanguage,
        names: &Names,
        is_last: bool,
    ) -> Option<Catcher> {
        let errors = self.error_names(fields, is_last);
        self.require(fields, &["Next"]);
        let next = self.target(fields, "Next", names);
        let result_path = self.result_path(fields);
        let assign = self.assign(fields, query, Sees::ERROR);
        let output = self.template(fields, "Output", query, Sees::ERROR);
        Some(Catcher { errors: errors?, next: next?, result_path, assign, output })
    }

    /// `ErrorEquals`: names, of which `States.ALL` stands alone and in the last of its list.
    fn error_names(&mut self, fields: &Fields<'_>, is_last: bool) -> Option<Vec<Arc<str>>> {
        self.require(fields, &["ErrorEquals"]);
        let node = fields.get("ErrorEquals")?;
        let names: Option<Vec<Arc<str>>> =
            node.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(Arc::from)).collect());
        let names = names.filter(|names| !names.is_empty());
        match &names {
            None => self.mistyped(fields, "ErrorEquals", node, "an array of strings that is not empty"),
            Some(names) if names.iter().any(|name| &**name == "States.ALL") => {
                let place = fields.place.field("ErrorEquals");
                if names.len() > 1 {
                    self.schema(&place, node.at, "States.ALL must appear alone".into());
                }
                if !is_last {
                    self.schema(&place, node.at, "States.ALL must appear in the last of its list".into());
                }
            }
            Some(_) => {}
        }
        names
    }

    fn array<'n>(&mut self, fields: &Fields<'n>, name: &str) -> &'n [super::node::Node] {
        let Some(node) = fields.get(name) else { return &[] };
        if node.as_array().is_none() {
            self.mistyped(fields, name, node, "an array");
        }
        node.as_array().unwrap_or_default()
    }
}
