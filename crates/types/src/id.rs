//! Newtypes for everything that has an identity.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);
        impl $name {
            /// The id as an index into the table it belongs to.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number_id!(
    /// Position of a record in the log. 0 means "before the first record".
    Lsn(u64), "lsn_");
number_id!(
    /// A deployed app (namespace and name), as the log knows it. Chosen by the runtime, never reused.
    AppKey(u32), "app_");
number_id!(
    /// A version of an app: 1 for the first deploy, then counting up.
    Version(u32), "v");
number_id!(
    /// A run, as the log knows it. Chosen by the runtime, never reused; users see the run id instead.
    RunKey(u64), "runkey_");
number_id!(
    /// Index of a function in its trigger program.
    FunctionIx(u16), "fn_");
number_id!(
    /// Index of a bucket in its trigger program.
    BucketIx(u16), "bucket_");
number_id!(
    /// Index of a trigger in its trigger program.
    TriggerIx(u16), "trigger_");
number_id!(
    /// Index of a workflow in its trigger program.
    WorkflowIx(u16), "workflow_");
number_id!(
    /// Index of a task in its DAG.
    TaskIx(u32), "task_");
number_id!(
    /// An object whose bytes live outside the log (shared memory, blob segment). Chosen by the runtime.
    ObjectId(u64), "obj_");
number_id!(
    /// One try of an invocation: 1 for the first.
    Attempt(u32), "attempt_");

/// One logical call of a function: the run and a number counting up within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvocationId {
    /// The run that the call belongs to.
    pub run: RunKey,
    /// Position among the invocations of that run, from 0.
    pub seq: u32,
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inv_{}_{}", self.run.0, self.seq)
    }
}
