//! What is in a file: bytes that follow from its id, so that whoever reads one knows what it must find.

use xxhash_rust::xxh3::xxh3_64;

/// Odd, without a pattern; the golden ratio in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// A multiplier of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
const MIX: u64 = 0xbf58_476d_1ce4_e5b9;

/// The endless text of a file, of which its first bytes are its contents. Every byte depends on the id and its position.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    seed: u64,
}

impl Contents {
    /// That of the file with this id.
    pub fn of(id: &str) -> Self {
        Self { seed: xxh3_64(id.as_bytes()) }
    }

    fn word(self, index: u64) -> u64 {
        let mixed = self.seed.wrapping_add(index.wrapping_mul(STEP));
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(MIX);
        mixed ^ (mixed >> 27)
    }

    /// Fills a file.
    pub fn write(self, out: &mut [u8]) {
        let (words, rest) = out.as_chunks_mut::<8>();
        let full = words.len() as u64;
        for (word, index) in words.iter_mut().zip(0..) {
            *word = self.word(index).to_le_bytes();
        }
        let last = self.word(full).to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// Where a file first differs from what it must be.
    pub fn difference(self, found: &[u8]) -> Option<Difference> {
        let (words, rest) = found.as_chunks::<8>();
        let wrong =
            words.iter().zip(0..).find(|(word, index)| u64::from_le_bytes(**word) != self.word(*index));
        let (found, index): (&[u8], u64) = match wrong {
            Some((word, index)) => (word, index),
            None => (rest, words.len() as u64),
        };
        let expected = self.word(index).to_le_bytes();
        let at = found.iter().zip(&expected).position(|(found, expected)| found != expected)?;
        Some(Difference { offset: index * 8 + at as u64, expected: expected[at], found: found[at] })
    }
}

/// A byte that is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its position in the file.
    pub offset: u64,
    /// What it must be.
    pub expected: u8,
    /// What it is.
    pub found: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_wrong_byte_is_found_wherever_it_is() {
        let contents = Contents::of("ä.fits");
        for len in 1..40 {
            let mut file = vec![0; len];
            contents.write(&mut file);
            assert_eq!(contents.difference(&file), None);
            for offset in 0..len {
                let mut wrong = file.clone();
                wrong[offset] ^= 1;
                let found = contents.difference(&wrong).expect("a byte is wrong");
                assert_eq!((found.offset, found.found ^ found.expected), (offset as u64, 1));
            }
        }
    }

    #[test]
    fn files_differ_by_id_and_bytes_by_position() {
        let text = |id: &str| {
            let mut bytes = vec![0; 1 << 16];
            Contents::of(id).write(&mut bytes);
            bytes
        };
        let (a, b) = (text("a"), text("b"));
        let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
        assert!((100..500).contains(&same), "{same} of 65536 bytes are the same, about 256 by chance");
        let shifted = a.iter().zip(&a[8..]).filter(|(a, b)| a == b).count();
        assert!((100..500).contains(&shifted), "{shifted} bytes are those of a word before");
    }
}
