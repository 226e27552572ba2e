//! The loop of a native worker, and its messages.

use super::buffer::{Buffer, Memory};
use super::call::{Answer, Call, Description, Fault, Value};
use super::extents::Extents;
use super::habit::Habit;
use crate::bell::{Awaited, Doorbell};
use crate::boxes::{CALL_FD, CONTROL_FD, DESCRIPTION_FD, REPLY_FD, SLOT_FD};
use crate::channel::Channel;
use crate::record::{Place, RecordParts};
use crate::slot::Slot;
use crate::wire::{
    ANNOUNCED_AT, CALL_AT, CALL_BYTES, CANCELLED_AT, CallKind, HAS_VALUE, HURRY_AT, MESSAGE_BYTES,
    MESSAGES_AT, MESSAGES_BYTES, MessageKind, NO_BUCKET, RUNG_AT, Reader,
};
use bytes::Bytes;
use sluice_objects::{ExtentId, Location};
use sluice_types::ContentType;
use sluice_types::limits::INLINE_BYTES_MAX;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Kind of a failure on the wire: the function failed by itself.
const RAISED: u8 = 1;

/// What one worker holds.
#[derive(Debug)]
pub(super) struct Session {
    slot: Slot,
    call_bell: Awaited,
    reply_bell: Doorbell,
    channel: Channel,
    pub description: Description,
    pub extents: Extents,
    habits: BTreeMap<u16, Habit>,
    /// The function that runs, and when it put something first.
    function: u16,
    put_at: Option<Instant>,
    serial: u32,
    at: usize,
    unsignalled: usize,
    message: Vec<u8>,
}

/// Serves calls until the server is gone. Call it once, first thing in `main`, in a process that the server started.
pub fn serve(mut function: impl FnMut(&Call<'_>) -> Result<Answer, Fault>) -> io::Result<()> {
    let session = RefCell::new(Session::open()?);
    loop {
        let call = session.borrow_mut().next()?;
        let (function_ix, attempt, count, context_at, frame) = call;
        let call = Call { session: &session, function: function_ix, attempt, count, context_at, frame };
        let answer = function(&call);
        session.borrow_mut().answer(answer)?;
    }
}

impl Session {
    fn open() -> io::Result<Self> {
        // SAFETY: the server passes these descriptors to every native worker, for this library alone; `serve` is
        // called once.
        let take = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
        let mut text = String::new();
        File::from(take(DESCRIPTION_FD)).read_to_string(&mut text)?;
        Ok(Self {
            slot: Slot::map(take(SLOT_FD))?,
            call_bell: Awaited(take(CALL_FD)),
            reply_bell: Doorbell(take(REPLY_FD)),
            channel: Channel(take(CONTROL_FD)),
            description: serde_json::from_str(&text)?,
            extents: Extents::default(),
            habits: BTreeMap::new(),
            function: 0,
            put_at: None,
            serial: 0,
            at: 0,
            unsignalled: 0,
            message: Vec::new(),
        })
    }

    /// Waits for a call: function, attempt, number of objects, place of the context, frame.
    fn next(&mut self) -> io::Result<(u16, u32, u32, u32, Bytes)> {
        let len = self.call_bell.wait()? as usize;
        if len > CALL_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = self.slot.read(CALL_AT, len);
        let mut header = Header::read(&frame)?;
        self.extents.receive(&self.channel, header.waiting)?;
        if header.kind == CallKind::Far as u8 {
            let mut reader = Reader(&frame[crate::wire::CALL_HEADER_BYTES..]);
            let at = (|| {
                Some(Location { extent: ExtentId(reader.u32()?), offset: reader.u64()?, len: reader.u64()? })
            })();
            let at = at.ok_or(io::ErrorKind::InvalidData)?;
            frame = Bytes::copy_from_slice(self.extents.find(at)?.slice(at.offset, at.len));
            header = Header::read(&frame)?;
        }
        (self.serial, self.at, self.unsignalled) = (header.serial, 0, 0);
        (self.function, self.put_at) = (header.function, None);
        Ok((header.function, header.attempt, header.count, header.context_at, frame))
    }

    fn answer(&mut self, answer: Result<Answer, Fault>) -> io::Result<()> {
        match answer.and_then(|answer| Ok(self.place_answer(answer)?)) {
            Ok(None) => self.send(MessageKind::Returned, 0, &[])?,
            Ok(Some((content_type, place))) => {
                let mut record = std::mem::take(&mut self.message);
                record.clear();
                RecordParts::value(&content_type, &place)
                    .pack(&mut record)
                    .ok_or(io::ErrorKind::InvalidInput)?;
                self.send(MessageKind::Returned, HAS_VALUE, &record)?;
                self.message = record;
            }
            Err(fault) => {
                let texts = [fault.r#type.as_bytes(), fault.message.as_bytes(), &[]];
                let mut body = vec![RAISED];
                texts.iter().for_each(|text| body.extend_from_slice(&(text.len() as u32).to_le_bytes()));
                texts.iter().for_each(|text| body.extend_from_slice(text));
                self.send(MessageKind::Failed, 0, &body)?;
            }
        }
        if let Some(put_at) = self.put_at {
            self.habits.entry(self.function).or_default().learn(put_at.elapsed());
        }
        self.signal()
    }

    fn place_answer(&mut self, answer: Answer) -> io::Result<Option<(ContentType, Place)>> {
        let Some((content_type, value)) = answer.value else { return Ok(None) };
        let place = match value {
            Value::Bytes(bytes) if bytes.len() <= INLINE_BYTES_MAX => Place::Inline(bytes),
            Value::Bytes(bytes) => self.place(&bytes)?,
            Value::Buffer(buffer) => self.place_buffer(buffer)?,
        };
        Ok(Some((content_type, place)))
    }

    pub fn put(
        &mut self,
        bucket: &str,
        key: &str,
        content_type: &ContentType,
        place: &Place,
    ) -> io::Result<()> {
        let bucket = self.description.buckets.iter().position(|name| name == bucket);
        let bucket = bucket.ok_or_else(|| io::Error::other("the app has no bucket of that name"))?;
        let parts = RecordParts { bucket: bucket as u16, key, content_type, group: None, meta: &[], place };
        let mut record = Vec::new();
        parts.pack(&mut record).ok_or(io::ErrorKind::InvalidInput)?;
        debug_assert_ne!(bucket as u16, NO_BUCKET);
        self.send(MessageKind::Put, 0, &record)?;
        self.show()
    }

    /// Shows the server what was put: now, or together with the end of the call if that is near.
    fn show(&mut self) -> io::Result<()> {
        self.put_at.get_or_insert_with(Instant::now);
        let is_prompt = self.habits.get(&self.function).is_some_and(|habit| habit.is_prompt());
        if !is_prompt || self.slot.number(HURRY_AT).load(Ordering::Acquire) > 0 {
            return self.signal();
        }
        self.slot.set_number(ANNOUNCED_AT, self.at as u32);
        Ok(())
    }

    pub fn is_cancelled(&self) -> bool {
        self.slot.number(CANCELLED_AT).load(Ordering::Acquire) == self.serial
    }

    /// Copies bytes to where they travel from.
    pub fn place(&mut self, bytes: &[u8]) -> io::Result<Place> {
        if bytes.len() <= INLINE_BYTES_MAX {
            return Ok(Place::Inline(Bytes::copy_from_slice(bytes)));
        }
        let mut buffer = self.buffer(bytes.len())?;
        buffer.copy_from_slice(bytes);
        self.place_buffer(buffer)
    }

    /// Passes a buffer on. What was to be large and has become small travels in its message.
    pub fn place_buffer(&mut self, buffer: Buffer) -> io::Result<Place> {
        match buffer.0 {
            Memory::Own(bytes) => Ok(Place::Inline(bytes.into())),
            Memory::Shared(reserved) if reserved.at.len > INLINE_BYTES_MAX as u64 => {
                Ok(Place::Stored(self.extents.seal(reserved)?))
            }
            shared @ Memory::Shared(_) => Ok(Place::Inline(Bytes::copy_from_slice(&Buffer(shared)))),
        }
    }

    /// Memory for a value of `len` bytes.
    pub fn buffer(&mut self, len: usize) -> io::Result<Buffer> {
        if len <= INLINE_BYTES_MAX {
            return Ok(Buffer(Memory::Own(vec![0; len])));
        }
        if self.extents.is_reserved() {
            let what = "one large buffer at a time: put the other one first, or drop it";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        let len = len as u64;
        if !self.extents.has_room(len) {
            self.send(MessageKind::Need, 0, &len.to_le_bytes())?;
            self.signal()?;
            self.extents.await_grant(&self.channel)?;
        }
        Ok(Buffer(Memory::Shared(self.extents.reserve(len)?)))
    }

    fn send(&mut self, kind: MessageKind, flags: u8, body: &[u8]) -> io::Result<()> {
        // A flush must always fit behind.
        if self.at + MESSAGE_BYTES + body.len() > MESSAGES_BYTES - MESSAGE_BYTES {
            self.append(MessageKind::Flush, 0, &[]);
            self.signal()?;
            self.call_bell.wait()?;
            self.at = 0;
        }
        if body.len() > MESSAGES_BYTES - 2 * MESSAGE_BYTES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.append(kind, flags, body);
        Ok(())
    }

    fn append(&mut self, kind: MessageKind, flags: u8, body: &[u8]) {
        let total = MESSAGE_BYTES + body.len();
        let mut header = [0; MESSAGE_BYTES];
        header[..4].copy_from_slice(&(total as u32).to_le_bytes());
        header[4..8].copy_from_slice(&self.serial.to_le_bytes());
        header[8] = kind as u8;
        header[9] = flags;
        self.slot.write(MESSAGES_AT + self.at, &header);
        self.slot.write(MESSAGES_AT + self.at + MESSAGE_BYTES, body);
        self.at += total;
        self.unsignalled += total;
    }

    fn signal(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.unsignalled) {
            0 => Ok(()),
            count => {
                self.slot.set_number(RUNG_AT, self.at as u32);
                self.reply_bell.ring(count as u64)
            }
        }
    }
}

struct Header {
    serial: u32,
    function: u16,
    kind: u8,
    waiting: u8,
    attempt: u32,
    count: u32,
    context_at: u32,
}

impl Header {
    fn read(frame: &[u8]) -> io::Result<Self> {
        let mut reader = Reader(frame);
        let header = (|| {
            Some(Self {
                serial: reader.u32()?,
                function: reader.u16()?,
                kind: reader.u8()?,
                waiting: reader.u8()?,
                attempt: reader.u32()?,
                count: reader.u32()?,
                context_at: reader.u32()?,
            })
        })();
        header.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
