//! File descriptors 0, 1 and 2. There are no others, and none can be opened.

use super::{Answer, MODULE, errno, read_u32, write_u32};
use crate::guest::Guest;
use crate::memory;
use wasmtime::{Caller, Linker};

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// File type of a stream that is no terminal: `socket_stream`.
const FILE_TYPE: u8 = 6;
const FDSTAT_BYTES: u32 = 24;
const FILESTAT_BYTES: u32 = 64;
const FILESTAT_TYPE_AT: usize = 16;
/// Rights of `fd_read` and `fd_write`.
const RIGHTS: u64 = 1 << 1 | 1 << 6;

pub(super) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "fd_close", |fd: u32| if is_open(fd) { errno::SUCCESS } else { errno::BADF })?;
    linker.func_wrap(MODULE, "fd_seek", |fd: u32, _offset: i64, _whence: u32, _out: u32| not_seekable(fd))?;
    linker.func_wrap(MODULE, "fd_tell", |fd: u32, _out: u32| not_seekable(fd))?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |fd: u32, _flags: u32| {
        if is_open(fd) { errno::SUCCESS } else { errno::BADF }
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", fd_filestat_get)?;
    linker.func_wrap(MODULE, "fd_prestat_get", |_fd: u32, _out: u32| errno::BADF)?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |_fd: u32, _ptr: u32, _len: u32| errno::BADF)?;
    Ok(())
}

fn is_open(fd: u32) -> bool {
    fd <= STDERR
}

fn not_seekable(fd: u32) -> i32 {
    if is_open(fd) { errno::SPIPE } else { errno::BADF }
}

/// One vector of a scattered read or a gathered write: pointer and length.
fn vector(memory: &[u8], list: u32, position: u32) -> Answer<(u32, u32)> {
    let at = list.saturating_add(position.saturating_mul(8));
    Ok((read_u32(memory, at)?, read_u32(memory, at.saturating_add(4))?))
}

fn fd_read(mut caller: Caller<'_, Guest>, fd: u32, list: u32, count: u32, out: u32) -> Answer<i32> {
    if fd != STDIN {
        return Ok(errno::BADF);
    }
    let (memory, guest) = memory::split(&mut caller)?;
    let mut total = 0;
    for position in 0..count {
        let (ptr, len) = vector(memory, list, position)?;
        let call = guest.call_mut();
        let read = call.stdio.read(&call.inputs, memory::write(memory, ptr, len)?);
        total += memory::length(read);
        if read < len as usize {
            break;
        }
    }
    write_u32(memory, out, total)?;
    Ok(errno::SUCCESS)
}

fn fd_write(mut caller: Caller<'_, Guest>, fd: u32, list: u32, count: u32, out: u32) -> Answer<i32> {
    if fd != STDOUT && fd != STDERR {
        return Ok(errno::BADF);
    }
    let (memory, guest) = memory::split(&mut caller)?;
    let bytes_max = guest.output_bytes_max();
    let mut total: u32 = 0;
    for position in 0..count {
        let (ptr, len) = vector(memory, list, position)?;
        let bytes = memory::read(memory, ptr, len)?;
        if fd == STDOUT {
            guest.call_mut().stdio.write_out(bytes, bytes_max)?;
        } else {
            guest.call_mut().stdio.write_err(bytes);
        }
        total = total.saturating_add(len);
    }
    write_u32(memory, out, total)?;
    Ok(errno::SUCCESS)
}

fn fd_fdstat_get(mut caller: Caller<'_, Guest>, fd: u32, out: u32) -> Answer<i32> {
    if !is_open(fd) {
        return Ok(errno::BADF);
    }
    let (memory, _) = memory::split(&mut caller)?;
    let stat = memory::write(memory, out, FDSTAT_BYTES)?;
    stat.fill(0);
    stat[0] = FILE_TYPE;
    stat[8..16].copy_from_slice(&RIGHTS.to_le_bytes());
    Ok(errno::SUCCESS)
}

fn fd_filestat_get(mut caller: Caller<'_, Guest>, fd: u32, out: u32) -> Answer<i32> {
    if !is_open(fd) {
        return Ok(errno::BADF);
    }
    let (memory, _) = memory::split(&mut caller)?;
    let stat = memory::write(memory, out, FILESTAT_BYTES)?;
    stat.fill(0);
    stat[FILESTAT_TYPE_AT] = FILE_TYPE;
    Ok(errno::SUCCESS)
}
