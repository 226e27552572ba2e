//! The allocator of the binary. Small objects of many sizes live and die in a node by the million; the C library's
//! allocator keeps what they leave behind. Transparent huge pages are off: zeroing them costs more than they gain.
//!
//! Whoever links this crate allocates with it.

#![allow(unsafe_code)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives free memory back to the system. Takes milliseconds per 100 MiB and stops no other thread: for a thread of its own.
pub fn give_back() {
    // SAFETY: the call may be made from any thread at any time; it frees nothing that is in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
