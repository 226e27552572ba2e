//! The code of a workflow as the simulator thinks of it. It works on one number.

use serde::{Deserialize, Serialize};

/// What to do with the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plan {
    /// It grows.
    Add(i64),
    /// One after the other.
    Sequence(Vec<Plan>),
    /// A function gets it and gives another.
    Call {
        /// The function; that the app has it is not certain.
        function: String,
        /// What that adds.
        adds: i64,
        /// What it fails with instead, in every attempt.
        error: Option<String>,
    },
    /// All at once, and what they come to in one number. The first that fails takes the others back.
    Gather(Vec<Plan>),
    /// All at once until one has ended, which takes the others back.
    Race(Vec<Plan>),
    /// Milliseconds pass.
    Sleep(u64),
    /// The oldest signal of that name is added.
    Signal(String),
    /// As `Signal`, but for so many milliseconds at most; then [`LATE`] is added.
    SignalWithin(String, u64),
    /// Chance adds 0 or 1, and is remembered.
    Record,
    /// If the first fails, the second begins with what the first began with.
    Try(Box<Plan>, Box<Plan>),
    /// After the first, whatever it came to, the second.
    Finally(Box<Plan>, Box<Plan>),
    /// The code raises this.
    Fail(String),
    /// The number is put under this key, which nobody else uses.
    Put(String),
    /// An event of type [`TOLD`] without data is emitted.
    Emit,
    /// Another workflow of the app gets it and gives another; its plan.
    Child(String, Box<Plan>),
    /// The workflow ends with the number.
    Return,
    /// The code can begin here, with the number. A plan has it only in its outermost sequence, at this place.
    Checkpoint(usize),
}

/// What is added when no signal came in time.
pub const LATE: i64 = 50;
/// Error names of plans and their functions.
pub const ERRORS: [&str; 3] = ["Red", "Green", "Blue"];
/// A function that emits an event of type [`TOLD`] and no data.
pub const TELLER: &str = "task-2";
/// The bucket that plans put to.
pub const SHELF: &str = "shelf";
/// A signal that somebody sends in the end.
pub const TOLD: &str = "told";
/// A function that no app has, and what calling it fails with.
pub const NOWHERE: &str = "nowhere";
/// See [`NOWHERE`].
pub const UNKNOWN_FUNCTION: &str = "UnknownFunction";

impl Plan {
    /// The plan with something else to do first, or first after the checkpoint that is at this place.
    pub fn delayed(&self, checkpoint: Option<usize>, delay: Plan) -> Self {
        let Self::Sequence(plans) = self else { return Self::Sequence(vec![delay, self.clone()]) };
        let mut plans = plans.clone();
        plans.insert(checkpoint.map_or(0, |at| at + 1), delay);
        Self::Sequence(plans)
    }

    /// What is left of it after the checkpoint that is at this place.
    pub fn since(&self, checkpoint: usize) -> Self {
        match self {
            Self::Sequence(plans) => Self::Sequence(plans[checkpoint + 1..].to_vec()),
            other => other.clone(),
        }
    }

    /// Whether it may emit an event, or call what does.
    pub fn tells(&self) -> bool {
        match self {
            Self::Call { function, .. } => function == TELLER,
            Self::Emit => true,
            Self::Sequence(plans) | Self::Gather(plans) | Self::Race(plans) => plans.iter().any(Self::tells),
            Self::Try(one, other) | Self::Finally(one, other) => one.tells() || other.tells(),
            _ => false,
        }
    }
}

/// What several numbers come to, in their order.
pub fn together(numbers: impl IntoIterator<Item = i64>) -> i64 {
    numbers.into_iter().fold(1, |sum, number| (sum * 31 + number) % 9973)
}
