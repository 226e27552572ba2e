//! Places in the pool of instances. Taken before an instance is made, so that a full pool is an answer to the
//! caller and never an error inside a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The free places of a process.
pub(crate) struct Seats(Arc<AtomicU32>);

/// One place, given back when dropped.
pub(crate) struct Seat(Arc<AtomicU32>);

impl Seats {
    pub fn new(count: u32) -> Self {
        Self(Arc::new(AtomicU32::new(count)))
    }

    /// A place, if one is free.
    pub fn take(&self) -> Option<Seat> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        taken.is_ok().then(|| Seat(Arc::clone(&self.0)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}
