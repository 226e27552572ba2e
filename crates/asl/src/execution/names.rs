//! Names of map runs and of their child executions: UUIDs (version 8) that say of which execution they are, so that
//! it is found by them without a search.

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartName {
    /// [`super::Settings::key`] of the execution.
    pub key: u64,
    /// Number of the map run, from 0.
    pub run: u32,
    /// Number of the child in the map run, from 0; `None` names the map run itself.
    pub child: Option<u32>,
}

/// Bits of a UUID that its version and variant leave free, below and above the variant.
const LOW_BITS: u32 = 62;
const MIDDLE_BITS: u32 = 12;
/// Bits for the number of a map run.
const RUN_BITS: u32 = 24;
/// In place of a child's number, in the name of a map run.
const NO_CHILD: u32 = u32::MAX;

impl PartName {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let hex: String = text.split('-').collect();
        if text.len() != 36 || hex.len() != 32 {
            return None;
        }
        let uuid = u128::from_str_radix(&hex, 16).ok()?;
        let low = uuid & ((1 << LOW_BITS) - 1);
        let middle = (uuid >> 64) & ((1 << MIDDLE_BITS) - 1);
        let facts = (uuid >> 80) << (LOW_BITS + MIDDLE_BITS) | middle << LOW_BITS | low;
        let child = Some(facts as u32).filter(|child| *child != NO_CHILD);
        let run = (facts >> 32) as u32 & ((1 << RUN_BITS) - 1);
        let name = Self { key: (facts >> (32 + RUN_BITS)) as u64, run, child };
        (name.to_string() == text).then_some(name)
    }
}

impl std::fmt::Display for PartName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let run = u128::from(self.run & ((1 << RUN_BITS) - 1));
        let child = u128::from(self.child.unwrap_or(NO_CHILD));
        let facts = u128::from(self.key) << (32 + RUN_BITS) | run << 32 | child;
        let (high, middle) =
            (facts >> (LOW_BITS + MIDDLE_BITS), facts >> LOW_BITS & ((1 << MIDDLE_BITS) - 1));
        let low = 0b10 << LOW_BITS | facts & ((1 << LOW_BITS) - 1);
        let (a, b) = (high >> 16, high & 0xffff);
        write!(f, "{a:08x}-{b:04x}-8{middle:03x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_uuids_that_say_what_they_name() {
        for key in [0, 1, 77, u64::MAX, 0x1234_5678_9abc_def0] {
            for (run, child) in [(0, None), (3, Some(0)), ((1 << RUN_BITS) - 1, Some(u32::MAX - 1))] {
                let name = PartName { key, run, child };
                let text = name.to_string();
                assert_eq!((text.len(), &text[14..15]), (36, "8"), "{text}");
                assert!("89ab".contains(&text[19..20]), "{text}");
                assert_eq!(PartName::parse(&text), Some(name));
            }
        }
    }

    #[test]
    fn other_texts_name_nothing() {
        for other in
            ["", "e1", "8f6c5cbe-2b6e-4d2e-9f5e-0a9d6a1d0c3b", "00000000-0000-8000-c000-000000000000"]
        {
            assert_eq!(PartName::parse(other), None, "{other}");
        }
    }
}
