//! The guest's memory, as host functions may touch it: every pointer is checked here, once.

use crate::failure::Fault;
use crate::guest::Guest;
use wasmtime::Caller;

/// The memory and the host's data, at the same time.
///
/// # Errors
/// When the guest exports no memory, or calls while it is still being instantiated.
pub(crate) fn split<'a>(caller: &'a mut Caller<'_, Guest>) -> Result<(&'a mut [u8], &'a mut Guest), Fault> {
    match caller.data().memory {
        Some(memory) => Ok(memory.data_and_store_mut(caller)),
        None => Err(Fault::bad_argument("a host function was called before `memory` was there".into())),
    }
}

/// `len` bytes at `ptr`.
pub(crate) fn read(memory: &[u8], ptr: u32, len: u32) -> Result<&[u8], Fault> {
    let start = ptr as usize;
    memory.get(start..start + len as usize).ok_or_else(|| Fault::bad_pointer(ptr, len, memory.len()))
}

/// `len` bytes at `ptr`, to be written.
pub(crate) fn write(memory: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8], Fault> {
    let (start, memory_bytes) = (ptr as usize, memory.len());
    memory.get_mut(start..start + len as usize).ok_or_else(|| Fault::bad_pointer(ptr, len, memory_bytes))
}

/// `len` bytes of UTF-8 at `ptr`; `what` names them in the error.
pub(crate) fn text<'a>(memory: &'a [u8], ptr: u32, len: u32, what: &str) -> Result<&'a str, Fault> {
    std::str::from_utf8(read(memory, ptr, len)?).map_err(|_| Fault::not_utf8(what))
}

/// Copies as much of `bytes` as fits into the `cap` bytes at `ptr`; answers the length of all of them.
pub(crate) fn fill(memory: &mut [u8], ptr: u32, cap: u32, bytes: &[u8]) -> Result<u32, Fault> {
    let space = write(memory, ptr, cap)?;
    let fits = bytes.len().min(space.len());
    space[..fits].copy_from_slice(&bytes[..fits]);
    Ok(length(bytes.len()))
}

/// A length as the guest sees it. Nothing larger than its address space is ever handed to it.
pub(crate) fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
