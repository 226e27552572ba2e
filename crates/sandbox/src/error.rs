//! Why a pool could not be made or told something.

use sluice_types::{AppKey, Code, Version};
use std::io;

/// Errors of this crate. What goes wrong with one invocation is its outcome, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such app version was added.
    #[error("{0} {1} is not known to the sandboxes")]
    UnknownApp(AppKey, Version),
    /// The kernel refused a descriptor, memory or a thread.
    #[error("sandboxes: {0}")]
    Host(#[from] io::Error),
}

impl Error {
    /// The stable code that users see.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownApp(..) => Code::UNKNOWN_NAME,
            Self::Host(_) => Code::INTERNAL,
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Host(errno.into())
    }
}
