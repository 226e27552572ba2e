//! Clocks, and waiting on them. Clocks are the host's; sleeping is the shard's.

use super::{Answer, MODULE, errno, read_u64, write_u32, write_u64};
use crate::abi;
use crate::failure::Fault;
use crate::guest::Guest;
use crate::memory;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};
use wasmtime::{Caller, Linker};

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
/// What both clocks promise, in nanoseconds.
const RESOLUTION_NS: u64 = 1;

/// Sizes of `subscription` and `event`, and where their fields are.
const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
/// Most subscriptions of one `poll_oneoff`.
const SUBSCRIPTIONS_MAX: u32 = 1024;
const TAG_CLOCK: u8 = 0;
const FLAG_ABSOLUTE: u8 = 1;

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "clock_res_get", |mut caller: Caller<'_, Guest>, clock: u32, out: u32| {
        write_time(&mut caller, out, (clock <= MONOTONIC).then_some(RESOLUTION_NS))
    })?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut caller: Caller<'_, Guest>, clock: u32, _precision: u64, out: u32| {
            write_time(&mut caller, out, now_ns(clock))
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        |mut caller: Caller<'_, Guest>, (subscriptions, events, count, out): (u32, u32, u32, u32)| {
            Box::new(async move { poll_oneoff(&mut caller, subscriptions, events, count, out).await })
        },
    )?;
    Ok(())
}

fn write_time(caller: &mut Caller<'_, Guest>, out: u32, time_ns: Option<u64>) -> Answer<i32> {
    let Some(time_ns) = time_ns else { return Ok(errno::INVAL) };
    let (memory, _) = memory::split(caller)?;
    write_u64(memory, out, time_ns)?;
    Ok(errno::SUCCESS)
}

/// Nanoseconds of a clock; `None` for clocks that there are not.
fn now_ns(clock: u32) -> Option<u64> {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = match clock {
        REALTIME => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO),
        MONOTONIC => START.elapsed(),
        _ => return None,
    };
    Some(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// One thing that a guest waits for.
struct Subscription {
    user_data: u64,
    tag: u8,
    /// How long from now; 0 for what is ready at once, as the standard streams always are.
    wait_ns: u64,
}

/// Waits for the first of the subscriptions and reports all that are ready then.
async fn poll_oneoff(
    caller: &mut Caller<'_, Guest>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> Answer<i32> {
    if count == 0 || count > SUBSCRIPTIONS_MAX {
        return Ok(errno::INVAL);
    }
    let wanted = (0..count)
        .map(|position| subscription(caller, subscriptions.saturating_add(position * SUBSCRIPTION_BYTES)))
        .collect::<Answer<Vec<_>>>()?;
    let first_ns = wanted.iter().map(|subscription| subscription.wait_ns).min().unwrap_or(0);
    if first_ns > 0 {
        abi::sleep(caller, first_ns.div_ceil(1_000_000)).await?;
    }
    let mut ready = 0;
    for Subscription { user_data, tag, .. } in wanted.iter().filter(|s| s.wait_ns <= first_ns) {
        let (memory, _) = memory::split(caller)?;
        let event = memory::write(memory, events.saturating_add(ready * EVENT_BYTES), EVENT_BYTES)?;
        event.fill(0);
        event[0..8].copy_from_slice(&user_data.to_le_bytes());
        event[10] = *tag;
        ready += 1;
    }
    let (memory, _) = memory::split(caller)?;
    write_u32(memory, out, ready)?;
    Ok(errno::SUCCESS)
}

fn subscription(caller: &mut Caller<'_, Guest>, at: u32) -> Answer<Subscription> {
    let (memory, _) = memory::split(caller)?;
    let bytes = memory::read(memory, at, SUBSCRIPTION_BYTES)?;
    let (user_data, tag) = (read_u64(bytes, 0)?, bytes[8]);
    let wait_ns = if tag == TAG_CLOCK { clock_wait_ns(bytes)? } else { 0 };
    Ok(Subscription { user_data, tag, wait_ns })
}

fn clock_wait_ns(bytes: &[u8]) -> Answer<u64> {
    let clock = super::read_u32(bytes, 16)?;
    let (timeout_ns, absolute) = (read_u64(bytes, 24)?, bytes[40] & FLAG_ABSOLUTE != 0);
    let now_ns = now_ns(clock).ok_or_else(|| Fault::bad_argument(format!("there is no clock {clock}")))?;
    Ok(if absolute { timeout_ns.saturating_sub(now_ns) } else { timeout_ns })
}
