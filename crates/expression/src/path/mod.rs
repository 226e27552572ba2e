//! Paths of the Amazon States Language: JsonPath in the dialect of Jayway, which is what AWS evaluates.
//!
//! It differs from RFC 9535: a definite path gives the value itself, `['a','b']` at the end of a path gives an object of
//! both fields, a filter applies to an object as well as to the items of an array, and a path may end in a function.

mod filter;
mod function;
mod missing;
mod parse;
mod reference;
pub mod rfc9535;
mod select;

pub use missing::Missing;
pub use reference::{Misplaced, ReferencePath};

use crate::Value;
use filter::Filter;
use function::Function;
use std::fmt;
use std::sync::Arc;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 8 * 1024;
/// Most values that the evaluation of one path visits, filters included.
pub const VISITS_MAX: usize = 10_000_000;
/// Deepest nesting of filters within a path.
pub const FILTER_NESTING_MAX: usize = 32;

/// A compiled path; a clone costs one count.
#[derive(Clone)]
pub struct Path {
    parts: Arc<Parts>,
}

struct Parts {
    source: Box<str>,
    root: Root,
    steps: Vec<Step>,
    function: Option<Function>,
    definite: bool,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// `$`: the input.
    Data,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(Arc<str>),
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {position}")]
pub struct PathError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start of the path.
    pub position: usize,
}

/// A path that visits more than [`VISITS_MAX`] values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path visits more than {VISITS_MAX} values")]
pub struct TooManyVisits;

/// One step from a value to values within it.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `['name']`
    Child(Arc<str>),
    /// `['a','b']`
    Children(Vec<Arc<str>>),
    /// `[0]`, `[-1]`
    Index(i64),
    /// `[0,2]`
    Indices(Vec<i64>),
    /// `[1:3]`
    Slice(Option<i64>, Option<i64>),
    /// `.*`, `[*]`
    Wildcard,
    /// `[?(…)]`
    Filter(Filter),
    /// `..`: the value and all within it; the step after it applies to each.
    Descent,
}

impl Path {
    /// Compiles a path.
    pub fn parse(source: &str) -> Result<Self, PathError> {
        parse::path(source)
    }

    /// Compiles the path at the start of a text that goes on after it, such as an argument; also gives its length in
    /// bytes. White space, an operator, `,` and `)` end it.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), PathError> {
        parse::prefix(text)
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.parts.source
    }

    /// What it starts from.
    pub fn root(&self) -> &Root {
        &self.parts.root
    }

    /// Whether it is its root and nothing more.
    pub fn is_root(&self) -> bool {
        self.parts.steps.is_empty() && self.parts.function.is_none()
    }

    /// Whether it names at most one value, so that it gives that value and not an array of all it finds.
    pub fn is_definite(&self) -> bool {
        self.parts.definite
    }

    /// What it finds below `root`; an indefinite path finds an array, maybe an empty one.
    ///
    /// # Errors
    /// It would visit more than [`VISITS_MAX`] values: several `..` multiply.
    pub fn search(&self, root: &Value) -> Result<Option<Value>, TooManyVisits> {
        select::search(&self.parts, root)
    }

    /// As [`Path::search`]; what visits too many values finds nothing.
    pub fn select(&self, root: &Value) -> Option<Value> {
        self.search(root).ok().flatten()
    }

    /// As [`Path::search`]; where it finds nothing, the reason in Jayway's words.
    pub fn find(&self, root: &Value) -> Result<Value, Missing> {
        let found = self.search(root).map_err(|error| Missing(error.to_string()))?;
        found.ok_or_else(|| missing::explain(&self.parts, root))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.source())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}
