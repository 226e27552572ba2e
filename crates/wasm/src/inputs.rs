//! What a call was made with.

use crate::call::InputBytes;
use crate::failure::Fault;
use bytes::Bytes;
use sluice_types::Payload;
use sluice_types::invocation::Arguments;
use sluice_types::{EventIndex, EventView};
use std::sync::OnceLock;

/// The arguments, with the bytes at hand.
pub(crate) struct Inputs {
    pub arguments: Arguments,
    /// The bytes of all inputs when at least one of them lies outside the log, else empty.
    resolved: Vec<Bytes>,
    /// Where the events of a list are, once one was asked for.
    index: OnceLock<EventIndex>,
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
                    Payload::Open { .. } => None,
                };
                resolved.push(found.ok_or_else(|| Fault::input_lost(&object.key))?);
            }
        }
        Ok(Self { arguments, resolved, index: OnceLock::new() })
    }

    /// Lets go of what it holds.
    pub fn clear(&mut self) {
        self.arguments = Arguments::List(Vec::new());
        self.resolved.clear();
        self.index.take();
    }

    /// How many there are: the objects, or one for an event.
    pub fn count(&self) -> usize {
        match &self.arguments {
            Arguments::Event(_) => 1,
            Arguments::Events { list, .. } => list.len(),
            arguments => arguments.objects().len(),
        }
    }

    /// The bytes of one of them; the data of an event.
    pub fn bytes(&self, position: usize) -> Option<&[u8]> {
        match &self.arguments {
            Arguments::Event(event) => (position == 0).then_some(&*event.data),
            Arguments::Events { .. } => self.event(position).map(|event| event.data),
            _ if !self.resolved.is_empty() => self.resolved.get(position).map(|bytes| &**bytes),
            arguments => match &arguments.objects().get(position)?.payload {
                Payload::Inline(bytes) => Some(bytes),
                Payload::Stored { .. } | Payload::Open { .. } => None,
            },
        }
    }

    /// The key of one of them; the id of an event.
    pub fn key(&self, position: usize) -> Option<&str> {
        match &self.arguments {
            Arguments::Event(event) => (position == 0).then_some(&*event.id),
            Arguments::Events { .. } => self.event(position).map(|event| event.id),
            arguments => arguments.objects().get(position).map(|object| &*object.key),
        }
    }

    /// An event of a list of them.
    pub fn event(&self, position: usize) -> Option<EventView<'_>> {
        let Arguments::Events { list, .. } = &self.arguments else { return None };
        list.get(self.index.get_or_init(|| list.index()), position)
    }
}
