//! The desk between a shard and an instance: one call in, one result out.

use crate::call::{Call, LogLine};
use sluice_types::Outcome;
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// What an instance made of a call.
pub(crate) struct Ended {
    pub outcome: Outcome,
    pub logs: Vec<LogLine>,
}

/// At most one call and one result lie on it.
#[derive(Default)]
pub(crate) struct Desk {
    call: Cell<Option<Call>>,
    ended: Cell<Option<Ended>>,
}

impl Desk {
    pub fn place(&self, call: Call) {
        self.call.set(Some(call));
    }

    /// Waits for a call. The shard polls after it placed one, so nobody needs waking.
    pub async fn next(&self) -> Call {
        poll_fn(|_| self.call.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    pub fn deliver(&self, ended: Ended) {
        self.ended.set(Some(ended));
    }

    pub fn collect(&self) -> Option<Ended> {
        self.ended.take()
    }
}
