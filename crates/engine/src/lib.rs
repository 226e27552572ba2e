//! The trigger machine: a pure, deterministic state machine that executes trigger programs.
//!
//! [`Engine::apply`] takes one [`Input`] and appends the [`Effect`]s it causes. It does no IO, reads no clock, draws
//! no random numbers and never fails: a bad input yields [`Reply::Rejected`], a broken invariant panics. The same
//! inputs give the same state and the same effects, which is what recovery rests on.
//!
//! State is split into *entities*: one per run ([`run::Run`]) and one per app ([`app::App`]). An input is applied to
//! each entity it names from nothing but the input and that entity's own state, and every entity remembers the
//! position of the last record applied to it. So entities can be written to the store at different times (a fuzzy
//! checkpoint) and replay skips what an entity already holds.
//!
//! The crate deliberately does not know of logs, sandboxes, files, HTTP or notations; see `runtime` and `frontend`.

pub mod app;
mod compiled;
pub mod condition;
pub mod effect;
mod engine;
mod express;
mod hearing;
pub mod input;
mod inputs;
mod listening;
pub mod objects;
pub mod run;
pub mod slots;
pub mod snapshot;
mod steps;
mod timers;

pub use compiled::Compiled;
pub use effect::{Effect, Reply};
pub use engine::{Engine, Need};
pub use input::{Caller, Deploy, ExpressEnded, Input, InputKind, Origin, OutboxId, Start, WorkflowStart};
pub use run::{HistoryEntry, HistoryKind, Run, Status, Tally};
pub use snapshot::{Awaited, entity_hash};
pub use timers::{Entity, Timer, TimerId};
