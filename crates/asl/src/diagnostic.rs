//! What is wrong with a definition, as `ValidateStateMachineDefinition` says it.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// It can, but maybe does not mean what its author thinks.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// AWS's code, such as `SCHEMA_VALIDATION_FAILED`.
    pub code: &'static str,
    /// What is wrong, and often what to do.
    pub message: String,
    /// The place as AWS names it, such as `/States/A/Next`; `None` where AWS names none.
    pub location: Option<String>,
    /// Line in the text, counted from 1.
    pub line: usize,
    /// Column in that line in characters, counted from 1.
    pub column: usize,
}

/// As the message of `InvalidDefinition` lists it: `CODE: message at location`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.code, self.message, self.location.as_deref().unwrap_or("null"))
    }
}

/// AWS's codes.
pub mod code {
    /// The text is not JSON.
    pub const INVALID_JSON_DESCRIPTION: &str = "INVALID_JSON_DESCRIPTION";
    /// The text is longer than a definition may be. AWS refuses the request without a code.
    pub const DEFINITION_TOO_LONG: &str = "DEFINITION_TOO_LONG";
    /// A field is missing, unknown or of the wrong shape.
    pub const SCHEMA_VALIDATION_FAILED: &str = "SCHEMA_VALIDATION_FAILED";
    /// A `Resource` is not one.
    pub const INVALID_RESOURCE: &str = "INVALID_RESOURCE";
    /// No state ends the workflow.
    pub const MISSING_END_STATE: &str = "MISSING_END_STATE";
    /// A state name is used more than once.
    pub const DUPLICATE_STATE_NAME: &str = "DUPLICATE_STATE_NAME";
    /// A state name is empty or too long.
    pub const INVALID_STATE_NAME: &str = "INVALID_STATE_NAME";
    /// A map label is used more than once.
    pub const DUPLICATE_LABEL_NAME: &str = "DUPLICATE_LABEL_NAME";
    /// A map label is too long or has characters that no label has.
    pub const INVALID_LABEL_NAME: &str = "INVALID_LABEL_NAME";
    /// A transition leads to no state, or no transition leads to a state.
    pub const MISSING_TRANSITION_TARGET: &str = "MISSING_TRANSITION_TARGET";
    /// States are nested too deeply.
    pub const TOO_DEEPLY_NESTED: &str = "TOO_DEEPLY_NESTED";
    /// A JSONata expression does not parse.
    pub const INVALID_JSONATA_EXPRESSION: &str = "INVALID_JSONATA_EXPRESSION";
    /// A JSONata expression refers to something that is not there.
    pub const UNSUPPORTED_JSONATA_EXPRESSION: &str = "UNSUPPORTED_JSONATA_EXPRESSION";
    /// A field looks computed, but its name does not end in `.$`.
    pub const NO_DOLLAR: &str = "NO_DOLLAR";
    /// A value looks like a path, but the name of its field does not end in `Path`.
    pub const NO_PATH: &str = "NO_PATH";
    /// The result of a `Pass` state looks computed, but never is.
    pub const PASS_RESULT_IS_STATIC: &str = "PASS_RESULT_IS_STATIC";
}
