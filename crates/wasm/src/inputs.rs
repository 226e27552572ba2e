//! What a call was made with.

use crate::call::InputBytes;
use crate::failure::Fault;
use bytes::Bytes;
use sluice_types::Payload;
use sluice_types::invocation::Arguments;
use std::sync::Arc;

/// The arguments, with the bytes at hand.
pub(crate) struct Inputs {
    pub arguments: Arguments,
    /// The bytes of all inputs when at least one of them lies outside the log, else empty.
    resolved: Vec<Bytes>,
}

impl Inputs {
    /// Resolves what lies outside the log.
    pub fn new(arguments: Arguments, bytes: &dyn InputBytes) -> Result<Self, Fault> {
        let objects = arguments.objects();
        let mut resolved = Vec::new();
        if objects.iter().any(|object| matches!(object.payload, Payload::Stored { .. })) {
            for object in objects {
                let found = match &object.payload {
                    Payload::Inline(inline) => Some(inline.clone()),
                    stored @ Payload::Stored { .. } => bytes.bytes(stored),
                };
                resolved.push(found.ok_or_else(|| Fault::input_lost(&object.key))?);
            }
        }
        Ok(Self { arguments, resolved })
    }

    /// How many there are: the objects, or one for an event.
    pub fn count(&self) -> usize {
        match &self.arguments {
            Arguments::Event(_) => 1,
            arguments => arguments.objects().len(),
        }
    }

    /// The bytes of one of them; the data of an event.
    pub fn bytes(&self, position: usize) -> Option<&Bytes> {
        match &self.arguments {
            Arguments::Event(event) => (position == 0).then_some(&event.data),
            _ if !self.resolved.is_empty() => self.resolved.get(position),
            arguments => match &arguments.objects().get(position)?.payload {
                Payload::Inline(bytes) => Some(bytes),
                Payload::Stored { .. } => None,
            },
        }
    }

    /// The key of one of them; the id of an event.
    pub fn key(&self, position: usize) -> Option<&Arc<str>> {
        match &self.arguments {
            Arguments::Event(event) => (position == 0).then_some(&event.id),
            arguments => arguments.objects().get(position).map(|object| &object.key),
        }
    }
}
