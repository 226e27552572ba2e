//! What the guest produces. Everything is buffered and leaves when the guest returns.

use super::{MODULE, content_type};
use crate::failure::Fault;
use crate::guest::Guest;
use crate::memory;
use crate::output::shared;
use bytes::Bytes;
use sluice_types::invocation::Emission;
use sluice_types::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX};
use sluice_types::{BucketIx, Payload, Put};
use std::sync::Arc;
use wasmtime::{Caller, Linker};

/// A stretch of guest memory: pointer and length.
type Span = (u32, u32);
type Answer<T> = Result<T, wasmtime::Error>;

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "put", put)?;
    linker.func_wrap(MODULE, "put_to", put_to)?;
    linker.func_wrap(MODULE, "put_group", put_group)?;
    linker.func_wrap(MODULE, "ret", ret)?;
    linker.func_wrap(MODULE, "emit", emit)?;
    Ok(())
}

/// Puts an object into the bucket of that name.
fn put(
    mut caller: Caller<'_, Guest>,
    bucket_ptr: u32,
    bucket_len: u32,
    key_ptr: u32,
    key_len: u32,
    value_ptr: u32,
    value_len: u32,
    content_type: u32,
) -> Answer<u32> {
    let (memory, guest) = memory::split(&mut caller)?;
    let name = memory::read(memory, bucket_ptr, bucket_len)?;
    let bucket = guest
        .declaration
        .bucket_named(name)
        .ok_or_else(|| guest.undeclared(&String::from_utf8_lossy(name)))?;
    Ok(buffer(memory, guest, bucket, (key_ptr, key_len), (value_ptr, value_len), content_type)?)
}

/// Puts an object into the bucket at a position of the function's `into`; -1 is the run's output.
fn put_to(
    mut caller: Caller<'_, Guest>,
    position: i32,
    key_ptr: u32,
    key_len: u32,
    value_ptr: u32,
    value_len: u32,
    content_type: u32,
) -> Answer<u32> {
    let (memory, guest) = memory::split(&mut caller)?;
    let bucket =
        guest.declaration.bucket_at(position).ok_or_else(|| guest.undeclared(&format!("#{position}")))?;
    Ok(buffer(memory, guest, bucket, (key_ptr, key_len), (value_ptr, value_len), content_type)?)
}

/// Buffers one put; answers 1 when the call was told to stop, so that the put will not count, else 0.
fn buffer(
    memory: &[u8],
    guest: &mut Guest,
    bucket: BucketIx,
    (key_ptr, key_len): Span,
    (value_ptr, value_len): Span,
    number: u32,
) -> Result<u32, Fault> {
    let key = memory::text(memory, key_ptr, key_len, "a key")?;
    if key.is_empty() {
        return Err(Fault::bad_argument("a key must not be empty".into()));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Fault::too_long("a key", key.len(), KEY_BYTES_MAX));
    }
    let value = memory::read(memory, value_ptr, value_len)?;
    let put = Box::new(Put {
        bucket,
        key: key.into(),
        content_type: content_type(number)?,
        payload: Payload::Inline(shared(value)),
        group: guest.call().output.group.clone(),
        meta: None,
    });
    let bytes_max = guest.output_bytes_max();
    guest.call_mut().output.put(put, bytes_max)?;
    Ok(u32::from(guest.gate.is_cancelled()))
}

/// Names the group of the puts to come; an empty name ends it.
fn put_group(mut caller: Caller<'_, Guest>, ptr: u32, len: u32) -> Answer<()> {
    let (memory, guest) = memory::split(&mut caller)?;
    let group = memory::text(memory, ptr, len, "a group")?;
    if group.len() > KEY_BYTES_MAX {
        return Err(Fault::too_long("a group", group.len(), KEY_BYTES_MAX).into());
    }
    guest.call_mut().output.group = (!group.is_empty()).then(|| Arc::from(group));
    Ok(())
}

/// Sets the return value.
fn ret(mut caller: Caller<'_, Guest>, ptr: u32, len: u32, number: u32) -> Answer<()> {
    let (memory, guest) = memory::split(&mut caller)?;
    let bytes = shared(memory::read(memory, ptr, len)?);
    let bytes_max = guest.output_bytes_max();
    Ok(guest.call_mut().output.set_value(bytes, content_type(number)?, bytes_max)?)
}

/// Emits an event, should the call succeed.
fn emit(
    mut caller: Caller<'_, Guest>,
    type_ptr: u32,
    type_len: u32,
    data_ptr: u32,
    data_len: u32,
    number: u32,
) -> Answer<()> {
    let (memory, guest) = memory::split(&mut caller)?;
    let r#type = memory::text(memory, type_ptr, type_len, "the type of an event")?;
    if r#type.is_empty() {
        return Err(Fault::bad_argument("the type of an event must not be empty".into()).into());
    }
    if r#type.len() > NAME_BYTES_MAX {
        return Err(Fault::too_long("the type of an event", r#type.len(), NAME_BYTES_MAX).into());
    }
    let emission = Emission {
        r#type: r#type.into(),
        subject: None,
        content_type: content_type(number)?,
        data: Bytes::copy_from_slice(memory::read(memory, data_ptr, data_len)?),
    };
    let bytes_max = guest.output_bytes_max();
    Ok(guest.call_mut().output.emit(emission, bytes_max)?)
}
