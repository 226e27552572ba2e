//! Programs started per attempt: the object on stdin or in a file, the result from stdout or a file.

mod job;
mod prepare;
mod result;
mod scratch;

pub(crate) use job::Job;
pub(crate) use result::Collected;
pub(crate) use scratch::Scratch;
