//! The vocabulary shared by every crate: ids, objects, events, the trigger program, limits and problems.
//!
//! Plain data only. This crate knows nothing of IO, clocks, threads, storage or any wire format; the
//! meaning of a trigger program lives in `engine`, its notation in `frontend`.

pub mod calendar;
pub mod dag;
pub mod event;
pub mod expr;
pub mod graph;
pub mod id;
pub mod invocation;
pub mod limits;
pub mod object;
pub mod pack;
pub mod pattern;
pub mod problem;
pub mod program;
pub mod suggest;

pub use dag::{Dag, TaskKind};
pub use event::{Event, EventPattern};
pub use expr::{EvalError, Evaluator, Expr};
pub use graph::{DataGraph, Node};
pub use id::{
    AppKey, Attempt, BucketIx, FunctionIx, InvocationId, Lsn, ObjectId, RunKey, TaskIx, TriggerIx, Version,
    WorkflowIx,
};
pub use invocation::{Failure, FailureKind, Invocation, Outcome, Put, Puts, ReturnValue};
pub use object::{ContentType, Object, Payload};
pub use pack::{EventHead, EventIndex, EventList, EventPack, EventPacker, EventView, HeadView};
pub use problem::{Code, Problem};
pub use program::{
    Action, Bucket, Condition, Durability, Function, Gathering, Network, Program, Resources, RetryPolicy,
    Runtime, Scope, Source, Steps, Trigger, Visibility, Workflow,
};
pub use suggest::did_you_mean;
