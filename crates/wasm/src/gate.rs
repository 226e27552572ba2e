//! The few words that a shard and a suspended call exchange. While a call is suspended its store belongs to the
//! fiber, so they travel beside it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Shared by a shard and one instance, both on the same thread; atomics only because a store must be `Send`.
#[derive(Default)]
pub(crate) struct Gate {
    now_ms: AtomicU64,
    wake_at_ms: AtomicU64,
    cancelled: AtomicBool,
    expired: AtomicBool,
}

/// `wake_at_ms` of a call that is not asleep.
const AWAKE: u64 = u64::MAX;

impl Gate {
    /// Prepares for a new call.
    pub fn reset(&self) {
        self.cancelled.store(false, Relaxed);
    }

    /// The guest's time is over: it ends when it goes on.
    pub fn expire(&self) {
        self.expired.store(true, Relaxed);
    }

    /// Whether its time is over.
    pub fn is_expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    /// To be called before the guest goes on: it is awake, and this is the time.
    pub fn enter(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Relaxed);
        self.wake_at_ms.store(AWAKE, Relaxed);
    }

    /// The guest asks to be left alone for a while.
    pub fn sleep(&self, for_ms: u64) {
        let wake_at_ms = self.now_ms.load(Relaxed).saturating_add(for_ms);
        self.wake_at_ms.store(wake_at_ms.min(AWAKE - 1), Relaxed);
    }

    /// When a suspended guest wants to go on; `None` at once, because it merely used up its slice.
    pub fn wake_at_ms(&self) -> Option<u64> {
        Some(self.wake_at_ms.load(Relaxed)).filter(|&at| at != AWAKE)
    }

    /// Tells the guest to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }
}
