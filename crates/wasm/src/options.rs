//! What an operator can set, and how it translates to the settings of wasmtime.

use crate::limits;
use std::num::NonZeroUsize;
use std::time::Duration;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// How a process runs its Wasm functions.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most instances alive at once in the process: running, suspended and idle ones. They cost address space
    /// when the pool is made and memory only when used. Halved until the host can reserve them.
    pub instances_max: u32,
    /// Idle instances kept per function and shard; a function's `warm` raises it.
    pub idle_max: usize,
    /// Length of an epoch tick, the grain of slices.
    pub tick: Duration,
    /// Ticks that a call may run before it yields to the shard; the first may be cut short.
    pub slice_ticks: u64,
    /// Stack of a guest, in bytes.
    pub stack_bytes: usize,
    /// Bytes of a linear memory that are zeroed in place when its slot is reused; beyond, pages go back to the
    /// host and fault in again.
    pub memory_resident_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            instances_max: 10_000,
            idle_max: 256,
            tick: Duration::from_millis(1),
            slice_ticks: 2,
            stack_bytes: 512 * 1024,
            memory_resident_bytes: 64 * 1024,
        }
    }
}

/// Address space of one linear memory: all that 32-bit indices reach, so that generated code needs no bounds
/// checks. 10,000 of them take 40 of the 128 TiB that a process has.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Room on a fiber for host functions, beyond the guest's own stack.
const HOST_STACK_BYTES: usize = 256 * 1024;

impl Options {
    /// The settings of wasmtime for a pool of `instances`.
    pub(crate) fn config(&self, instances: u32) -> Config {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(instances)
            .total_memories(instances)
            .total_stacks(instances)
            .total_tables(instances.saturating_mul(limits::TABLES_PER_MODULE_MAX))
            .max_tables_per_module(limits::TABLES_PER_MODULE_MAX)
            .table_elements(limits::TABLE_ELEMENTS_MAX)
            .table_keep_resident(16 * 1024)
            .linear_memory_keep_resident(self.memory_resident_bytes)
            .decommit_batch_size(16);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .memory_reservation(MEMORY_RESERVATION_BYTES)
            .memory_guard_size(32 << 20)
            .memory_init_cow(true)
            .epoch_interruption(true)
            .max_wasm_stack(self.stack_bytes)
            .async_stack_size(self.stack_bytes + HOST_STACK_BYTES)
            .wasm_backtrace_max_frames(NonZeroUsize::new(limits::BACKTRACE_FRAMES_MAX))
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .concurrency_support(false);
        config
    }
}
