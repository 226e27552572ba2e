//! Limits that concern sandboxes only.

use std::time::Duration;

/// Longest time between the death sentence of a worker and that of its whole box.
pub const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// Longest time that an app may take to import.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(120);
/// A call that takes longer is not short: it must ring for what it puts, and may use other cores if it is not alone.
pub const SHORT_CALL: Duration = Duration::from_millis(5);
/// How long a function may go on after its first put, on average, for a worker to ring only at the end.
pub const PROMPT_END: Duration = Duration::from_micros(50);
/// Looks for what is ready in one poll: those that always have something to say do not keep the shard busy.
pub const LOOKS_MAX: usize = 16;
/// Zygotes that are kept while no worker is theirs.
pub const ZYGOTES_MAX: usize = 32;
/// Messages of one zygote heard at one look.
pub const ZYGOTE_MESSAGES_MAX: usize = 64;
/// Output of a starting app kept to explain why it did not start, in bytes.
pub const STARTUP_OUTPUT_BYTES_MAX: usize = 16 * 1024;
/// How long a worker without a call is kept although a class that has some would like one more: it may be about to get one.
pub const KEPT_IDLE: Duration = Duration::from_millis(100);
/// Calls that a worker is given beyond the one that runs.
pub const CALLS_AHEAD_MAX: usize = 16;
/// A function whose calls take no longer than this on average is given calls ahead: all of them together are still short.
pub const PROMPT_CALL: Duration =
    Duration::from_nanos(SHORT_CALL.as_nanos() as u64 / (CALLS_AHEAD_MAX as u64 + 1));
/// Extents that one call may introduce to a worker.
pub const NEW_EXTENTS_MAX: u8 = 200;
/// Objects that one call may have open at a time, to be read while it writes them. Each is a descriptor of the server's.
pub const STREAMS_PER_CALL_MAX: usize = 128;
/// Puts, log lines and emissions of one attempt.
pub const EMITS_MAX: usize = 10_000;
/// Processes and threads of one worker.
pub const WORKER_PIDS_MAX: u32 = 1024;
/// Niceness of workers: the shard gets its core back at once.
pub const WORKER_NICE: i32 = 10;
/// Lines of stderr that explain why a program failed.
pub const STDERR_LINES_MAX: usize = 40;
