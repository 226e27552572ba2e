//! Guests in text form, run for real. Time is virtual: tests say what time it is, and none waits for it.

mod abi;
mod c;
mod events;
mod faults;
mod instances;
mod modules;
mod stage;
mod time;
mod wasi;
