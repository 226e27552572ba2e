//! How large a value is: the length of its JSON, and how deep it nests, found without writing it.
//!
//! A value shares its parts, so that its JSON may be longer than any memory: whoever measures says where to stop.

use crate::Value;

/// Deepest nesting of a value that is kept: below the 128 levels at which the reader of JSON stops, with room for
/// what is put around it.
pub const VALUE_NESTING_MAX: usize = 120;

/// Why a value cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It nests deeper than [`VALUE_NESTING_MAX`].
    Nesting,
    /// Its JSON is longer than it may be.
    Bytes,
}

impl Value {
    /// Length of [`Value::to_json`], in bytes.
    pub fn json_bytes(&self) -> usize {
        let mut measure = Measure { left: usize::MAX, levels: usize::MAX };
        match measure.value(self) {
            Ok(()) => usize::MAX - measure.left,
            Err(_) => usize::MAX,
        }
    }

    /// Length of [`Value::to_json`], in bytes, if that is at most `bytes_max` and the value nests no deeper than
    /// [`VALUE_NESTING_MAX`]. Takes no longer than for a value of that size.
    pub fn measure(&self, bytes_max: usize) -> Result<usize, Excess> {
        let mut measure = Measure { left: bytes_max, levels: VALUE_NESTING_MAX };
        measure.value(self)?;
        Ok(bytes_max - measure.left)
    }
}

/// What is left of the limits.
struct Measure {
    left: usize,
    levels: usize,
}

impl Measure {
    fn take(&mut self, bytes: usize) -> Result<(), Excess> {
        self.left = self.left.checked_sub(bytes).ok_or(Excess::Bytes)?;
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), Excess> {
        match value {
            Value::Null | Value::Bool(true) => self.take(4),
            Value::Bool(false) => self.take(5),
            Value::Int(int) => self.take(int_bytes(*int)),
            Value::Float(_) => self.take(value.to_json().len()),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.within(items.len(), |measure| items.iter().try_for_each(|item| measure.value(item)))
            }
            Value::Object(fields) => self.within(fields.len(), |measure| {
                fields.iter().try_for_each(|(name, value)| {
                    measure.text(name)?;
                    measure.take(1)?;
                    measure.value(value)
                })
            }),
        }
    }

    /// What stands between brackets, with commas between so many parts.
    fn within(
        &mut self,
        parts: usize,
        content: impl FnOnce(&mut Self) -> Result<(), Excess>,
    ) -> Result<(), Excess> {
        self.levels = self.levels.checked_sub(1).ok_or(Excess::Nesting)?;
        self.take(2 + parts.saturating_sub(1))?;
        content(self)?;
        self.levels += 1;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Excess> {
        self.take(2 + text.len())?;
        self.take(text.bytes().map(|byte| usize::from(ESCAPE_BYTES[usize::from(byte)])).sum())
    }
}

/// Bytes that each byte of a string takes in JSON beside itself.
const ESCAPE_BYTES: [u8; 256] = {
    let mut extra = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        extra[byte] = 5;
        byte += 1;
    }
    let short = b"\x08\t\n\x0c\r\"\\";
    let mut at = 0;
    while at < short.len() {
        extra[short[at] as usize] = 1;
        at += 1;
    }
    extra
};

fn int_bytes(int: i64) -> usize {
    let digits = int.unsigned_abs().checked_ilog10().unwrap_or_default() as usize + 1;
    digits + usize::from(int < 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_filter_map("finite", |float| float.is_finite().then_some(Value::Float(float))),
            any::<String>().prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::array),
                prop::collection::vec((any::<String>(), inner), 0..4).prop_map(Value::fields),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_length_of_the_json(value in value()) {
            let bytes = value.to_json().len();
            prop_assert_eq!(value.json_bytes(), bytes);
            prop_assert_eq!(value.measure(bytes), Ok(bytes));
            prop_assert_eq!(value.measure(bytes - 1), Err(Excess::Bytes));
        }

        #[test]
        fn what_is_written_reads_back_as_itself(value in value()) {
            prop_assert_eq!(Value::parse(value.to_json().as_bytes()), Ok(value));
        }

        #[test]
        fn a_float_reads_back_bit_by_bit(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            let read = Value::parse(Value::Float(float).to_json().as_bytes());
            prop_assert_eq!(read.ok().and_then(|value| value.as_f64()).map(f64::to_bits), Some(bits));
        }
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::array(vec![inner]))
    }

    #[test]
    fn what_is_measured_can_be_read_back() {
        let deepest = nested(VALUE_NESTING_MAX);
        assert!(deepest.measure(usize::MAX).is_ok());
        assert!(Value::parse(deepest.to_json().as_bytes()).is_ok());
        assert_eq!(nested(VALUE_NESTING_MAX + 1).measure(usize::MAX), Err(Excess::Nesting));
    }

    #[test]
    fn a_value_that_is_shared_without_end_is_measured_to_the_limit() {
        let doubled = (0..100).fold(Value::Int(1), |inner, _| Value::array(vec![inner.clone(), inner]));
        assert_eq!(doubled.measure(1 << 20), Err(Excess::Bytes));
    }
}
