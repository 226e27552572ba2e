//! The native worker of the benchmarks: this very program, started with [`WORKER_ARGUMENT`].

use sluice_sandbox::worker::{Answer, Call, Fault};
use sluice_types::ContentType;
use std::io;

/// The argument that makes a program that calls [`serve`] the worker.
pub const WORKER_ARGUMENT: &str = "__bench-worker";

/// Bucket that a chain goes through.
pub(crate) const LINKS: &str = "links";

/// Serves calls until the server is gone.
///
/// # Errors
/// When the server is gone or breaks the protocol.
pub fn serve() -> io::Result<()> {
    sluice_sandbox::worker::serve(hop)
}

/// Puts what it was called with under the next key, until none are left.
fn hop(call: &Call<'_>) -> Result<Answer, Fault> {
    let input =
        call.objects()?.into_iter().next().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut bytes = input.bytes()?.to_vec();
    let left = bytes.first_chunk_mut::<4>().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    if let Some(next) = u32::from_le_bytes(*left).checked_sub(1) {
        *left = next.to_le_bytes();
        call.put(LINKS, &next.to_string(), &ContentType::Bytes, &bytes)?;
    }
    Ok(Answer::default())
}
