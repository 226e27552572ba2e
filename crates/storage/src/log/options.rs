//! What the owner of a log may choose, and the limits of the format.

use sluice_types::Lsn;

/// Largest payload of one record, in bytes: a request of the largest size, and its envelope.
pub const RECORD_BYTES_MAX: usize = sluice_types::limits::REQUEST_BYTES_MAX + 1024 * 1024;

/// How a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Identity given to a log that is created now; it should be random. An existing log keeps its own.
    pub new_log_id: u64,
    /// A record known from elsewhere (the checkpoint) to be durable, 0 if none. Damage up to it is refused,
    /// and opening reads the log from here on.
    pub checkpoint_lsn: Lsn,
    /// Size of a segment file, in bytes. A larger record gets a segment of its own size.
    pub segment_bytes: u64,
    /// How far [`super::Log::prepare`] fills files with zeros ahead of the writing, in bytes.
    pub ahead_bytes: u64,
    /// What a file grows by at least when nothing was prepared, in bytes.
    pub growth_bytes: u64,
    /// Released segments kept for use again; further ones are removed.
    pub spares_max: usize,
    /// Disk space kept for work that is under way. New work is refused when less is free.
    pub reserve_bytes: u64,
    /// Bytes that may wait for a sync; the record that crosses the line is the last one taken.
    pub batch_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            new_log_id: 1,
            checkpoint_lsn: Lsn(0),
            segment_bytes: 64 * 1024 * 1024,
            ahead_bytes: 32 * 1024 * 1024,
            growth_bytes: 256 * 1024,
            spares_max: 2,
            reserve_bytes: 16 * 1024 * 1024,
            batch_bytes_max: 32 * 1024 * 1024,
        }
    }
}

/// Who may use the last of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Work not yet accepted: refused first.
    #[default]
    NewWork,
    /// Completions and cancels: work that is under way and sets space free.
    Progress,
}

/// What the owner says about a record besides its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Whether the record may use the reserve. Not stored.
    pub priority: Priority,
    /// Version of the payload's notation.
    pub format: u8,
    /// Compression of the payload; 0 is none.
    pub codec: u8,
    /// Key that encrypts the payload; 0 is none.
    pub key_id: u8,
    /// Version of the engine that decided what the record means.
    pub engine_version: u16,
    /// Trace id, parent id and flags of W3C Trace Context.
    pub traceparent: Option<Traceparent>,
}

/// Trace id (16 bytes), parent id (8) and flags (1), as W3C Trace Context has them.
pub type Traceparent = [u8; 25];
