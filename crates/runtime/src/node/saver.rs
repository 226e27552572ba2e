//! A thread that puts objects on disk, one after the other, and rings the bell for each.
//!
//! Invariant: `under_way_bytes` is the size of all objects that were taken and whose outcome was not; they stay in
//! memory meanwhile.

use super::affinity::leave_core;
use super::bell::Queue;
use sluice_objects::{Saved, Saving};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Most bytes of objects that are on their way to disk at a time, unless it is a single object.
const SAVES_BYTES_MAX: u64 = 512 << 20;
/// The part of object memory that they may take: one in so many.
const SAVES_SHARE: u64 = 4;

/// The shard's side. Dropping it waits until the object that is being written is, and gives up those that wait.
pub(super) struct Saver {
    queue: Arc<Queue>,
    under_way_bytes: u64,
    limit_bytes: u64,
    is_dropped: Arc<AtomicBool>,
    /// The thread and its work, made when there is some.
    thread: Option<(Sender<Saving>, JoinHandle<()>)>,
    done: (Sender<Saved>, Receiver<Saved>),
}

impl Saver {
    /// A saver beside an object memory of so many bytes.
    pub fn new(queue: Arc<Queue>, memory_bytes: u64) -> Self {
        let limit_bytes = SAVES_BYTES_MAX.min(memory_bytes / SAVES_SHARE);
        let is_dropped = Arc::default();
        Self { queue, under_way_bytes: 0, limit_bytes, is_dropped, thread: None, done: channel() }
    }

    /// Whether an object of this size may be taken. If not, whoever brings it has to wait for the disk: those that make
    /// objects faster than it takes them would fill the memory.
    pub fn has_room(&self, len_bytes: u64) -> bool {
        self.under_way_bytes == 0 || self.under_way_bytes.saturating_add(len_bytes) <= self.limit_bytes
    }

    /// Takes an object. Without a thread the work is done here.
    pub fn start(&mut self, saving: Saving) {
        self.under_way_bytes += saving.len_bytes();
        if self.thread.is_none() {
            let (work, todo) = channel::<Saving>();
            let (queue, done) = (self.queue.clone(), self.done.0.clone());
            let is_dropped = self.is_dropped.clone();
            let save_all = move || {
                leave_core();
                for saving in todo {
                    if is_dropped.load(Ordering::Relaxed) {
                        return;
                    }
                    // Nobody listens when the node is gone.
                    let _ = done.send(saving.run());
                    queue.ring();
                }
            };
            let spawned = std::thread::Builder::new().name("objects".into()).spawn(save_all);
            self.thread = spawned.ok().map(|thread| (work, thread));
        }
        let refused = match &self.thread {
            Some((work, _)) => work.send(saving).err().map(|refused| refused.0),
            None => Some(saving),
        };
        if let Some(saving) = refused {
            let _ = self.done.0.send(saving.run());
            self.queue.ring();
        }
    }

    /// What has ended.
    pub fn done(&mut self) -> Option<Saved> {
        let saved = self.done.1.try_recv().ok()?;
        self.under_way_bytes -= saved.len_bytes();
        Some(saved)
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        if let Some((work, thread)) = self.thread.take() {
            self.is_dropped.store(true, Ordering::Relaxed);
            drop(work);
            // What it was writing is whole or swept at the next start.
            let _ = thread.join();
        }
    }
}
