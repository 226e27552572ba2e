//! A thread that puts objects on disk, one after the other, and rings the bell for each.

use super::bell::Queue;
use sluice_objects::{Saved, Saving};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The shard's side. Dropping it waits until what was begun has ended.
pub(super) struct Saver {
    queue: Arc<Queue>,
    /// The thread and its work, made when there is some.
    thread: Option<(Sender<Saving>, JoinHandle<()>)>,
    done: (Sender<Saved>, Receiver<Saved>),
}

impl Saver {
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { queue, thread: None, done: channel() }
    }

    /// Takes an object. Without a thread the work is done here.
    pub fn start(&mut self, saving: Saving) {
        if self.thread.is_none() {
            let (work, todo) = channel::<Saving>();
            let (queue, done) = (self.queue.clone(), self.done.0.clone());
            let save_all = move || {
                for saving in todo {
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
    pub fn done(&self) -> Option<Saved> {
        self.done.1.try_recv().ok()
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        if let Some((work, thread)) = self.thread.take() {
            drop(work);
            // What it was writing is whole or swept at the next start.
            let _ = thread.join();
        }
    }
}
