//! The real clock and the kernel's randomness.

use crate::ports::World;
use std::io::{self, Read as _};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Time from the monotonic clock, anchored to the calendar at start: a clock that is set back stops nothing, and one
/// that is set forward fires nothing early. Randomness comes in blocks.
pub struct RealWorld {
    anchor: Instant,
    anchor_ms: u64,
    random: std::fs::File,
    pool: Vec<u64>,
}

impl RealWorld {
    pub fn new() -> io::Result<Self> {
        let random = std::fs::File::open("/dev/urandom")?;
        Ok(Self { anchor: Instant::now(), anchor_ms: unix_ms(), random, pool: Vec::new() })
    }

    fn refill(&mut self) {
        let mut block = [0u8; 512];
        self.random.read_exact(&mut block).expect("the kernel's random numbers do not end");
        self.pool
            .extend(block.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes"))));
    }
}

impl World for RealWorld {
    fn now_ms(&mut self) -> u64 {
        self.anchor_ms + self.anchor.elapsed().as_millis() as u64
    }

    fn now_us(&mut self) -> u64 {
        self.anchor.elapsed().as_micros() as u64
    }

    fn random(&mut self) -> u64 {
        if self.pool.is_empty() {
            self.refill();
        }
        self.pool.pop().expect("the pool was just filled")
    }
}

/// Milliseconds since the Unix epoch by the calendar.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
