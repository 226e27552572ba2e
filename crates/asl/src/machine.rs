//! A state machine as it is executed: names resolved, expressions compiled, defaults filled in.
//!
//! Each state is a trigger: it fires when a token arrives at it, and its action moves the token on.

use crate::{Expression, Template};
use sluice_expression::Value;
use sluice_expression::path::{Path, ReferencePath};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A whole definition.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `Comment`.
    pub comment: Option<Arc<str>>,
    /// `TimeoutSeconds` of an execution.
    pub timeout_seconds: Option<u64>,
    /// The top-level states.
    pub body: Block,
    /// Variables that each state refers to, by its name; states that refer to none are left out.
    pub variable_references: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

/// Position of a state in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct StateIx(pub u32);

/// States that refer to each other by name: a machine, a branch, an item processor.
#[derive(Clone, Debug)]
pub struct Block {
    /// `StartAt`.
    pub start: StateIx,
    /// In the order of the definition.
    pub states: Vec<State>,
}

impl Machine {
    /// The state of a name, in whatever block it is.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.body.block_of(name)?.states.iter().find(|state| *state.name == *name)
    }
}

impl Block {
    /// The block that has a state of that name: this one, or one within it.
    pub fn block_of(&self, name: &str) -> Option<&Self> {
        if self.states.iter().any(|state| *state.name == *name) {
            return Some(self);
        }
        self.states.iter().find_map(|outer| match &outer.kind {
            Kind::Parallel { branches } => branches.iter().find_map(|branch| branch.block_of(name)),
            Kind::Map(map) => map.processor.block_of(name),
            _ => None,
        })
    }
}

/// The language of a state's fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    #[default]
    JsonPath,
    /// Strings of the form `{% … %}` anywhere in `Arguments`, `Output`, `Assign` and the like.
    Jsonata,
}

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: Arc<str>,
    /// Its query language.
    pub query: QueryLanguage,
    /// What it does.
    pub kind: Kind,
    /// Where its token goes afterwards; of `Choice`, `Default`; of `Succeed` and `Fail`, the end.
    pub next: Option<Next>,
    /// `InputPath`; `None` is `null`, which makes the input `{}`. Without the field: `$`.
    pub input_path: Option<Path>,
    /// `Parameters` or `Arguments`. Of `Map`: only the arguments of its reader and writer are elsewhere.
    pub arguments: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`; `None` is `null`, which discards the result. Without the field: `$`.
    pub result_path: Option<ReferencePath>,
    /// `OutputPath`; `None` is `null`, which makes the output `{}`. Without the field: `$`.
    pub output_path: Option<Path>,
    /// `Output` (JSONata).
    pub output: Option<Template>,
    /// `Assign`.
    pub assign: Option<Template>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
}

/// Where a token goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To a state of the same block.
    State(StateIx),
    /// Out of the block.
    End,
}

/// What a state does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Passes its input on, or this.
    Pass {
        /// `Result`.
        result: Option<Value>,
    },
    /// Has work done elsewhere.
    Task(Task),
    /// Picks the next state.
    Choice {
        /// `Choices`, in order; the first that holds wins.
        rules: Vec<Rule>,
    },
    /// Waits.
    Wait(Wait),
    /// Ends its block with success.
    Succeed,
    /// Ends its block with an error.
    Fail {
        /// `Error` or `ErrorPath`.
        error: Option<Setting<Arc<str>>>,
        /// `Cause` or `CausePath`.
        cause: Option<Setting<Arc<str>>>,
    },
    /// Runs blocks side by side.
    Parallel {
        /// `Branches`.
        branches: Vec<Block>,
    },
    /// Runs a block for every item.
    Map(Box<Map>),
}

/// A field that is written down, or computed when the state is entered.
#[derive(Clone, Debug)]
pub enum Setting<T> {
    /// Written down.
    Fixed(T),
    /// Computed: a `…Path` field or a JSONata string.
    Computed(Expression),
}

/// Fields of `Task`.
#[derive(Clone, Debug)]
pub struct Task {
    /// `Resource`, as written.
    pub resource: Arc<str>,
    /// `TimeoutSeconds` or `TimeoutSecondsPath`; without it, no limit (of an activity or a callback: 99,999,999).
    pub timeout_seconds: Option<Setting<u64>>,
    /// `HeartbeatSeconds` or `HeartbeatSecondsPath`.
    pub heartbeat_seconds: Option<Setting<u64>>,
    /// `Credentials`: evaluated, checked and otherwise unused.
    pub credentials: Option<Template>,
}

/// When a `Wait` ends.
#[derive(Clone, Debug)]
pub enum Wait {
    /// `Seconds` or `SecondsPath`.
    Seconds(Setting<u64>),
    /// `Timestamp` or `TimestampPath`: RFC 3339 with `T` and an offset or `Z`.
    Timestamp(Setting<Arc<str>>),
}

/// One of the `Choices`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// When it holds.
    pub condition: Test,
    /// Where the token goes then.
    pub next: StateIx,
    /// `Assign` of the rule.
    pub assign: Option<Template>,
    /// `Output` of the rule (JSONata).
    pub output: Option<Template>,
}

/// A condition of a choice rule.
#[derive(Clone, Debug)]
pub enum Test {
    /// `Condition` (JSONata).
    Jsonata(Expression),
    /// `And`.
    All(Vec<Test>),
    /// `Or`.
    Any(Vec<Test>),
    /// `Not`.
    Not(Box<Test>),
    /// A comparison of a variable with something.
    Compare {
        /// `Variable`.
        variable: Path,
        /// How.
        operator: Operator,
        /// With what: written down, or a path of a `…Path` operator.
        operand: Setting<Value>,
    },
}

/// How a choice rule compares; `…Path` forms differ in the operand only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    BooleanEquals,
    IsBoolean,
    IsNull,
    IsNumeric,
    IsPresent,
    IsString,
    IsTimestamp,
    NumericEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    NumericLessThan,
    NumericLessThanEquals,
    StringEquals,
    StringGreaterThan,
    StringGreaterThanEquals,
    StringLessThan,
    StringLessThanEquals,
    StringMatches,
    TimestampEquals,
    TimestampGreaterThan,
    TimestampGreaterThanEquals,
    TimestampLessThan,
    TimestampLessThanEquals,
}

/// Fields of `Map`.
#[derive(Clone, Debug)]
pub struct Map {
    /// `ItemsPath` or `Items`; without it, the whole effective input.
    pub items: Option<Items>,
    /// `ItemReader` (distributed).
    pub reader: Option<ItemReader>,
    /// `ItemSelector`, or its old name `Parameters`.
    pub item_selector: Option<Template>,
    /// `ItemBatcher` (distributed).
    pub batcher: Option<ItemBatcher>,
    /// `ItemProcessor` or `Iterator`.
    pub processor: Block,
    /// Of `ProcessorConfig`.
    pub mode: MapMode,
    /// `MaxConcurrency` or `MaxConcurrencyPath`; 0 is no limit of its own.
    pub max_concurrency: Setting<u64>,
    /// `ToleratedFailureCount` or its path (distributed).
    pub tolerated_failure_count: Option<Setting<u64>>,
    /// `ToleratedFailurePercentage` or its path (distributed), 0 to 100.
    pub tolerated_failure_percentage: Option<Setting<f64>>,
    /// `ResultWriter` (distributed).
    pub writer: Option<ResultWriter>,
    /// `Label` (distributed).
    pub label: Option<Arc<str>>,
}

/// Where the items of a `Map` come from.
#[derive(Clone, Debug)]
pub enum Items {
    /// `ItemsPath`.
    Path(Path),
    /// `Items` (JSONata): an array, or an expression that gives an array or object.
    Template(Template),
}

/// `Mode` and `ExecutionType` of an item processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapMode {
    /// Iterations are part of the execution.
    Inline,
    /// Iterations are child executions of a map run.
    Distributed {
        /// `ExecutionType` is `EXPRESS`.
        express: bool,
    },
}

/// `ItemReader`.
#[derive(Clone, Debug)]
pub struct ItemReader {
    /// For example `arn:aws:states:::s3:getObject`.
    pub resource: Arc<str>,
    /// `Parameters` or `Arguments`.
    pub arguments: Option<Template>,
    /// `ReaderConfig.InputType`: `CSV`, `JSON`, `JSONL`, `MANIFEST`, `PARQUET`.
    pub input_type: Option<Arc<str>>,
    /// The rest of `ReaderConfig`, as written (`CSVHeaderLocation`, `CSVHeaders`, `CSVDelimiter`, `ManifestType`, …).
    pub config: Value,
    /// `ReaderConfig.MaxItems` or `MaxItemsPath`.
    pub max_items: Option<Setting<u64>>,
}

/// `ItemBatcher`.
#[derive(Clone, Debug)]
pub struct ItemBatcher {
    /// `MaxItemsPerBatch` or its path.
    pub max_items: Option<Setting<u64>>,
    /// `MaxInputBytesPerBatch` or its path.
    pub max_bytes: Option<Setting<u64>>,
    /// `BatchInput`.
    pub input: Option<Template>,
}

/// `ResultWriter`.
#[derive(Clone, Debug)]
pub struct ResultWriter {
    /// For example `arn:aws:states:::s3:putObject`; absent when only `WriterConfig` is given.
    pub resource: Option<Arc<str>>,
    /// `Parameters` or `Arguments`.
    pub arguments: Option<Template>,
    /// `WriterConfig`, as written (`Transformation`, `OutputType`).
    pub config: Value,
}

/// One of `Retry`.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// `ErrorEquals`.
    pub errors: Vec<Arc<str>>,
    /// `IntervalSeconds`; 1 without the field.
    pub interval_seconds: u64,
    /// `MaxAttempts`; 3 without the field.
    pub max_attempts: u64,
    /// `BackoffRate`; 2 without the field.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`.
    pub max_delay_seconds: Option<u64>,
    /// `JitterStrategy` is `FULL`.
    pub jitter: bool,
}

/// One of `Catch`.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// `ErrorEquals`.
    pub errors: Vec<Arc<str>>,
    /// Where the token goes.
    pub next: StateIx,
    /// `ResultPath`; as that of a state.
    pub result_path: Option<ReferencePath>,
    /// `Assign`.
    pub assign: Option<Template>,
    /// `Output` (JSONata).
    pub output: Option<Template>,
}
