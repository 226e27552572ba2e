//! Limits of the HTTP front, beyond those of [`sluice_types::limits`].

use std::time::Duration;

/// Longest `?wait=`.
pub const WAIT_MAX: Duration = Duration::from_secs(600);
/// Runs on a page of a listing, unless the client says.
pub const RUNS_PAGE_DEFAULT: usize = 100;
/// Most runs on a page of a listing.
pub const RUNS_PAGE_MAX: usize = 1_000;
/// Most lines on a page of a history, and how many there are unless the client says.
pub const HISTORY_PAGE_MAX: usize = 10_000;
/// Most live views that are open at once.
pub const STREAMS_MAX: usize = 256;
/// Time between two looks at a run by a live view.
pub const STREAM_PERIOD: Duration = Duration::from_millis(200);
/// Longest time for which a live view says nothing, so that proxies keep it open.
pub const STREAM_QUIET_MAX: Duration = Duration::from_secs(15);
/// A shard that has not gone round its loop for this long is stuck, in milliseconds.
pub const STALLED_MS_MAX: u64 = 5_000;
/// How long `/healthz` waits for the node to answer.
pub const HEALTH_PATIENCE: Duration = Duration::from_secs(2);
/// How long open requests may go on once the server stops.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
