//! What the guest was called with.

use super::MODULE;
use crate::declaration::Declaration;
use crate::failure::Fault;
use crate::guest::Guest;
use crate::inputs::Inputs;
use crate::memory;
use sluice_types::invocation::Arguments;
use sluice_types::{Event, EventView, Object};
use std::borrow::Cow;
use wasmtime::{Caller, Linker};

/// What `input_attribute` answers when there is no such attribute.
const ABSENT: i32 = -1;

type Answer<T> = Result<T, wasmtime::Error>;

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "input_count", input_count)?;
    linker.func_wrap(MODULE, "input_len", input_len)?;
    linker.func_wrap(MODULE, "input_read", input_read)?;
    linker.func_wrap(MODULE, "input_key", input_key)?;
    linker.func_wrap(MODULE, "input_attribute", input_attribute)?;
    Ok(())
}

fn input_count(caller: Caller<'_, Guest>) -> u32 {
    memory::length(caller.data().call().inputs.count())
}

fn input_len(caller: Caller<'_, Guest>, position: u32) -> Answer<u32> {
    Ok(memory::length(input(&caller.data().call().inputs, position)?.len()))
}

/// Copies bytes `offset..offset + len` of an input to `ptr`; answers how many there were to copy.
fn input_read(mut caller: Caller<'_, Guest>, position: u32, ptr: u32, offset: u32, len: u32) -> Answer<u32> {
    let (memory, guest) = memory::split(&mut caller)?;
    let bytes = input(&guest.call().inputs, position)?;
    let from = bytes.get(offset as usize..).unwrap_or_default();
    let count = from.len().min(len as usize);
    memory::write(memory, ptr, len)?[..count].copy_from_slice(&from[..count]);
    Ok(memory::length(count))
}

/// Copies the key of an input, cut off at `cap` bytes; answers its full length.
fn input_key(mut caller: Caller<'_, Guest>, position: u32, ptr: u32, cap: u32) -> Answer<u32> {
    let (memory, guest) = memory::split(&mut caller)?;
    let key = guest.call().inputs.key(position as usize).ok_or_else(|| no_input(position))?;
    Ok(memory::fill(memory, ptr, cap, key.as_bytes())?)
}

/// Copies an attribute of an input, cut off at `cap` bytes; answers its full length, or `ABSENT`.
fn input_attribute(
    mut caller: Caller<'_, Guest>,
    position: u32,
    name_ptr: u32,
    name_len: u32,
    ptr: u32,
    cap: u32,
) -> Answer<i32> {
    let (memory, guest) = memory::split(&mut caller)?;
    let name = memory::text(memory, name_ptr, name_len, "the name of an attribute")?;
    let value = match &guest.call().inputs.arguments {
        Arguments::Event(event) if position == 0 => event_attribute(event, name),
        Arguments::Events { .. } => {
            let event = guest.call().inputs.event(position as usize).ok_or_else(|| no_input(position))?;
            listed_attribute(event, name)
        }
        arguments => {
            let object = arguments.objects().get(position as usize).ok_or_else(|| no_input(position))?;
            object_attribute(object, &guest.declaration, name)
        }
    };
    match value {
        Some(value) => Ok(memory::fill(memory, ptr, cap, value.as_bytes())?.cast_signed()),
        None => Ok(ABSENT),
    }
}

fn object_attribute<'a>(
    object: &'a Object,
    declaration: &'a Declaration,
    name: &str,
) -> Option<Cow<'a, str>> {
    let value = match name {
        "bucket" => declaration.buckets.get(object.bucket.index())?,
        "content_type" => object.content_type.as_str(),
        "group" => object.group.as_deref()?,
        _ => object.meta.as_ref()?.get(name.strip_prefix("meta.")?)?,
    };
    Some(value.into())
}

fn event_attribute<'a>(event: &'a Event, name: &str) -> Option<Cow<'a, str>> {
    let value = match name {
        "id" => &*event.id,
        "type" => &event.r#type,
        "source" => &event.source,
        "subject" => event.subject.as_deref()?,
        "content_type" => event.content_type.as_str(),
        "time_ms" => return Some(event.time_ms.to_string().into()),
        _ => return None,
    };
    Some(value.into())
}

fn listed_attribute<'a>(event: EventView<'a>, name: &str) -> Option<Cow<'a, str>> {
    let value = match name {
        "id" => event.id,
        "type" => &event.head.r#type,
        "source" => &event.head.source,
        "subject" => event.head.subject.as_deref()?,
        "content_type" => event.head.content_type.as_str(),
        "time_ms" => return Some(event.time_ms.to_string().into()),
        _ => return None,
    };
    Some(value.into())
}

fn input(inputs: &Inputs, position: u32) -> Result<&[u8], Fault> {
    inputs.bytes(position as usize).ok_or_else(|| no_input(position))
}

fn no_input(position: u32) -> Fault {
    Fault::bad_argument(format!("there is no input {position}"))
}
