//! The thread that counts epochs while guests run, and sleeps for good while none does.
//!
//! Entering a guest costs one uncontended store and one load; only the first call after a quiet stretch pays
//! for a wake-up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;
use wasmtime::EngineWeak;

/// Ticks without any call before the thread parks.
const LINGER_TICKS: u32 = 50;

/// One shard's sign of life: odd while a guest runs on its thread, and different after every call.
#[derive(Default)]
struct Pulse(AtomicU64);

#[derive(Default)]
struct Shared {
    pulses: Mutex<Vec<Weak<Pulse>>>,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// Owns the thread; stops it when dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A shard's end of it.
pub(crate) struct Beat {
    pulse: Arc<Pulse>,
    count: u64,
    shared: Arc<Shared>,
    ticker: Thread,
}

impl Ticker {
    /// Starts the thread; it parks at once.
    pub fn new(engine: EngineWeak, tick: Duration) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let work = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("wasm-ticker".into()).spawn(move || work.run(&engine, tick))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Registers a shard.
    pub fn beat(&self) -> Beat {
        let pulse = Arc::<Pulse>::default();
        let mut pulses = self.shared.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.push(Arc::downgrade(&pulse));
        let ticker = self.thread.as_ref().expect("the thread lives as long as the ticker").thread().clone();
        Beat { pulse, count: 0, shared: Arc::clone(&self.shared), ticker }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in the ticker has nothing left to spoil.
            let _ = thread.join();
        }
    }
}

impl Beat {
    /// A guest is about to run on this thread.
    pub fn enter(&mut self) {
        self.count += 1;
        // Sequentially consistent with the ticker, which sets `parked` before it looks at the pulse a last time:
        // either it sees this call or this call sees it parked.
        self.pulse.0.store(self.count, SeqCst);
        if self.shared.parked.load(SeqCst) {
            self.ticker.unpark();
        }
    }

    /// It does no more.
    pub fn leave(&mut self) {
        self.count += 1;
        self.pulse.0.store(self.count, std::sync::atomic::Ordering::Release);
    }
}

impl Shared {
    fn run(&self, engine: &EngineWeak, tick: Duration) {
        let mut seen = 0;
        let mut quiet_ticks = LINGER_TICKS;
        while !self.stopped.load(SeqCst) {
            if quiet_ticks >= LINGER_TICKS {
                self.park(seen);
            } else {
                thread::sleep(tick);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
            let now = self.activity();
            quiet_ticks = if now == Some(seen) { quiet_ticks + 1 } else { 0 };
            seen = now.unwrap_or(seen);
        }
    }

    /// Waits until a call enters; `seen` is the activity already known.
    fn park(&self, seen: u64) {
        self.parked.store(true, SeqCst);
        if self.activity() == Some(seen) && !self.stopped.load(SeqCst) {
            thread::park();
        }
        self.parked.store(false, SeqCst);
    }

    /// Calls begun and ended so far on all shards; `None` while one runs.
    fn activity(&self) -> Option<u64> {
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.retain(|pulse| pulse.strong_count() > 0);
        let mut counts = pulses.iter().filter_map(Weak::upgrade).map(|pulse| pulse.0.load(SeqCst));
        counts.try_fold(0, |sum, count| (count % 2 == 0).then(|| sum + count))
    }
}
