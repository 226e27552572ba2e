//! Functions in processes, called end to end.

mod calls;
mod failures;
mod support;
