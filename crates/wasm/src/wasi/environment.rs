//! Arguments and environment variables.

use super::{Answer, MODULE, errno, write_u32};
use crate::guest::Guest;
use crate::memory;
use wasmtime::{Caller, Linker};

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "args_sizes_get", |mut caller: Caller<'_, Guest>, count: u32, bytes: u32| {
        let strings = arguments(caller.data());
        write_sizes(&mut caller, &strings, count, bytes)
    })?;
    linker.func_wrap(MODULE, "args_get", |mut caller: Caller<'_, Guest>, list: u32, text: u32| {
        let strings = arguments(caller.data());
        write_strings(&mut caller, &strings, list, text)
    })?;
    linker.func_wrap(
        MODULE,
        "environ_sizes_get",
        |mut caller: Caller<'_, Guest>, count: u32, bytes: u32| {
            let strings = variables(caller.data());
            write_sizes(&mut caller, &strings, count, bytes)
        },
    )?;
    linker.func_wrap(MODULE, "environ_get", |mut caller: Caller<'_, Guest>, list: u32, text: u32| {
        let strings = variables(caller.data());
        write_strings(&mut caller, &strings, list, text)
    })?;
    Ok(())
}

fn arguments(guest: &Guest) -> Vec<String> {
    vec![guest.declaration.function.to_string()]
}

/// The function's own variables, and those that tell it where it is.
fn variables(guest: &Guest) -> Vec<String> {
    let (call, declaration) = (guest.call(), &guest.declaration);
    let first = call.inputs.arguments.objects().first();
    let bucket = first.and_then(|object| declaration.buckets.get(object.bucket.index()));
    let own = [
        ("SLUICE_RUN", Some(call.run.run_id.to_string())),
        ("SLUICE_FUNCTION", Some(declaration.function.to_string())),
        ("SLUICE_ATTEMPT", Some(call.attempt.0.to_string())),
        ("SLUICE_IDEMPOTENCY_KEY", Some(format!("{}:{}", call.run.run_id, call.id.seq))),
        ("SLUICE_KEY", call.inputs.key(0).map(ToString::to_string)),
        ("SLUICE_BUCKET", bucket.map(ToString::to_string)),
        ("SLUICE_GROUP", call.group.as_ref().map(ToString::to_string)),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    declaration.env.iter().map(|(name, value)| format!("{name}={value}")).chain(own).collect()
}

fn write_sizes(caller: &mut Caller<'_, Guest>, strings: &[String], count: u32, bytes: u32) -> Answer<i32> {
    let (memory, _) = memory::split(caller)?;
    write_u32(memory, count, memory::length(strings.len()))?;
    write_u32(memory, bytes, memory::length(strings.iter().map(|text| text.len() + 1).sum()))?;
    Ok(errno::SUCCESS)
}

/// Writes the strings one after another, each with a zero, and the list of pointers to them.
fn write_strings(caller: &mut Caller<'_, Guest>, strings: &[String], list: u32, text: u32) -> Answer<i32> {
    let (memory, _) = memory::split(caller)?;
    let (mut list, mut text) = (list, text);
    for string in strings {
        write_u32(memory, list, text)?;
        let len = memory::length(string.len());
        memory::write(memory, text, len)?.copy_from_slice(string.as_bytes());
        text = text.saturating_add(len);
        memory::write(memory, text, 1)?.fill(0);
        text = text.saturating_add(1);
        list = list.saturating_add(4);
    }
    Ok(errno::SUCCESS)
}
