//! Randomness from a seed, and the time of an event: the world of an execution's expressions.

use super::effort::Effort;
use serde::{Deserialize, Serialize};
use sluice_expression::World;
use std::fmt::Write;

/// A sequence of random numbers that depends on nothing but its seed (SplitMix64).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 up to and including `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        ((u128::from(self.next()) * (u128::from(most) + 1)) >> 64) as u64
    }

    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> String {
        let high = (self.next() & !0xf000) | 0x4000;
        let low = (self.next() & !(0b11 << 62)) | (0b10 << 62);
        let mut text = String::with_capacity(36);
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
        write!(text, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
            .expect("a string takes any text");
        text
    }
}

/// The world as expressions see it at one event.
pub(super) struct Moment<'a> {
    pub now_ms: u64,
    pub chance: &'a mut Chance,
    pub effort: &'a mut Effort,
}

impl World for Moment<'_> {
    fn now_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn random_u64(&mut self) -> u64 {
        self.chance.next()
    }

    fn spent(&mut self, steps: u64) {
        self.effort.evaluated(steps);
    }
}
