//! Values with a unit or with two notations.

use super::{Retries, RetryDetails};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A duration in milliseconds, written as a number of seconds or as `500ms`, `30s`, `5m`, `1h`, `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// A size in bytes, written as a number or with a unit: `64KiB`, `256MiB`, `1.5GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Program and arguments: a list, or a text split as a shell splits words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

/// One name or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

/// A text, for which a number or a boolean may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

const MILLIS: &[(&str, f64)] = &[("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3600e3), ("d", 86_400e3)];
const BYTES: &[(&str, f64)] = &[
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

/// A number and one of the units, as a whole number of the smallest unit.
fn measure(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(unit_at);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    whole(number.parse::<f64>().ok()? * factor)
}

/// The nearest whole number; nothing for what is negative, not finite or beyond the precision of f64.
fn whole(value: f64) -> Option<u64> {
    (value.is_finite() && (0.0..=9e15).contains(&value)).then(|| value.round() as u64)
}

/// Forwards the two widths of integers to the visitor's one method for numbers.
macro_rules! integers_as {
    ($method:ident) => {
        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            self.$method(value as f64)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            self.$method(value as f64)
        }
    };
}

macro_rules! quantity {
    ($name:ident, $visitor:ident, $expecting:literal, $per_number:expr, $units:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }

        struct $visitor;

        impl Visitor<'_> for $visitor {
            type Value = $name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }

            integers_as!(visit_f64);

            fn visit_f64<E: Error>(self, value: f64) -> Result<$name, E> {
                let measured = whole(value * $per_number);
                measured
                    .map($name)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(value), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                let measured = measure(text, $units);
                measured.map($name).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
    };
}

quantity!(Millis, MillisVisitor, "a duration such as 30, 500ms, 30s, 5m, 1h or 2d", 1e3, MILLIS);
quantity!(Bytes, BytesVisitor, "a size such as 1048576, 64KiB, 256MiB or 1GiB", 1.0, BYTES);

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a program with its arguments, as a list of texts or as one text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Command, E> {
        let words = shlex::split(text);
        words
            .map(Command)
            .ok_or_else(|| E::custom("a quote in the command is not closed; close it, or give a list"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Command, A::Error> {
        Vec::<Text>::deserialize(SeqAccessDeserializer::new(seq)).map(|words| Command(texts(words)))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a list of names")
    }

    fn visit_unit<E>(self) -> Result<OneOrMany, E> {
        Ok(OneOrMany::default())
    }

    fn visit_str<E>(self, name: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![name.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    integers_as!(visit_f64);

    fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
}

/// The plain strings.
fn texts(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|t| t.0).collect()
}

impl<'de> Deserialize<'de> for Retries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RetriesVisitor)
    }
}

struct RetriesVisitor;

impl<'de> Visitor<'de> for RetriesVisitor {
    type Value = Retries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of retries, or {max, initial, backoff, max_delay, jitter}")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Retries, E> {
        let max = u32::try_from(value);
        let max = max.map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))?;
        Ok(Retries(RetryDetails { max: Some(max), ..RetryDetails::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Retries, A::Error> {
        RetryDetails::deserialize(MapAccessDeserializer::new(map)).map(Retries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_take_units() {
        let durations =
            [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("1h", 3_600_000), ("2 d", 172_800_000)];
        for (text, ms) in durations {
            assert_eq!(measure(text, MILLIS), Some(ms), "{text}");
        }
        for (text, bytes) in
            [("64KiB", 65_536), ("1.5GB", 1_500_000_000), ("256 MiB", 268_435_456), ("7b", 7)]
        {
            assert_eq!(measure(text, BYTES), Some(bytes), "{text}");
        }
        for text in ["", "s", "-1s", "1", "1 fortnight", "1..2s", "1e3s"] {
            assert_eq!(measure(text, MILLIS), None, "{text}");
        }
    }
}
