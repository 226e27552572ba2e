//! Functions in processes, called end to end.

mod calls;
mod support;
