//! DAGs: tasks that start when those before them have ended as their trigger rule wants it.
//!
//! Each task is a trigger: its condition is its rule over the states of its upstream tasks, its action are its calls. The
//! machine knows states and calls, and no values: whoever hosts it keeps results, and says of them only what the machine
//! asks of a kind of task ([`Answer`]). States are those of Apache Airflow. Which one a task ends in depends on how the calls
//! end, never on the order in which they do.
//!
//! Cost: in all, linear in tasks and dependencies, times the logarithm of the number of tasks that are ready. A branch that
//! leaves out a task with several upstream tasks looks, in addition, at the tasks between them.

mod alphabet;
mod execution;
mod plan;
mod queue;
mod verdict;

pub use alphabet::{Answer, Event, Happened, Line, Output, Request, State, Status};
pub use execution::{Execution, STEPS_MAX};
pub use plan::Plan;
