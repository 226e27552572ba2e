//! What an expression may ask of the world it is evaluated in.

/// Time and randomness, handed in so that evaluation can be repeated exactly.
pub trait World {
    /// Milliseconds since 1970-01-01T00:00:00Z; the same throughout one evaluation.
    fn now_ms(&mut self) -> u64;
    /// Sixty-four random bits, new at each call.
    fn random_u64(&mut self) -> u64;
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
