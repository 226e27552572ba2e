//! `join` and `group`: what one function put, passed on when that function is closed; lists are in key order.

use super::{Arrival, Firing, Firings};
use serde::{Deserialize, Serialize};
use sluice_types::{Evaluator, Expr, FunctionIx};
use std::sync::Arc;

/// The objects so far; the group of each for `group`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatherState {
    items: Vec<(Option<Arc<str>>, u32)>,
}

impl GatherState {
    /// `by` is `None` for a join; for a group it may hold an expression that overrides the object's own group.
    pub(super) fn arrive(
        &mut self,
        of: FunctionIx,
        by: Option<&Option<Expr>>,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
    ) -> u32 {
        if arrival.from != Some(of) {
            return 0;
        }
        let group = match by {
            None => None,
            Some(Some(by)) => match eval.object_text(by, arrival.bucket_name, arrival.object) {
                Ok(text) => Some(Arc::from(text)),
                Err(_) => return 0,
            },
            Some(None) => Some(arrival.object.group.clone().unwrap_or_else(|| arrival.object.key.clone())),
        };
        self.items.push((group, arrival.item));
        1
    }

    pub(super) fn close_join(&mut self, key_of: &dyn Fn(u32) -> Arc<str>, firings: &mut Firings) {
        firings.push(Firing::list(sorted(self.take(), key_of)));
    }

    pub(super) fn close_group(&mut self, key_of: &dyn Fn(u32) -> Arc<str>, firings: &mut Firings) {
        let mut items = std::mem::take(&mut self.items);
        if items.is_empty() {
            firings.push(Firing::list(Vec::new()));
            return;
        }
        // Stable, so that within a group the order of arrival is kept until the keys are sorted.
        items.sort_by(|a, b| a.0.cmp(&b.0));
        for chunk in items.chunk_by(|a, b| a.0 == b.0) {
            let members = chunk.iter().map(|(_, item)| *item).collect();
            firings.push(Firing { group: chunk[0].0.clone(), ..Firing::list(sorted(members, key_of)) });
        }
    }

    fn take(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.items).into_iter().map(|(_, item)| item).collect()
    }
}

fn sorted(mut items: Vec<u32>, key_of: &dyn Fn(u32) -> Arc<str>) -> Vec<u32> {
    items.sort_by_cached_key(|item| key_of(*item));
    items
}
