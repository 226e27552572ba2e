//! One instance and its life: a future that takes calls from a desk, runs them on a fiber and delivers results.
//!
//! The future owns the store, so it needs neither unsafe code nor an allocation per call, and nothing wakes it:
//! the shard polls it when it placed a call, when a sleep is over, or for the next slice.

use crate::call::Call;
use crate::declaration::Declaration;
use crate::desk::Desk;
use crate::failure::Fault;
use crate::gate::Gate;
use crate::guest::Guest;
use crate::memory;
use crate::module::{Compiled, Kind};
use crate::seat::Seat;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use wasmtime::{Instance, Memory, Store, StoreContextMut, TypedFunc, UpdateDeadline};

/// A function as its instances need it.
pub(crate) struct Code {
    pub engine: wasmtime::Engine,
    pub compiled: Compiled,
    pub declaration: Arc<Declaration>,
    pub slice_ticks: u64,
}

/// An instance: idle, or in the middle of a call.
pub(crate) struct Resident {
    code: Rc<Code>,
    desk: Rc<Desk>,
    gate: Arc<Gate>,
    life: Pin<Box<dyn Future<Output = ()>>>,
}

/// What came of letting a call run.
pub(crate) enum Turn {
    /// It ended; the instance may take another one if `reusable`.
    Ended { call: Box<Call>, reusable: bool },
    /// It sleeps until then.
    Asleep { wake_at_ms: u64 },
    /// It used up its slice.
    Preempted,
}

impl Resident {
    pub fn new(code: &Rc<Code>, seat: Seat) -> Self {
        let (desk, gate) = (Rc::<Desk>::default(), Arc::<Gate>::default());
        let life = live(Rc::clone(code), Arc::clone(&gate), Rc::clone(&desk), seat);
        Self { code: Rc::clone(code), desk, gate, life: Box::pin(life) }
    }

    /// Hands it a call; it must be idle.
    pub fn place(&self, call: Box<Call>) {
        self.gate.reset();
        self.desk.place(call);
    }

    /// Lets the call run until it ends, sleeps or has used up its slice.
    pub fn run(&mut self, now_ms: u64) -> Turn {
        self.gate.enter(now_ms);
        let poll = self.life.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match (self.desk.collect(), self.gate.wake_at_ms()) {
            (Some(call), _) => Turn::Ended { call, reusable: poll.is_pending() },
            (None, Some(wake_at_ms)) => Turn::Asleep { wake_at_ms },
            (None, None) => Turn::Preempted,
        }
    }

    /// Whether it is an instance of that code.
    pub fn runs(&self, code: &Rc<Code>) -> bool {
        Rc::ptr_eq(&self.code, code)
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

/// The life of an instance, from its first call to the first that failed.
async fn live(code: Rc<Code>, gate: Arc<Gate>, desk: Rc<Desk>, _seat: Seat) {
    let guest = Guest::new(&code, gate, desk.next().await);
    let mut store = Store::new(&code.engine, guest);
    store.limiter(|guest| &mut guest.allowance);
    store.epoch_deadline_callback(on_epoch);
    store.set_epoch_deadline(code.slice_ticks);
    let entry = match Entry::prepare(&code.compiled, &mut store).await {
        Ok(entry) => entry,
        Err(error) => return desk.deliver(store.data_mut().end(Err(error))),
    };
    loop {
        let result = entry.call(&mut store).await;
        let spent = result.is_err() || code.declaration.fresh || code.compiled.kind == Kind::Command;
        desk.deliver(store.data_mut().end(result));
        if spent {
            return;
        }
        let call = desk.next().await;
        store.data_mut().begin(call);
        store.set_epoch_deadline(code.slice_ticks);
    }
}

/// Runs at the end of a slice, and again as soon as the guest goes on: then it may learn that it has expired.
fn on_epoch(mut store: StoreContextMut<'_, Guest>) -> Result<UpdateDeadline, wasmtime::Error> {
    let guest = store.data_mut();
    if guest.gate.is_expired() {
        return Err(Fault::timed_out(guest.declaration.timeout_ms).into());
    }
    guest.preempted = !guest.preempted;
    Ok(if guest.preempted { UpdateDeadline::Yield(0) } else { UpdateDeadline::Continue(guest.slice_ticks) })
}

/// How the instance is called.
enum Entry {
    Pull(TypedFunc<(), ()>),
    Push { run: TypedFunc<(u32, u32), ()>, memory: Memory, inbox: Inbox },
}

/// Where the first input goes.
enum Inbox {
    Alloc(TypedFunc<u32, u32>),
    Area { ptr: u32, bytes: u32 },
}

impl Entry {
    /// Instantiates and initialises. Runs guest code, which may sleep or be preempted like any other.
    async fn prepare(compiled: &Compiled, store: &mut Store<Guest>) -> Result<Self, wasmtime::Error> {
        let instance = compiled.pre.instantiate_async(&mut *store).await?;
        let memory = instance.get_memory(&mut *store, "memory").expect("checked when it was compiled");
        store.data_mut().memory = Some(memory);
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
            initialize.call_async(&mut *store, ()).await?;
        }
        match compiled.kind {
            Kind::Command => Ok(Self::Pull(instance.get_typed_func(store, "_start")?)),
            Kind::Pull => Ok(Self::Pull(instance.get_typed_func(store, "run")?)),
            Kind::Push => {
                let inbox = Inbox::of(&instance, store);
                Ok(Self::Push { run: instance.get_typed_func(store, "run")?, memory, inbox })
            }
        }
    }

    async fn call(&self, store: &mut Store<Guest>) -> Result<(), wasmtime::Error> {
        match self {
            Self::Pull(run) => run.call_async(store, ()).await,
            Self::Push { run, memory, inbox } => {
                let len = store.data().call().inputs.bytes(0).map_or(0, |bytes| memory::length(bytes.len()));
                let ptr = inbox.place(store, len).await?;
                let (memory, guest) = memory.data_and_store_mut(&mut *store);
                if let Some(bytes) = guest.call().inputs.bytes(0) {
                    memory::write(memory, ptr, len)?.copy_from_slice(bytes);
                }
                run.call_async(store, (ptr, len)).await
            }
        }
    }
}

impl Inbox {
    fn of(instance: &Instance, store: &mut Store<Guest>) -> Self {
        if let Ok(alloc) = instance.get_typed_func(&mut *store, "sluice_alloc") {
            return Self::Alloc(alloc);
        }
        let mut number = |name| {
            let value = instance.get_global(&mut *store, name).map(|global| global.get(&mut *store));
            value.and_then(|value| value.i32()).map_or(0, i32::cast_unsigned)
        };
        Self::Area { ptr: number("sluice_in"), bytes: number("sluice_in_bytes") }
    }

    /// Where `len` bytes may be written.
    async fn place(&self, store: &mut Store<Guest>, len: u32) -> Result<u32, wasmtime::Error> {
        match self {
            Self::Alloc(alloc) => alloc.call_async(store, len).await,
            Self::Area { ptr, bytes } if len <= *bytes => Ok(*ptr),
            Self::Area { bytes, .. } => {
                Err(Fault::too_long("the input", len as usize, *bytes as usize).into())
            }
        }
    }
}
