//! What an evaluation has left.

use super::Limits;
use super::error::{Outcome, raise};
use crate::VALUE_NESTING_MAX;

/// Arrays and objects inside one another: what holds them is dropped by recursion, and a result is to be kept.
pub const NESTING_MAX: u16 = VALUE_NESTING_MAX as u16;

/// What is left of the limits.
pub struct Budget {
    steps_max: u64,
    steps: u64,
    bytes: u64,
    depth: u32,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self { steps_max: limits.steps, steps: limits.steps, bytes: limits.bytes, depth: limits.depth }
    }

    /// Takes steps.
    pub fn steps(&mut self, steps: usize) -> Outcome<()> {
        match self.steps.checked_sub(steps as u64) {
            Some(left) => self.steps = left,
            None => {
                self.steps = 0;
                return Err(raise("D1012"));
            }
        }
        Ok(())
    }

    /// How many steps were taken.
    pub fn spent(&self) -> u64 {
        self.steps_max - self.steps
    }

    /// Takes memory, before it is allocated where it can be much.
    pub fn bytes(&mut self, bytes: usize) -> Outcome<()> {
        match self.bytes.checked_sub(bytes as u64) {
            Some(left) => self.bytes = left,
            None => return Err(raise("D1013")),
        }
        Ok(())
    }

    /// How many levels deeper it may go.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Goes one level deeper, and takes a step.
    pub fn descend(&mut self) -> Outcome<()> {
        if self.depth == 0 {
            return Err(raise("U1001"));
        }
        self.steps(1)?;
        self.depth -= 1;
        Ok(())
    }

    /// Comes back.
    pub fn ascend(&mut self) {
        self.depth += 1;
    }
}
