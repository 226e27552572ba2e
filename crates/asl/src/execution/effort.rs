//! What the data of a state costs beside the state itself: steps of expressions, and values that are measured.

/// Steps of expressions that count as much as a step of a turn.
const EFFORT_PER_STEP: u64 = 100;
/// Bytes that are measured as fast as an expression takes a step.
const BYTES_PER_EFFORT: usize = 64;

/// Effort that was made, in steps of expressions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort(u64);

impl Effort {
    /// An expression has taken so many steps.
    pub fn evaluated(&mut self, steps: u64) {
        self.0 = self.0.saturating_add(steps);
    }

    /// A value of so many bytes was measured.
    pub fn measured(&mut self, bytes: usize) {
        self.evaluated((bytes / BYTES_PER_EFFORT) as u64);
    }

    /// The whole steps of a turn in it, which are taken out.
    pub fn take_steps(&mut self) -> u32 {
        let steps = self.0 / EFFORT_PER_STEP;
        self.0 %= EFFORT_PER_STEP;
        u32::try_from(steps).unwrap_or(u32::MAX)
    }
}
