//! Everything that can go wrong here, by what the caller can do about it.

use sluice_types::{Code, Lsn, Problem};
use std::io;
use std::path::{Path, PathBuf};

/// Why an operation of this crate failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record that was acknowledged cannot be read. Opening is refused; nothing was changed.
    #[error("{} is damaged at byte {offset}: record {lsn} was acknowledged and cannot be read", segment.display())]
    Corrupt {
        /// The segment file.
        segment: PathBuf,
        /// Where the damage begins, in bytes from the start of the segment.
        offset: u64,
        /// The first record that is lost.
        lsn: Lsn,
    },
    /// The run store contradicts itself or lies behind the log.
    #[error("the run store is damaged: {0}")]
    StoreCorrupt(String),
    /// A write or sync failed. What was appended since the last success may or may not be on disk; the handle
    /// takes no more. Open the log again to find out.
    #[error("a write to the log failed ({0}), so the outcome of the last requests is unknown")]
    OutcomeUnknown(String),
    /// The disk is too full for this. Nothing that was accepted is lost, and the handle stays usable.
    #[error("the disk is full")]
    DiskFull,
    /// The buffer of the log is full; sync, then append again.
    #[error("the log's buffer holds {buffered_bytes} bytes, its limit")]
    BatchFull {
        /// Bytes that wait for a sync.
        buffered_bytes: usize,
    },
    /// A record is larger than [`crate::log::RECORD_BYTES_MAX`].
    #[error("a record of {bytes} bytes exceeds the limit of {limit}")]
    RecordTooLarge {
        /// Size of the payload, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The records asked for have been released; the oldest kept is named.
    #[error("the log begins at {oldest}; what was before it has been released")]
    Truncated {
        /// The oldest record that can be read.
        oldest: Lsn,
    },
    /// Another process uses the data directory.
    #[error("{} is in use by {}", path.display(), pid.map_or("another process".into(), |p| format!("process {p}")))]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process, if it has left its number.
        pid: Option<u32>,
    },
    /// The data directory holds something else.
    #[error("{} is no data directory: it holds {name:?}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the names in it.
        name: String,
    },
    /// Files were written by a version that this one cannot read.
    #[error("{} has format {found}, this program reads {supported}", path.display())]
    Version {
        /// The file or directory.
        path: PathBuf,
        /// The format found.
        found: String,
        /// The formats this program reads.
        supported: String,
    },
    /// The file system refused; nothing was acknowledged.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The run store refused; the last checkpoint stands.
    #[error("the run store failed: {0}")]
    Store(String),
}

impl Error {
    /// The stable code that users see.
    pub fn code(&self) -> Code {
        match self {
            Self::Corrupt { .. } | Self::StoreCorrupt(_) => Code::DATA_CORRUPT,
            Self::OutcomeUnknown(_) => Code::OUTCOME_UNKNOWN,
            Self::DiskFull => Code::DISK_FULL,
            Self::BatchFull { .. } => Code::OVERLOADED,
            Self::RecordTooLarge { .. } => Code::LIMIT_EXCEEDED,
            Self::InUse { .. } => Code::DATA_DIR_IN_USE,
            Self::Version { .. } | Self::Foreign { .. } => Code::DATA_DIR_VERSION,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Code::FILE_NOT_FOUND,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Code::FILE_NOT_FOUND
            }
            Self::Truncated { .. } | Self::Io { .. } | Self::Store(_) => Code::INTERNAL,
        }
    }

    /// What the user can do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } | Self::StoreCorrupt(_) => {
                "check the disk, then restore the data directory from a backup; nothing has been changed in it"
            }
            Self::OutcomeUnknown(_) => "repeat the request with the same id once the server has recovered",
            Self::DiskFull => "free space on the disk that holds the data directory",
            Self::BatchFull { .. } => "wait a moment and repeat the request",
            Self::RecordTooLarge { .. } => "send large values as objects of their own",
            Self::Truncated { .. } => "read from the oldest record on",
            Self::InUse { .. } => "stop the other process, or give this one a data directory of its own",
            Self::Foreign { .. } => "choose an empty directory, or one that does not exist, with --data",
            Self::Version { .. } => "use the version of the program that wrote it, or a newer one",
            Self::Io { .. } => "check that the path exists, that it is writable and that the disk works",
            Self::Store(_) => "check the disk that holds the data directory, then start again",
        }
    }

    /// The error as a user reads it.
    pub fn problem(&self) -> Problem {
        Problem::new(self.code(), self.to_string(), self.fix())
    }

    /// An error of the file system at `path`; a full disk is told apart.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if is_full(&source) { Self::DiskFull } else { Self::Io { path: path.to_owned(), source } }
    }
}

/// Whether the disk or the quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
