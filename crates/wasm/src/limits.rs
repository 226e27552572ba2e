//! Limits of one attempt, beyond those every sandbox shares (`sluice_types::limits`).

/// Most objects that one attempt may put.
pub const PUTS_MAX: usize = 100_000;
/// Most events that one attempt may emit.
pub const EMITS_MAX: usize = sluice_types::limits::EVENT_BATCH_MAX;
/// Surplus instances dropped in one poll: returning one's memory to the host takes up to 30 µs.
pub const DROPS_PER_POLL_MAX: usize = 16;
/// Frames of a wasm backtrace that are kept.
pub const BACKTRACE_FRAMES_MAX: usize = 32;
/// Bytes of standard error quoted in a failure; all of it is in the log.
pub const STDERR_TAIL_BYTES: usize = 4 * 1024;
/// Tables that a module may have.
pub const TABLES_PER_MODULE_MAX: u32 = 2;
/// Elements that a table may have.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Calls that are over and whose memory is kept for others.
pub(crate) const USED_CALLS_MAX: usize = 16;
/// Longest value that is kept in one allocation with the count of those who share it.
pub(crate) const SMALL_BYTES: usize = 96;
