//! Variables in scope.
//!
//! The frames of an evaluation stand in one list and name their parents by position: a closure and the frame that
//! holds it may refer to each other without keeping each other alive beyond the evaluation. A frame goes when its
//! scope ends, unless a closure has captured it.

use super::item::Item;
use smallvec::SmallVec;
use std::sync::Arc;

/// Position of a frame.
pub type FrameId = u32;

/// Bytes that a frame is taken to need.
pub const FRAME_BYTES: usize = std::mem::size_of::<Frame>();

pub struct Frame {
    parent: Option<FrameId>,
    bindings: SmallVec<[(Arc<str>, Item); 2]>,
}

/// All frames of an evaluation; the first is the outermost scope.
pub struct Frames {
    frames: Vec<Frame>,
    /// Frames before this position are captured.
    captured: FrameId,
}

/// The outermost scope.
pub const ROOT: FrameId = 0;

impl Frames {
    pub fn new() -> Self {
        Self { frames: vec![Frame { parent: None, bindings: SmallVec::new() }], captured: 1 }
    }

    /// Opens a scope inside `parent`.
    pub fn open(&mut self, parent: FrameId) -> FrameId {
        self.frames.push(Frame { parent: Some(parent), bindings: SmallVec::new() });
        self.frames.len() as FrameId - 1
    }

    /// Where the next scope will stand.
    pub fn mark(&self) -> FrameId {
        self.frames.len() as FrameId
    }

    /// Ends all scopes that were opened since the mark and are not captured.
    pub fn close(&mut self, mark: FrameId) {
        self.frames.truncate(mark.max(self.captured) as usize);
    }

    /// Keeps a scope, and those around it, for a closure.
    pub fn capture(&mut self, frame: FrameId) {
        self.captured = self.captured.max(frame + 1);
    }

    /// Sets a variable of a scope.
    pub fn bind(&mut self, frame: FrameId, name: &Arc<str>, value: Item) {
        let bindings = &mut self.frames[frame as usize].bindings;
        match bindings.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => bindings.push((name.clone(), value)),
        }
    }

    /// The variable of the innermost scope that has it.
    pub fn get(&self, frame: FrameId, name: &str) -> Option<&Item> {
        let mut frame = &self.frames[frame as usize];
        loop {
            if let Some((_, value)) = frame.bindings.iter().find(|(own, _)| **own == *name) {
                return Some(value);
            }
            frame = &self.frames[frame.parent? as usize];
        }
    }
}
