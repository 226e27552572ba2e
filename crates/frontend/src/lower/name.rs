//! Names: which are allowed, and what they stand for.

use sluice_types::limits;
use std::collections::BTreeMap;

/// Whether a text can name an app, a bucket, a function or a trigger; if not, why.
pub(super) fn check(name: &str) -> Result<(), String> {
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", limits::NAME_BYTES_MAX));
    }
    let mut chars = name.chars();
    match chars.next() {
        None => return Err("it is empty".to_owned()),
        Some(c) if c.is_ascii_alphabetic() || c == '_' => {}
        Some(c) => return Err(format!("it starts with `{c}`")),
    }
    match chars.find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))) {
        Some(c) => Err(format!("it contains `{c}`")),
        None => Ok(()),
    }
}

/// Names and their indices, in order of declaration.
pub(super) struct Names<'a> {
    order: Vec<&'a str>,
    index: BTreeMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let order: Vec<_> = names.into_iter().collect();
        let index = order.iter().enumerate().rev().map(|(i, name)| (*name, i)).collect();
        Self { order, index }
    }

    /// Index of a name; `None` also past what an index holds, which the limits report.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.index.get(name).and_then(|i| u16::try_from(*i).ok())
    }

    pub fn all(&self) -> impl Iterator<Item = &'a str> {
        self.order.iter().copied()
    }
}
