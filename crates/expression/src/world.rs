//! What an expression may ask of the world.

/// The clock and the randomness of an evaluation.
///
/// Who evaluates chooses both, so that a replay sees what the first run saw.
pub trait World {
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&mut self) -> u64;

    /// The next number of a uniform distribution.
    fn random_u64(&mut self) -> u64;
}
