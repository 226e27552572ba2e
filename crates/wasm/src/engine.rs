//! What a whole process shares: compiler, pool of instances, host functions, epoch ticker.

use crate::error::Error;
use crate::guest::Guest;
use crate::module::{self, Compiled, Kind};
use crate::options::Options;
use crate::seat::{Seat, Seats};
use crate::ticker::{Beat, Ticker};
use crate::{abi, wasi};
use std::sync::Arc;
use wasmtime::{Linker, Module};

/// Fewest instances for which a pool is worth having.
const INSTANCES_MIN: u32 = 16;

/// Compiles modules and owns the pool that instances come from. One per process: clones share everything and may
/// go to any thread.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Guest>,
    ticker: Ticker,
    seats: Seats,
    instances_max: u32,
    options: Options,
}

impl Engine {
    /// Reserves the pool and starts the ticker thread, which sleeps until a guest runs.
    ///
    /// # Errors
    /// [`Error::Engine`] when the host cannot even reserve a small pool, or this cpu is not supported.
    pub fn new(options: Options) -> Result<Self, Error> {
        let (engine, instances_max) = reserve(&options)?;
        let mut linker = Linker::new(&engine);
        let linked = abi::link(&mut linker).and_then(|()| wasi::link(&mut linker));
        linked.map_err(|error| Error::Engine(error.to_string()))?;
        let ticker =
            Ticker::new(engine.weak(), options.tick).map_err(|error| Error::Engine(error.to_string()))?;
        let seats = Seats::new(instances_max);
        Ok(Self(Arc::new(Shared { engine, linker, ticker, seats, instances_max, options })))
    }

    /// Compiles a core module, binary or text. Takes milliseconds per 100 KB: keep it off the shard threads.
    ///
    /// # Errors
    /// [`Error::Module`] when it is no valid module, imports what is not there, or exports no entry.
    pub fn compile(&self, bytes: &[u8]) -> Result<Compiled, Error> {
        module::refuse_component(bytes)?;
        let module = Module::new(&self.0.engine, bytes).map_err(|error| {
            Error::module(format!("the module does not compile: {error:#}"), "give it a valid core module")
        })?;
        let kind = Kind::of(&module)?;
        let memory_bytes_min = module::memory_bytes_min(&module)?;
        let mut linker = self.0.linker.clone();
        wasi::answer_missing(&mut linker, &module);
        let pre = linker.instantiate_pre(&module).map_err(|error| {
            let fix =
                "import only from `sluice` and `wasi_snapshot_preview1`; see docs/reference/wasm-abi.md";
            Error::module(format!("{error:#}"), fix)
        })?;
        Ok(Compiled { pre, kind, memory_bytes_min })
    }

    /// Most instances alive at once: what [`Options`] asked for, or what the host could reserve.
    pub fn instances_max(&self) -> u32 {
        self.0.instances_max
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.engine
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn seat(&self) -> Option<Seat> {
        self.0.seats.take()
    }

    pub(crate) fn beat(&self) -> Beat {
        self.0.ticker.beat()
    }
}

/// The largest pool that the host's limits on address space and mappings allow.
fn reserve(options: &Options) -> Result<(wasmtime::Engine, u32), Error> {
    let mut instances = options.instances_max.max(1);
    loop {
        match wasmtime::Engine::new(&options.config(instances)) {
            Ok(engine) => return Ok((engine, instances)),
            Err(_) if instances / 2 >= INSTANCES_MIN => instances /= 2,
            Err(error) => return Err(Error::Engine(format!("{error:#}"))),
        }
    }
}
