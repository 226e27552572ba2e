//! The worker protocol as bytes (docs/reference/worker-protocol.md). All numbers are little-endian.

/// Version of the protocol.
pub const VERSION: u32 = 1;

/// Where the serial of a cancelled call stands in a slot.
pub const CANCELLED_AT: usize = 0;
/// Not 0 when the worker must ring for every message at once.
pub const HURRY_AT: usize = 4;
/// Where the worker says how far its messages go that it has not rung for.
pub const ANNOUNCED_AT: usize = 8;
/// Where the worker may say how far its messages go that it has rung for, or is about to.
pub const RUNG_AT: usize = 12;
/// Not 0 when somebody waits for what the worker writes to objects that it has opened.
pub const AWAITED_AT: usize = 16;
/// Start of the call area of a slot.
pub const CALL_AT: usize = 4096;
/// Size of the call area, in bytes; larger calls lie in an extent.
pub const CALL_BYTES: usize = 128 * 1024;
/// Flag of a ring of the call bell: the messages of the call follow those of the call before.
pub const GOES_ON: u64 = 1 << 63;
/// Flag of a ring of the call bell: other calls may be given before this one has ended.
pub const FOLLOWED: u64 = 1 << 62;
/// The ring of the call bell that answers a flush.
pub const FLUSHED: u64 = 1;
/// The ring of the call bell that asks the worker to ring for what it has announced: calls were taken back that it may
/// have counted on.
pub const NUDGE: u64 = 2;
/// By so many bits the place of a frame in the call area is shifted in a ring of the call bell.
pub const FRAME_AT_SHIFT: u32 = 32;
/// Start of the message area.
pub const MESSAGES_AT: usize = CALL_AT + CALL_BYTES;
/// Size of the message area, in bytes.
pub const MESSAGES_BYTES: usize = 256 * 1024;
/// Size of a slot, in bytes.
pub const SLOT_BYTES: usize = MESSAGES_AT + MESSAGES_BYTES;

/// Size of a call header, in bytes.
pub const CALL_HEADER_BYTES: usize = 20;
/// Size of a record without its texts and data, in bytes.
pub const RECORD_BYTES: usize = 40;
/// Size of a message header, in bytes.
pub const MESSAGE_BYTES: usize = 12;
/// Size of a control message without its text, in bytes.
pub const CONTROL_BYTES: usize = 16;
/// Longest control message, in bytes.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Length of a text that is absent.
pub const ABSENT: u16 = 0xFFFF;
/// Bucket of a record that is not an object.
pub const NO_BUCKET: u16 = 0xFFFF;
/// Flag of a record: it has a group.
pub const HAS_GROUP: u8 = 1;
/// Flag of a record: the object is still being written; its extent is a stream.
pub const IS_OPEN: u8 = 2;
/// Flag of `Returned`: a record follows.
pub const HAS_VALUE: u8 = 1;
/// Content type code of a type that is spelled out.
pub const OTHER_TYPE: u8 = 3;

/// How the arguments of a call are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CallKind {
    /// The call lies in an extent.
    Far = 0,
    /// One object.
    One = 1,
    /// A list of objects.
    List = 2,
    /// An event.
    Event = 3,
    /// A list of events.
    Events = 4,
}

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// An object is put.
    Put = 1,
    /// A line is logged; the flags are the stream.
    Log = 2,
    /// An event is emitted on success.
    Emit = 3,
    /// The call returned.
    Returned = 4,
    /// The call failed.
    Failed = 5,
    /// The call stopped because it was cancelled.
    Cancelled = 6,
    /// The message area is full.
    Flush = 7,
    /// An extent is needed.
    Need = 8,
    /// Inputs of this call are still looked at after its end.
    Hold = 9,
    /// Inputs of an earlier call no longer are.
    LetGo = 10,
    /// An object is opened, to be read while it is written.
    Open = 11,
    /// Somebody waits, and an open object has grown.
    Grown = 12,
    /// An open object is written to its end.
    Close = 13,
    /// More of an open object is awaited than the bytes seen.
    Await = 14,
}

impl MessageKind {
    /// The kind of that number.
    pub fn of(number: u8) -> Option<Self> {
        use MessageKind::*;
        let all = [
            Put, Log, Emit, Returned, Failed, Cancelled, Flush, Need, Hold, LetGo, Open, Grown, Close, Await,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Subject of a refusal for a limit of the call, not for want of memory.
pub const REFUSED_BY_LIMIT: u32 = 1;

/// Control messages, with a descriptor where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ControlKind {
    /// To a worker: an extent to read.
    Extent = 1,
    /// To a worker: an extent to write.
    Grant = 2,
    /// To a worker: there is no memory for what it needs, or with the subject [`REFUSED_BY_LIMIT`] a limit is reached.
    Refused = 3,
    /// To a worker: an extent is gone.
    Forget = 4,
    /// To a worker: an open object, to write, or to read with a bell that rings when there is more.
    Stream = 5,
    /// To a zygote: fork a worker.
    Fork = 16,
    /// From a zygote: forked; its pidfd comes along.
    Forked = 17,
    /// From a zygote: a worker ended with this wait status.
    Ended = 18,
    /// From a zygote or a native worker: ready.
    Ready = 19,
    /// From a zygote: a function could not be loaded.
    Broken = 20,
}

impl ControlKind {
    /// The kind of that number.
    pub fn of(number: u8) -> Option<Self> {
        use ControlKind::*;
        let all = [Extent, Grant, Refused, Forget, Stream, Fork, Forked, Ended, Ready, Broken];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The fixed part of a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it is about.
    pub kind: ControlKind,
    /// An extent, a token or a function.
    pub subject: u32,
    /// A size, a limit or a status.
    pub number: u64,
}

impl Control {
    /// As bytes.
    pub fn pack(self) -> [u8; CONTROL_BYTES] {
        let mut bytes = [0; CONTROL_BYTES];
        bytes[0] = self.kind as u8;
        bytes[4..8].copy_from_slice(&self.subject.to_le_bytes());
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    /// From bytes, with the text that follows.
    pub fn unpack(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader(bytes);
        let kind = ControlKind::of(reader.u8()?)?;
        reader.take(3)?;
        Some((Self { kind, subject: reader.u32()?, number: reader.u64()? }, reader.0))
    }
}

/// Reads numbers and ranges off the front of bytes; `None` at their end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next `len` bytes as UTF-8.
    pub fn text(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(len)?).ok()
    }
}
