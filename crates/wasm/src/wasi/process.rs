//! Randomness, exit and yielding.

use super::{Answer, MODULE, errno};
use crate::failure::Exit;
use crate::guest::Guest;
use crate::memory;
use wasmtime::{Caller, Linker};

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> Answer<()> { Err(Exit(status).into()) })?;
    linker.func_wrap(MODULE, "sched_yield", || errno::SUCCESS)?;
    Ok(())
}

fn random_get(mut caller: Caller<'_, Guest>, ptr: u32, len: u32) -> Answer<i32> {
    let (memory, _) = memory::split(&mut caller)?;
    getrandom::fill(memory::write(memory, ptr, len)?)
        .map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    Ok(errno::SUCCESS)
}
