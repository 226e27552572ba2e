//! The outside of distributed Maps: items are read and results written, in S3 or in files of one folder.
//!
//! Besides S3's resources there are `arn:aws:states:::sluice:readFile` and `listFiles` for items, and `writeFile` for
//! results. All of it blocks.

pub mod files;
pub mod format;
pub mod gathering;

mod reader;
mod writer;

use crate::s3::{self, S3};
use files::Files;
use gathering::ITEMS_BYTES_MAX;
use sluice_asl::execution::Work;
use sluice_expression::Value;

/// Before the name of an action, in the ARNs of resources.
const RESOURCE: &str = "arn:aws:states:::";

/// Where items and results are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder that workflows may use, if there is one.
    pub files: Option<Files>,
    /// The region of S3 where the environment names none.
    pub region: String,
}

/// Why items could not be read, or results not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is missing.
    #[error("The field '{0}' is required but was missing")]
    Missing(&'static str),
    /// No such reader or writer.
    #[error("The resource {0} is not available on this server")]
    Resource(String),
    /// No folder may be used.
    #[error("this server has no folder that workflows may use: start it with --files DIR")]
    NoFiles,
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Its path, as given.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// S3 failed.
    #[error(transparent)]
    S3(#[from] s3::Error),
    /// What was read are no items.
    #[error("{0}")]
    NoItems(String),
    /// What was read is too large.
    #[error(
        "the items take more than {ITEMS_BYTES_MAX} bytes of JSON: read fewer with MaxItems, or split the source"
    )]
    TooLarge,
}

impl Places {
    /// Does the work of reading items or writing results; `None` if the work is another.
    pub fn perform(&self, work: &Work) -> Option<Result<Value, Error>> {
        match work {
            Work::ReadItems { resource, config, arguments } => Some(self.read(resource, config, arguments)),
            Work::WriteResults { resource, config, arguments, map_run, results } => {
                Some(self.write(resource, config, arguments, map_run, results))
            }
            _ => None,
        }
    }

    fn s3(&self) -> Result<S3, Error> {
        Ok(S3::from_environment(&self.region)?)
    }

    fn files(&self) -> Result<&Files, Error> {
        self.files.as_ref().ok_or(Error::NoFiles)
    }
}

fn text<'a>(arguments: &'a Value, name: &'static str) -> Result<&'a str, Error> {
    arguments.get(name).and_then(Value::as_str).ok_or(Error::Missing(name))
}

fn of_file(path: &str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    |error| Error::File { path, error }
}
