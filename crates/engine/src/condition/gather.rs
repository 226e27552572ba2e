//! `join` and `group`: what one function put, passed on once, when that function is closed; lists are in key order.

use super::{Arrival, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::{Evaluator, Expr, FunctionIx};
use std::sync::Arc;

/// The objects so far; the group of each for `group`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatherState {
    pub(super) items: Vec<(Option<Arc<str>>, u32)>,
    /// Whether it has been passed on.
    pub(super) concluded: bool,
}

impl GatherState {
    /// `by` is `None` for a join; for a group it may hold an expression that overrides the object's own group.
    pub(super) fn arrive(
        &mut self,
        of: FunctionIx,
        by: Option<&Option<Expr>>,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) {
        if arrival.from != Some(of) || self.concluded {
            return;
        }
        let group = match by {
            None => None,
            Some(Some(by)) => match eval.object_text(by, arrival.bucket_name, arrival.object) {
                Ok(text) => Some(Arc::from(text)),
                Err(_) => return,
            },
            Some(None) => Some(arrival.object.group.clone().unwrap_or_else(|| arrival.object.key.clone())),
        };
        self.items.push((group, arrival.item));
        out.held += 1;
    }

    pub(super) fn close_join<'a>(&mut self, key_of: &dyn Fn(u32) -> &'a str, out: &mut Collected) {
        if !std::mem::replace(&mut self.concluded, true) {
            let items = std::mem::take(&mut self.items);
            out.firings.push(Firing::list(in_key_order(items, key_of)));
        }
    }

    pub(super) fn close_group<'a>(&mut self, key_of: &dyn Fn(u32) -> &'a str, out: &mut Collected) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        let mut items = std::mem::take(&mut self.items);
        if items.is_empty() {
            return out.firings.push(Firing::list(Vec::new()));
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        for members in items.chunk_by(|a, b| a.0 == b.0) {
            let group = members[0].0.clone();
            out.firings.push(Firing { group, ..Firing::list(in_key_order(members.to_vec(), key_of)) });
        }
    }
}

fn in_key_order<'a>(mut items: Vec<(Option<Arc<str>>, u32)>, key_of: &dyn Fn(u32) -> &'a str) -> Vec<u32> {
    items.sort_by(|a, b| key_of(a.1).cmp(key_of(b.1)));
    items.into_iter().map(|(_, item)| item).collect()
}
