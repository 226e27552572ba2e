//! Inputs that concern more than one entity, each in the file of its name.

mod completed;
mod deploy;
mod events;
mod forget;
mod returned;
mod start;
mod timers;
mod workflow;

pub(crate) use completed::completed;
pub(crate) use deploy::deploy;
pub(crate) use events::events;
pub(crate) use forget::forget;
pub(crate) use returned::returned;
pub(crate) use start::start;
pub(crate) use timers::timers;
pub(crate) use workflow::{code, is_current, workflow};
