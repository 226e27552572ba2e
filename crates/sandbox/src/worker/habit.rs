//! What a worker knows of a function: how long it goes on after its first put.
//!
//! Waking the server in the middle of a call and again at its end costs two changes of process more than waking it
//! once. A function that ends right after its puts, call after call, is not worth that: its messages are announced in
//! the slot and rung for at the end. A call that does not end after all is looked after by the server.

use crate::limits::PROMPT_END;
use std::time::Duration;

/// What a single call counts at most: one that was interrupted is forgotten soon.
const COUNTED_MAX: Duration = Duration::from_millis(1);

/// A moving average over about eight calls. It begins high: a new function rings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    mean: Duration,
}

impl Default for Habit {
    fn default() -> Self {
        Self { mean: COUNTED_MAX }
    }
}

impl Habit {
    /// Whether calls have ended right after their first put.
    pub fn is_prompt(self) -> bool {
        self.mean <= PROMPT_END
    }

    /// A call went on for that long after its first put.
    pub fn learn(&mut self, took: Duration) {
        self.mean = (self.mean * 7 + took.min(COUNTED_MAX)) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_prompt_after_many_short_calls_and_not_after_a_long_one() {
        let mut habit = Habit::default();
        let calls = (1..).find(|_| {
            habit.learn(Duration::from_micros(5));
            habit.is_prompt()
        });
        assert_eq!(calls, Some(24));
        habit.learn(Duration::from_secs(10));
        assert!(!habit.is_prompt());
        (0..20).for_each(|_| habit.learn(Duration::from_micros(5)));
        assert!(habit.is_prompt());
    }
}
