//! Why a benchmark ended without figures.

use sluice_types::{Code, Problem};
use std::io;

/// Why a benchmark ended without figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node refused something, or a run failed.
    #[error(transparent)]
    Node(#[from] Problem),
    /// The machine refused something that a floor needs.
    #[error("{0}")]
    Machine(#[from] io::Error),
    /// Something ended otherwise than the benchmark asked for, so its time means nothing.
    #[error("{0}")]
    Unexpected(String),
}

impl From<rustix::io::Errno> for Error {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Machine(error.into())
    }
}

impl Error {
    /// The error as users see it.
    pub fn problem(self) -> Problem {
        match self {
            Self::Node(problem) => problem,
            Self::Machine(error) => Problem::new(
                Code::HOST_LACKS,
                format!("the benchmark cannot run: {error}"),
                "see `sluice doctor`",
            ),
            Self::Unexpected(what) => {
                Problem::new(Code::INTERNAL, what, "run it again; if it stays, report it")
            }
        }
    }
}
