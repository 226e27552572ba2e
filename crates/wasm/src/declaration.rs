//! What a function declared about itself, resolved for the host functions.

use sluice_types::{BucketIx, Function, Program};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The part of a trigger program that one function's calls need.
pub(crate) struct Declaration {
    /// Name of the function.
    pub function: Arc<str>,
    /// Buckets it may put to, in the order of `into`, and the run's output last.
    pub into: Vec<(Arc<str>, BucketIx)>,
    /// Longest time of an attempt, in milliseconds.
    pub timeout_ms: u64,
    /// Most bytes of linear memory, and most bytes of buffered output.
    pub memory_bytes: usize,
    /// Idle instances to keep.
    pub warm: usize,
    /// A new instance for every call.
    pub fresh: bool,
    /// Extra environment variables.
    pub env: BTreeMap<String, String>,
    /// Names of all buckets, for `input_attribute`.
    pub buckets: Vec<Arc<str>>,
}

impl Declaration {
    pub fn new(program: &Program, function: &Function, fresh: bool) -> Self {
        let name = |ix: BucketIx| program.buckets.get(ix.index()).map(|b| Arc::clone(&b.name));
        let mut into: Vec<_> = function.into.iter().filter_map(|&ix| Some((name(ix)?, ix))).collect();
        into.extend(name(Program::OUTPUT).map(|output| (output, Program::OUTPUT)));
        Self {
            function: function.name.as_ref().into(),
            into,
            timeout_ms: function.timeout_ms,
            memory_bytes: usize::try_from(function.resources.memory_bytes).unwrap_or(usize::MAX),
            warm: function.warm as usize,
            fresh,
            env: function.env.clone(),
            buckets: program.buckets.iter().map(|b| Arc::clone(&b.name)).collect(),
        }
    }

    /// The bucket of that name, if the function may put there.
    pub fn bucket_named(&self, name: &[u8]) -> Option<BucketIx> {
        self.into.iter().find(|(n, _)| n.as_bytes() == name).map(|&(_, ix)| ix)
    }

    /// The bucket at a position of `into`; -1 is the run's output.
    pub fn bucket_at(&self, position: i32) -> Option<BucketIx> {
        let position = usize::try_from(position).ok();
        match position {
            Some(position) => self.into.get(position).map(|&(_, ix)| ix),
            None => Some(Program::OUTPUT),
        }
    }
}
