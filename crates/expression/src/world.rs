//! What an expression may ask of the world.

/// The clock and the randomness of an evaluation.
///
/// Who evaluates chooses both, so that a replay sees what the first run saw.
pub trait World {
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&mut self) -> u64;

    /// The next number of a uniform distribution.
    fn random_u64(&mut self) -> u64;

    /// Is told how many steps an evaluation has taken.
    fn spent(&mut self, _steps: u64) {}
}

/// A random UUID (version 4), as text.
pub fn uuid(world: &mut dyn World) -> String {
    let high = (world.random_u64() & !0xf000) | 0x4000;
    let low = (world.random_u64() & (u64::MAX >> 2)) | (1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
