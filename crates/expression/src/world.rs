//! What an expression may ask of the world it is evaluated in.

/// Time and randomness, handed in so that evaluation can be repeated exactly.
pub trait World {
    /// Milliseconds since 1970-01-01T00:00:00Z; the same throughout one evaluation.
    fn now_ms(&mut self) -> u64;
    /// Sixty-four random bits, new at each call.
    fn random_u64(&mut self) -> u64;
}
