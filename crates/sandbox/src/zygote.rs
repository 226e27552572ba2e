//! A zygote: the process of an app version that has imported the app and forks its Python workers.

use crate::app::Base;
use crate::capture::Capture;
use crate::channel::Channel;
use crate::limits::{IMPORT_TIMEOUT, STARTUP_OUTPUT_BYTES_MAX};
use sluice_isolation::Boxed;
use sluice_types::{AppKey, Failure, Version};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Invariant: workers are asked of it only while it is ready.
#[derive(Debug)]
pub(crate) struct Zygote {
    pub app: (AppKey, Version),
    pub base: Base,
    pub channel: Channel,
    pub capture: Capture,
    /// Until the process runs there is no box.
    pub boxed: Option<Arc<Boxed>>,
    /// Whether it has said that the app is loaded.
    pub loaded: bool,
    /// When it must be ready.
    pub deadline: Instant,
    /// When it was last asked for a worker.
    pub used_at: Instant,
    /// Whether it was told to end because others are used more.
    pub retired: bool,
    /// Whether the server has killed it.
    pub killed: Cell<bool>,
    /// Functions that could not be loaded.
    pub broken: BTreeMap<usize, Failure>,
    /// The end of what it printed.
    output: Vec<u8>,
}

impl Zygote {
    pub fn new(app: (AppKey, Version), base: Base, channel: Channel, capture: Capture, now: Instant) -> Self {
        Self {
            app,
            base,
            channel,
            capture,
            boxed: None,
            loaded: false,
            deadline: now + IMPORT_TIMEOUT,
            used_at: now,
            retired: false,
            killed: Cell::new(false),
            broken: BTreeMap::new(),
            output: Vec::new(),
        }
    }

    /// Whether workers can be asked of it: it says so and its box is known, which may come in either order.
    pub fn is_ready(&self) -> bool {
        self.loaded && self.boxed.is_some()
    }

    /// Keeps the end of what the zygote printed, to explain why it did not start.
    pub fn hear_output(&mut self) -> bool {
        let Self { capture, output, .. } = self;
        let mut open = true;
        for stream in [crate::Stream::Stdout, crate::Stream::Stderr] {
            open &= capture.drain(stream, |bytes| {
                output.extend_from_slice(bytes);
                let excess = output.len().saturating_sub(STARTUP_OUTPUT_BYTES_MAX);
                output.drain(..excess);
            });
        }
        open
    }

    /// Kills the zygote and all its workers. Its end is reported later.
    pub fn kill(&self) {
        self.killed.set(true);
        if let Some(boxed) = &self.boxed {
            // It fails only when nothing is left.
            let _ = boxed.kill();
        }
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}
