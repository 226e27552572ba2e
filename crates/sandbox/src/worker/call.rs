//! One call as a native function sees it.

use super::session::Session;
use crate::record::{Place, Record};
use crate::wire::{CALL_HEADER_BYTES, Reader};
use bytes::Bytes;
use serde::Deserialize;
use sluice_types::ContentType;
use std::cell::RefCell;
use std::io;

/// The app as the server describes it.
#[derive(Debug, Deserialize)]
pub struct Description {
    /// Names of the buckets.
    pub buckets: Vec<String>,
    /// The functions that this worker may be asked for.
    pub functions: Vec<FunctionDescription>,
}

/// One function of the description.
#[derive(Debug, Deserialize)]
pub struct FunctionDescription {
    /// Its index in the app.
    pub ix: u16,
    /// Its name.
    pub name: String,
}

/// A call: which function, with what.
#[derive(Debug)]
pub struct Call<'a> {
    pub(super) session: &'a RefCell<Session>,
    pub(super) function: u16,
    pub(super) attempt: u32,
    pub(super) count: u32,
    pub(super) context_at: u32,
    pub(super) frame: Bytes,
}

/// An object that a function is called with.
#[derive(Debug)]
pub struct Input<'a> {
    session: &'a RefCell<Session>,
    record: Record,
}

/// What a function returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The value, unless there is none.
    pub value: Option<(ContentType, Bytes)>,
}

/// Why a function failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the error.
    pub r#type: String,
    /// What happened.
    pub message: String,
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        let name = std::any::type_name::<E>();
        Self { r#type: name.rsplit("::").next().unwrap_or(name).to_owned(), message: error.to_string() }
    }
}

impl Answer {
    /// Bytes without a type.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self { value: Some((ContentType::Bytes, bytes.into())) }
    }
}

impl<'a> Call<'a> {
    /// Name of the function.
    pub fn function(&self) -> String {
        let session = self.session.borrow();
        let functions = &session.description.functions;
        functions.iter().find(|f| f.ix == self.function).map_or_else(String::new, |f| f.name.clone())
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The run's id.
    pub fn run(&self) -> Option<&str> {
        let mut reader = Reader(self.frame.get(self.context_at as usize..)?);
        let len = reader.u16()?;
        reader.text(len.into())
    }

    /// Whether the call should stop.
    pub fn is_cancelled(&self) -> bool {
        self.session.borrow().is_cancelled()
    }

    /// The objects; for an event one whose key is the event's id and whose bytes are its data.
    pub fn objects(&self) -> io::Result<Vec<Input<'a>>> {
        let mut rest = self.frame.slice(CALL_HEADER_BYTES..);
        let mut inputs = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            let (record, after) = Record::unpack(&rest).ok_or(io::ErrorKind::InvalidData)?;
            inputs.push(Input { session: self.session, record });
            rest = after;
        }
        Ok(inputs)
    }

    /// Puts an object at once.
    pub fn put(&self, bucket: &str, key: &str, content_type: &ContentType, bytes: &[u8]) -> io::Result<()> {
        self.session.borrow_mut().put(bucket, key, content_type, bytes)
    }
}

impl Input<'_> {
    /// Its name.
    pub fn key(&self) -> &str {
        &self.record.key
    }

    /// How to read the bytes.
    pub fn content_type(&self) -> &ContentType {
        &self.record.content_type
    }

    /// The bytes; large ones are copied out of shared memory.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match &self.record.place {
            Place::Inline(bytes) => Ok(bytes.clone()),
            Place::Stored(at) => self.session.borrow().extents.read(*at),
            // Native workers are started when objects are closed.
            Place::Open(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
