//! Time that goes where it is told, and chance from a seed.

use sluice_runtime::ports::World;
use std::cell::Cell;
use std::rc::Rc;

/// The clock of a rehearsal. Clones share the time.
#[derive(Clone, Debug)]
pub struct Clock(Rc<Cell<u64>>);

impl Clock {
    /// A clock that shows this time, in milliseconds since the Unix epoch.
    pub fn new(now_ms: u64) -> Self {
        Self(Rc::new(Cell::new(now_ms)))
    }

    pub fn now_ms(&self) -> u64 {
        self.0.get()
    }

    /// Moves the time, never back.
    pub fn advance_to(&self, ms: u64) {
        self.0.set(self.0.get().max(ms));
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}

/// Virtual time and seeded chance, as the shard sees them.
#[derive(Debug)]
pub struct Stage {
    pub clock: Clock,
    pub chance: Chance,
}

impl World for Stage {
    fn now_ms(&mut self) -> u64 {
        self.clock.now_ms()
    }

    fn now_us(&mut self) -> u64 {
        self.clock.now_ms() * 1_000
    }

    fn random(&mut self) -> u64 {
        self.chance.bits()
    }
}
