//! Time, cancellation, logging and giving up.

use super::MODULE;
use crate::failure::Fault;
use crate::guest::Guest;
use crate::memory;
use crate::output::Level;
use std::future::poll_fn;
use std::task::Poll;
use wasmtime::{AsContextMut, Caller, Linker};

type Answer<T> = Result<T, wasmtime::Error>;

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "log", log)?;
    linker.func_wrap_async(MODULE, "sleep_ms", |mut caller: Caller<'_, Guest>, (ms,): (u32,)| {
        Box::new(async move { Ok::<(), wasmtime::Error>(sleep(&mut caller, u64::from(ms)).await?) })
    })?;
    linker.func_wrap(MODULE, "cancelled", |caller: Caller<'_, Guest>| -> u32 {
        u32::from(caller.data().gate.is_cancelled())
    })?;
    linker.func_wrap(MODULE, "attempt", |caller: Caller<'_, Guest>| caller.data().call().attempt.0)?;
    linker.func_wrap(MODULE, "fail", fail)?;
    Ok(())
}

/// Suspends the guest's fiber; the shard resumes it when the time has come or the call is cancelled.
///
/// # Errors
/// When the call's time was over first.
pub(crate) async fn sleep(caller: &mut Caller<'_, Guest>, ms: u64) -> Result<(), Fault> {
    caller.data().gate.sleep(ms);
    yield_once().await;
    if caller.data().gate.is_expired() {
        return Err(Fault::timed_out(caller.data().declaration.timeout_ms));
    }
    // Without a new deadline the epochs slept through would count as a slice used up.
    let slice_ticks = caller.data().slice_ticks;
    caller.as_context_mut().set_epoch_deadline(slice_ticks);
    Ok(())
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|_| {
        let poll = if yielded { Poll::Ready(()) } else { Poll::Pending };
        yielded = true;
        poll
    })
    .await
}

fn log(mut caller: Caller<'_, Guest>, level: u32, ptr: u32, len: u32) -> Answer<()> {
    let (memory, guest) = memory::split(&mut caller)?;
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        _ => Level::Error,
    };
    guest.call_mut().output.log(level, memory::read(memory, ptr, len)?);
    Ok(())
}

/// Ends the attempt as failed.
fn fail(mut caller: Caller<'_, Guest>, ptr: u32, len: u32) -> Answer<()> {
    let (memory, _) = memory::split(&mut caller)?;
    let message = String::from_utf8_lossy(memory::read(memory, ptr, len)?).into_owned();
    Err(Fault::raised(message).into())
}
