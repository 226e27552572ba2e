//! Frames: the places where an execution stands.
//!
//! Invariants:
//! * A frame is an instance of a block: of the machine, a branch or an iteration. Frame 0 is the machine's.
//! * A frame whose state is a `Parallel` or `Map` at work holds its children in its [`Join`], each child names it as its
//!   parent, and nothing else refers to a child.
//! * At most one frame is out of [`Frames`] to be run; while it is out, its parents are in.

use super::join::Join;
use super::ledgers::OWN;
use super::task::Working;
use crate::Variables;
use crate::machine::StateIx;
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// Position of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FrameIx(pub u32);

/// An instance of a block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Frame {
    /// The frame whose `Parallel` or `Map` state it is part of.
    pub parent: Option<FrameIx>,
    /// Of the branch or iteration in its parent.
    pub index: u32,
    /// The execution it is part of: this one, or a child execution of a distributed Map.
    pub ledger: u32,
    /// `$$.Map.Item` of the nearest iteration.
    pub item: Option<Arc<Item>>,
    /// Where it stands.
    pub state: StateIx,
    /// Raw input of that state.
    pub input: Value,
    /// Variables in scope.
    pub variables: Variables,
    /// Its place in the history.
    pub trail: Trail,
    /// When the state was entered, in milliseconds.
    pub entered_ms: u64,
    /// Retries of that state, by retrier.
    pub attempts: Vec<u32>,
    /// What it does.
    pub doing: Doing,
    /// When its waiting ends by itself, in milliseconds; it is in the timers then.
    pub deadline_ms: Option<u64>,
}

/// What a frame does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Doing {
    /// Its state is to be entered.
    Ready,
    /// A `Wait` until the deadline.
    Waiting,
    /// A retry at the deadline.
    BackingOff,
    /// Its state is to be tried again, without being entered again.
    Again,
    /// Work elsewhere.
    Working(Box<Working>),
    /// Its children run.
    Joining(Box<Join>),
    /// It did not succeed, or was cut short; `RedriveExecution` goes on from here.
    Halted(Option<Box<Join>>),
}

/// `$$.Map.Item`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Item {
    pub index: u32,
    pub value: Value,
    /// Of an item that was a field of an object.
    pub key: Option<Arc<str>>,
    /// Of items of a distributed Map.
    pub source: Option<Arc<str>>,
}

/// Place in the history.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trail {
    /// The event that the next one follows.
    pub last: u64,
    /// The event of the entry into the state.
    pub entered: u64,
    /// The event before that: what goes wrong during the entry follows it.
    pub before: u64,
    /// Whether the state is being entered.
    pub entering: bool,
}

impl Trail {
    /// A trail that starts after an event.
    pub fn after(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// The event that an error follows.
    pub fn of_error(&self) -> u64 {
        if self.entering { self.before } else { self.last }
    }
}

impl Frame {
    /// A frame of the machine itself, about to enter a state.
    pub fn at(state: StateIx, input: Value, now_ms: u64) -> Self {
        Self {
            parent: None,
            index: 0,
            ledger: OWN,
            item: None,
            state,
            input,
            variables: Variables::default(),
            trail: Trail::default(),
            entered_ms: now_ms,
            attempts: Vec::new(),
            doing: Doing::Ready,
            deadline_ms: None,
        }
    }

    /// The number of times the state was tried again.
    pub fn retries(&self) -> u32 {
        self.attempts.iter().sum()
    }
}

/// All frames.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Frames {
    slots: Vec<Option<Box<Frame>>>,
    free: Vec<FrameIx>,
}

impl Frames {
    /// Adds a frame.
    pub fn insert(&mut self, frame: Frame) -> FrameIx {
        let ix = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            FrameIx(self.slots.len() as u32 - 1)
        });
        self.put(ix, Box::new(frame));
        ix
    }

    /// Takes a frame out to run it; [`Frames::put`] or [`Frames::forget`] must follow.
    pub fn take(&mut self, ix: FrameIx) -> Option<Box<Frame>> {
        self.slots.get_mut(ix.0 as usize)?.take()
    }

    /// Puts a frame back.
    pub fn put(&mut self, ix: FrameIx, frame: Box<Frame>) {
        self.slots[ix.0 as usize] = Some(frame);
    }

    /// Gives up the place of a frame that was taken out.
    pub fn forget(&mut self, ix: FrameIx) {
        debug_assert!(self.slots[ix.0 as usize].is_none());
        self.free.push(ix);
    }

    /// A frame that is in.
    pub fn get(&self, ix: FrameIx) -> Option<&Frame> {
        self.slots.get(ix.0 as usize)?.as_deref()
    }

    /// All joins of frames that are in.
    pub fn joins(&mut self) -> impl Iterator<Item = (FrameIx, &mut Join)> {
        let frames = (0..).map(FrameIx).zip(&mut self.slots);
        frames.filter_map(|(ix, frame)| Some((ix, frame.as_mut()?.join()?)))
    }

    /// All that are in, by position.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.slots.iter().flatten().map(|frame| &**frame)
    }
}
