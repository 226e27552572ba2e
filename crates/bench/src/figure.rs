//! What was measured.

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is, without percentile and unit: `hop`; empty for what the bench is named after.
    pub name: &'static str,
    /// The unit: `us`, `/s`, `GB/s`, or empty for a count or a ratio.
    pub unit: &'static str,
    /// How much.
    pub value: Value,
}

/// A number, or how samples are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// One number.
    One(f64),
    /// Percentiles of samples.
    Spread {
        /// The median.
        p50: f64,
        /// What 99 of 100 stay below.
        p99: f64,
        /// The largest.
        max: f64,
    },
}

impl Figure {
    /// One number.
    pub(crate) fn one(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, value: Value::One(value) }
    }

    /// How samples are spread.
    pub(crate) fn spread(name: &'static str, unit: &'static str, mut samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "{name} was measured at least once");
        samples.sort_unstable_by(f64::total_cmp);
        let at = |permille: usize| samples[(samples.len() - 1) * permille / 1000];
        Self { name, unit, value: Value::Spread { p50: at(500), p99: at(990), max: at(1000) } }
    }

    /// The figure as metrics: name and value. Units of time are part of the names.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let suffix = match self.unit {
            "us" | "ms" | "s" => format!("_{}", self.unit),
            _ => String::new(),
        };
        match self.value {
            Value::One(value) => vec![(format!("{}{suffix}", self.name), value)],
            Value::Spread { p50, p99, max } => [("p50", p50), ("p99", p99), ("max", max)]
                .map(|(percentile, value)| (format!("{}{percentile}{suffix}", prefix(self.name)), value))
                .into(),
        }
    }
}

/// What stands before a percentile: nothing when the bench itself is what was measured.
fn prefix(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name}_") }
}

/// The median of samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_by_percentile_and_unit() {
        let spread = Figure::spread("hop", "us", (0..=1000).rev().map(f64::from).collect());
        let expected = [("hop_p50_us", 500.0), ("hop_p99_us", 990.0), ("hop_max_us", 1000.0)];
        assert_eq!(spread.metrics(), expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(Figure::one("steps_per_s", "/s", 5.0).metrics(), [("steps_per_s".to_owned(), 5.0)]);
    }

    #[test]
    fn the_median_is_a_sample() {
        assert_eq!(median(&[3.0, 1.0, 2.0, 4.0]), 2.0);
    }
}
