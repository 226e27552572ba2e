//! The native worker of the benchmarks: this very program, started with [`WORKER_ARGUMENT`] and what it is to be.

use crate::payload;
use sluice_sandbox::worker::{self, Answer, Call, Fault};
use sluice_types::ContentType;
use std::io;

/// The argument that makes a program that calls [`serve`] the worker.
pub const WORKER_ARGUMENT: &str = "__bench-worker";

/// Bucket that a chain goes through.
pub(crate) const LINKS: &str = "links";

/// The argument of the worker that does nothing.
pub(crate) const NOTHING: &str = "nothing";

/// Serves calls until the server is gone.
///
/// # Errors
/// When the server is gone or breaks the protocol.
pub fn serve() -> io::Result<()> {
    match std::env::args().nth(2).as_deref() {
        Some(payload::PRODUCE) => worker::serve(payload::produce),
        Some(payload::CONSUME) => worker::serve(payload::consume),
        Some(NOTHING) => worker::serve(|_| Ok(Answer::default())),
        _ => worker::serve(hop),
    }
}

/// Puts what it was called with under the next key, until none are left; then how long it has been since the first.
fn hop(call: &Call<'_>) -> Result<Answer, Fault> {
    let no_link = || io::Error::from(io::ErrorKind::InvalidData);
    let input = call.objects()?.into_iter().next().ok_or_else(no_link)?;
    let mut bytes = input.bytes().to_vec();
    let [left, begun_ns] = *bytes.get(..16).ok_or_else(no_link)?.as_chunks::<8>().0 else {
        return Err(no_link().into());
    };
    let begun_ns = match u64::from_le_bytes(begun_ns) {
        0 => now_ns(),
        begun_ns => begun_ns,
    };
    match u64::from_le_bytes(left).checked_sub(1) {
        Some(next) => {
            bytes[..8].copy_from_slice(&next.to_le_bytes());
            bytes[8..16].copy_from_slice(&begun_ns.to_le_bytes());
            call.put(LINKS, &next.to_string(), &ContentType::Bytes, &bytes)?;
        }
        None => call.put("output", "t", &ContentType::Bytes, &(now_ns() - begun_ns).to_le_bytes())?,
    }
    Ok(Answer::default())
}

/// Nanoseconds on the clock that all processes of this machine share.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
