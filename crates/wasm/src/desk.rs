//! The desk between a shard and an instance: a call lies there before it begins and after it has ended.

use crate::call::Call;
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// At most one call on either side.
#[derive(Default)]
pub(crate) struct Desk {
    placed: Cell<Option<Box<Call>>>,
    ended: Cell<Option<Box<Call>>>,
}

impl Desk {
    pub fn place(&self, call: Box<Call>) {
        self.placed.set(Some(call));
    }

    /// Waits for a call. The shard polls after it placed one, so nobody needs waking.
    pub async fn next(&self) -> Box<Call> {
        poll_fn(|_| self.placed.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    pub fn deliver(&self, call: Box<Call>) {
        self.ended.set(Some(call));
    }

    pub fn collect(&self) -> Option<Box<Call>> {
        self.ended.take()
    }
}
