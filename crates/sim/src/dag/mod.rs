//! Random DAGs: what the functions of their tasks do, and a naive model that knows nothing of events.

pub mod case;
pub mod conduct;
pub mod generate;
pub mod model;
