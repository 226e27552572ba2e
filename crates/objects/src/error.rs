//! Why object memory could not do what it was asked.

use sluice_types::{Code, ObjectId};
use std::io;
use std::path::{Path, PathBuf};

/// Errors of this crate, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such object: released, never stored, or its file is gone.
    #[error("object {0} does not exist")]
    Unknown(ObjectId),
    /// The object belongs to another app; its bytes must be copied to cross.
    #[error("object {0} belongs to another app")]
    Foreign(ObjectId),
    /// A worker names memory that it does not own, that is in use, or that does not exist.
    #[error("a worker claims memory that is not its own: {0}")]
    Claim(&'static str),
    /// A worker has changed what it had put, after its digest was known.
    #[error("object {0} was changed after it was put")]
    Changed(ObjectId),
    /// A streamed object is longer than announced.
    #[error("more than the announced {expected} bytes were written")]
    TooLong {
        /// Announced length, in bytes.
        expected: u64,
    },
    /// Memory is full and everything in it is in use.
    #[error("object memory is full: {limit_bytes} bytes, all in use")]
    Full {
        /// The configured limit, in bytes.
        limit_bytes: u64,
    },
    /// A file could not be read or written; the disk may be full.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused memory.
    #[error("shared memory: {0}")]
    Memory(#[from] io::Error),
}

impl Error {
    pub(crate) fn disk<E: Into<io::Error>>(path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Disk { path: path.to_owned(), source: source.into() }
    }

    /// The stable code that users see.
    pub fn code(&self) -> Code {
        match self {
            Self::Disk { source, .. } | Self::Memory(source)
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                Code::DISK_FULL
            }
            Self::Full { .. } => Code::OVERLOADED,
            Self::Claim(_) | Self::Changed(_) => Code::WORKER_PROTOCOL,
            Self::TooLong { .. } => Code::BAD_REQUEST,
            _ => Code::INTERNAL,
        }
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Memory(errno.into())
    }
}
