//! What a simulation found, and what it covered.

use super::mutant::Mutant;
use serde::Serialize;
use std::collections::BTreeMap;

/// Who found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checker {
    /// Everything accepted is in the state after every crash.
    NothingLost,
    /// Nothing fires or counts twice for one cause.
    NothingTwice,
    /// No answer comes before what it tells is durable.
    NoEarlyAnswer,
    /// The same log gives the same state.
    SameState,
    /// Every run ends once faults stop.
    RunsEnd,
    /// Runs compute what the naive model predicts.
    Model,
    /// Objects are there while anything names them, and released once.
    Objects,
    /// The shard opens again, and nothing in it panics.
    Recovery,
}

/// A checker's complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Who complains.
    pub checker: Checker,
    /// What about.
    pub message: String,
}

impl Violation {
    pub(crate) fn new(checker: Checker, message: impl Into<String>) -> Self {
        Self { checker, message: message.into() }
    }
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Firings of triggers, by condition.
    pub conditions: BTreeMap<&'static str, u64>,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Log records, by kind of input.
    pub inputs: BTreeMap<&'static str, u64>,
    /// What was compared with what, by checker or by part of one.
    pub checks: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(crate) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn check(&mut self, kind: &'static str, times: usize) {
        *self.checks.entry(kind).or_default() += times as u64;
    }

    /// Adds what another simulation covered.
    pub fn add(&mut self, other: &Self) {
        let tables = [
            (&mut self.conditions, &other.conditions),
            (&mut self.faults, &other.faults),
            (&mut self.inputs, &other.inputs),
            (&mut self.checks, &other.checks),
        ];
        for (table, more) in tables {
            more.iter().for_each(|(name, count)| *table.entry(name).or_default() += count);
        }
    }
}

/// A seed that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was found.
    #[serde(flatten)]
    pub violation: Violation,
    /// The command that shows it again.
    pub replay: String,
}

/// One seed.
#[derive(Clone, Debug)]
pub struct SeedReport {
    /// Log records written.
    pub inputs: u64,
    /// What happened.
    pub coverage: Coverage,
    /// What is wrong, if anything is.
    pub violation: Option<Violation>,
}

/// All seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Log records written.
    pub inputs: u64,
    /// Log records of the seed with the fewest.
    pub inputs_min: u64,
    /// Different faults of the seed with the fewest.
    pub fault_kinds_min: u64,
    /// What happened.
    pub coverage: Coverage,
    /// The failing seed with the lowest number, if there is one.
    pub failure: Option<Failure>,
}

/// A mutant, and the seed that found it.
#[derive(Clone, Debug, Serialize)]
pub struct Hunt {
    /// Its name.
    pub mutant: &'static str,
    /// How it was found; `None` when it was not.
    pub found: Option<Failure>,
}

/// The command that replays a seed.
pub(crate) fn replay_command(seed: u64, inputs: u64, mutant: Option<Mutant>) -> String {
    let mutant = mutant.map(|mutant| format!(" --mutant {mutant}")).unwrap_or_default();
    format!("sluice sim --seed {seed} --inputs {inputs}{mutant}")
}
