//! The simulator of a node: the real runtime and engine over fake ports, one seed per deterministic run.
//!
//! [`run`] runs seeds; every one ends with a clean bill or with the first complaint of a checker. The checkers know
//! nothing of how the engine works inside: they see what clients were told, what the disks hold, the records of the
//! log, and what sandboxes were asked.

mod apps;
mod archive;
mod background;
mod callees;
mod campaign;
mod clerk;
mod clients;
mod desk;
mod disk;
mod ending;
mod examination;
mod faults;
mod forks;
mod journals;
mod mutant;
mod objects;
mod outside;
mod sandboxes;
mod scene;
mod simulation;
mod turns;
mod verdict;
mod workflows;

pub use campaign::{Options, hunt, run};
pub use mutant::Mutant;
pub use simulation::run_seed;
pub use verdict::{Checker, Coverage, Failure, Hunt, SeedReport, Summary, Violation};
