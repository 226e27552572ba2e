//! `window`: what arrived within a stretch of time. Windows start at multiples of the slide since the Unix epoch and
//! fire at their end; an empty window does not fire.

use super::{Buffer, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What arrived by (start of the window in milliseconds, key of the window).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct WindowState<B: Buffer>(pub(super) BTreeMap<(u64, Option<Arc<str>>), B>);

impl<B: Buffer> Default for WindowState<B> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Length and distance of windows, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub size_ms: u64,
    pub slide_ms: u64,
}

impl<B: Buffer> WindowState<B> {
    pub(super) fn arrive(
        &mut self,
        stretch: Stretch,
        key: &Option<Arc<str>>,
        (now_ms, scope): (u64, Scope),
        item: B::Item<'_>,
        out: &mut Collected,
    ) {
        let mut start = now_ms - now_ms % stretch.slide_ms;
        while start.saturating_add(stretch.size_ms) > now_ms {
            self.0.entry((start, key.clone())).or_insert_with(|| B::empty(scope)).push(item);
            out.held += B::HELD;
            match start.checked_sub(stretch.slide_ms) {
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
            let ((_, group), mut items) = entry.remove_entry();
            out.firings.push(Firing::numbered(items.take(), group));
        }
    }

    pub(super) fn flush(&mut self, out: &mut Collected) {
        for ((_, group), mut items) in std::mem::take(&mut self.0) {
            out.firings.push(Firing::numbered(items.take(), group));
        }
    }
}
