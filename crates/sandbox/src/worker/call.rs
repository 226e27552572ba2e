//! One call as a native function sees it.

use super::buffer::Buffer;
use super::session::Session;
use crate::record::{Place, Record};
use crate::wire::{CALL_HEADER_BYTES, Reader};
use bytes::Bytes;
use serde::Deserialize;
use sluice_objects::Mapping;
use sluice_types::ContentType;
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

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
    record: Record,
    /// What a large one lies in.
    mapping: Option<Rc<Mapping>>,
    /// The server keeps the bytes where they are until the call has ended.
    call: PhantomData<&'a Session>,
}

/// What a function returns.
#[derive(Debug, Default)]
pub struct Answer {
    /// The value, unless there is none.
    pub value: Option<(ContentType, Value)>,
}

/// The bytes of an answer.
#[derive(Debug)]
pub enum Value {
    /// Copied if they are many.
    Bytes(Bytes),
    /// Passed on as they are.
    Buffer(Buffer),
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
        Self { value: Some((ContentType::Bytes, Value::Bytes(bytes.into()))) }
    }

    /// What a buffer holds.
    pub fn buffer(content_type: ContentType, buffer: Buffer) -> Self {
        Self { value: Some((content_type, Value::Buffer(buffer))) }
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
            let mapping = match &record.place {
                Place::Inline(_) => None,
                Place::Stored(at) => Some(self.session.borrow().extents.find(*at)?),
                // Native workers are started when objects are closed.
                Place::Open(_) => return Err(io::ErrorKind::Unsupported.into()),
            };
            inputs.push(Input { record, mapping, call: PhantomData });
            rest = after;
        }
        Ok(inputs)
    }

    /// Puts an object at once; its bytes are copied.
    ///
    /// # Errors
    /// When the app has no such bucket, a name is too long, or there is no memory; [`io::ErrorKind::ResourceBusy`] when
    /// the bytes are more than 64 KiB and there is a buffer of that size.
    pub fn put(&self, bucket: &str, key: &str, content_type: &ContentType, bytes: &[u8]) -> io::Result<()> {
        let session = &mut *self.session.borrow_mut();
        let place = session.place(bytes)?;
        session.put(bucket, key, content_type, &place)
    }

    /// Memory for an object of `len` bytes, to be filled and put. If it is more than 64 KiB it is shared memory already,
    /// and there can be only one of that size at a time.
    ///
    /// # Errors
    /// When there is no memory, and [`io::ErrorKind::ResourceBusy`] when there is a large buffer already.
    pub fn buffer(&self, len: usize) -> io::Result<Buffer> {
        self.session.borrow_mut().buffer(len)
    }

    /// Puts what a buffer holds, at once; if it is large nothing is copied.
    ///
    /// # Errors
    /// As those of [`Self::put`].
    pub fn put_buffer(
        &self,
        bucket: &str,
        key: &str,
        content_type: &ContentType,
        buffer: Buffer,
    ) -> io::Result<()> {
        let session = &mut *self.session.borrow_mut();
        let place = session.place_buffer(buffer)?;
        session.put(bucket, key, content_type, &place)
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

    /// The bytes; large ones are looked at where the server keeps them.
    pub fn bytes(&self) -> &[u8] {
        match (&self.record.place, &self.mapping) {
            (Place::Inline(bytes), _) => bytes,
            (Place::Stored(at), Some(mapping)) => mapping.slice(at.offset, at.len),
            (Place::Stored(_) | Place::Open(_), _) => unreachable!("what is stored has been found"),
        }
    }
}
