//! What the code of a workflow has to do with the world: what it wants, and what it is told.

use crate::rng::Rng;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Polling, Poll};

/// A line of a journal or of a turn: a key and bytes.
pub type Line = (String, Bytes);

/// Why code did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned early.
    Returned(i64),
    /// It raised this.
    Raised(String),
    /// It was interrupted.
    Cancelled,
}

/// The code's side of the world.
#[derive(Clone)]
pub struct Context(Rc<RefCell<State>>);

struct State {
    signals: BTreeMap<String, VecDeque<i64>>,
    /// What commands came to that nobody has looked at.
    ended: BTreeMap<u64, Result<Bytes, String>>,
    interruptions: u32,
    /// Commands so far.
    commands: u64,
    /// What the journal has of them and the code has not wanted again yet, and whether it is to be put once more.
    expected: VecDeque<(Line, bool)>,
    /// What this turn wants.
    wanted: Vec<Line>,
    divergence: Option<String>,
    chance: Rng,
}

/// What a worker knows a value by.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:08x}", xxhash_rust::xxh3::xxh3_64(bytes) as u32)
}

impl Context {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            signals: BTreeMap::new(),
            ended: BTreeMap::new(),
            interruptions: 0,
            commands: 0,
            expected: VecDeque::new(),
            wanted: Vec::new(),
            divergence: None,
            chance: Rng::new(0),
        })))
    }

    /// A turn begins: chance follows from `entropy`, and these commands are expected.
    pub(super) fn begin(&self, entropy: u64, expected: impl Iterator<Item = (Line, bool)>) {
        let state = &mut *self.0.borrow_mut();
        state.chance = Rng::new(entropy);
        state.expected.extend(expected);
    }

    /// A turn ends: what it wanted, or how it differs from what was expected.
    pub(super) fn end(&self) -> Result<Vec<Line>, String> {
        let state = &mut *self.0.borrow_mut();
        match (state.divergence.take(), state.expected.front()) {
            (Some(divergence), _) => Err(divergence),
            (None, Some(((key, _), _))) => Err(format!("expected {key:?}, but the code wants nothing")),
            (None, None) => Ok(std::mem::take(&mut state.wanted)),
        }
    }

    pub(super) fn signal_came(&self, name: &str, number: i64) {
        self.0.borrow_mut().signals.entry(name.to_owned()).or_default().push_back(number);
    }

    pub(super) fn command_ended(&self, number: u64, end: Result<Bytes, String>) {
        self.0.borrow_mut().ended.insert(number, end);
    }

    pub(super) fn interrupt(&self) {
        self.0.borrow_mut().interruptions += 1;
    }

    /// Wants something, unless it has wanted that before. Gives its number.
    pub(super) fn want(&self, what: &str, value: Bytes) -> u64 {
        let state = &mut *self.0.borrow_mut();
        let key = format!("{} {what}", digest(&value));
        match state.expected.pop_front() {
            None => state.wanted.push((key, value)),
            Some(((expected, _), again)) if expected == key => {
                state.wanted.extend(again.then_some((key, value)));
            }
            Some(((expected, _), _)) => {
                let message = format!("expected {expected:?}, the code wants {key:?}");
                state.divergence.get_or_insert(message);
            }
        }
        state.commands += 1;
        state.commands - 1
    }

    /// 0 or 1, by chance, and the same when the code runs again.
    pub(super) fn record(&self, name: &str) -> i64 {
        let what = format!("record {name}");
        let bytes = self.remembered(&what).unwrap_or_else(|| {
            let bytes = Bytes::from(self.0.borrow_mut().chance.below(2).to_string());
            self.want(&what, bytes.clone());
            bytes
        });
        number(&bytes)
    }

    /// What the journal has of a `record` that the code wants again.
    fn remembered(&self, what: &str) -> Option<Bytes> {
        let state = &mut *self.0.borrow_mut();
        let ((_, bytes), _) = state
            .expected
            .pop_front_if(|((key, _), _)| key.split_once(' ').is_some_and(|(_, known)| known == what))?;
        state.commands += 1;
        Some(bytes)
    }

    /// What a command comes to.
    pub(super) fn command(&self, what: String, value: Bytes) -> Wait {
        Wait::new(self, For::Command { what, value, number: None })
    }

    /// The oldest signal of a name that nobody has taken.
    pub(super) fn signal(&self, name: &str) -> Wait {
        Wait::new(self, For::Signal(name.to_owned()))
    }
}

/// The number that bytes tell.
pub(super) fn number(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What code waits for. Dropped before it has come, a command is taken back.
pub(super) struct Wait {
    context: Context,
    interruptions: u32,
    what: For,
}

enum For {
    Command { what: String, value: Bytes, number: Option<u64> },
    Signal(String),
    Nothing,
}

impl Wait {
    fn new(context: &Context, what: For) -> Self {
        let interruptions = context.0.borrow().interruptions;
        Self { context: context.clone(), interruptions, what }
    }

    fn take(&mut self) -> Option<Result<i64, Exit>> {
        match &mut self.what {
            For::Command { what, value, number } => {
                let number = *number.get_or_insert_with(|| self.context.want(what, value.clone()));
                let end = self.context.0.borrow_mut().ended.remove(&number)?;
                Some(end.map(|bytes| self::number(&bytes)).map_err(Exit::Raised))
            }
            For::Signal(name) => {
                let state = &mut *self.context.0.borrow_mut();
                state.signals.get_mut(name)?.pop_front().map(Ok)
            }
            For::Nothing => None,
        }
    }
}

impl Future for Wait {
    type Output = Result<i64, Exit>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Polling<'_>) -> Poll<Self::Output> {
        if let Some(end) = self.take() {
            self.what = For::Nothing;
            return Poll::Ready(end);
        }
        match self.context.0.borrow().interruptions > self.interruptions {
            true => Poll::Ready(Err(Exit::Cancelled)),
            false => Poll::Pending,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let For::Command { number: Some(number), .. } = self.what {
            self.context.want(&format!("cancel {number}"), Bytes::new());
        }
    }
}
