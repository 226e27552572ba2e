//! `window`: the objects that arrived within a stretch of time. Windows start at multiples of the slide since the
//! Unix epoch and fire at their end; an empty window does not fire.

use super::{Arrival, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::{Evaluator, Expr};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Objects by (start of the window in milliseconds, key of the window).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowState(pub(super) BTreeMap<(u64, Option<Arc<str>>), Vec<u32>>);

impl WindowState {
    pub(super) fn arrive(
        &mut self,
        size_ms: u64,
        slide_ms: u64,
        by: Option<&Expr>,
        arrival: &Arrival<'_>,
        eval: &mut dyn Evaluator,
        out: &mut Collected,
    ) {
        let key: Option<Arc<str>> =
            match by.map(|by| eval.object_text(by, arrival.bucket_name, arrival.object)) {
                None => None,
                Some(Ok(text)) => Some(Arc::from(text)),
                Some(Err(_)) => return,
            };
        let mut start = arrival.now_ms - arrival.now_ms % slide_ms;
        while start.saturating_add(size_ms) > arrival.now_ms {
            self.0.entry((start, key.clone())).or_default().push(arrival.item);
            out.held += 1;
            match start.checked_sub(slide_ms) {
                Some(earlier) => start = earlier,
                None => break,
            }
        }
    }

    pub(super) fn deadline(&self, size_ms: u64) -> Option<u64> {
        self.0.first_key_value().map(|((start, _), _)| start.saturating_add(size_ms))
    }

    pub(super) fn due(&mut self, size_ms: u64, now_ms: u64, out: &mut Collected) {
        while let Some(entry) = self.0.first_entry() {
            if entry.key().0.saturating_add(size_ms) > now_ms {
                return;
            }
            let ((_, group), items) = entry.remove_entry();
            out.firings.push(Firing::numbered(items, group));
        }
    }

    pub(super) fn flush(&mut self, out: &mut Collected) {
        for ((_, group), items) in std::mem::take(&mut self.0) {
            out.firings.push(Firing::numbered(items, group));
        }
    }
}
