//! Reads what a worker said. Works on a copy, so nothing changes while it is checked.

use crate::event::Stream;
use crate::record::Record;
use crate::wire::{HAS_VALUE, MESSAGE_BYTES, MessageKind, Reader};
use bytes::Bytes;
use sluice_types::{Failure, FailureKind};

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Put(Record),
    Log(Stream, Bytes),
    Emit(Record),
    Returned(Option<Record>),
    Failed(Failure),
    Cancelled,
    Flush,
    Need(u64),
    Hold,
    LetGo(u32),
}

/// Splits the first message off `bytes`: the call it belongs to and what it says.
pub(crate) fn next(bytes: &mut Bytes) -> Result<(u32, Message), &'static str> {
    let mut header = Reader(bytes);
    let (total, serial, kind, flags) =
        (|| Some((header.u32()?, header.u32()?, header.u8()?, header.u8()?)))()
            .ok_or("a message ends within its header")?;
    let total = total as usize;
    if total < MESSAGE_BYTES || total > bytes.len() {
        return Err("the length of a message is wrong");
    }
    let mut body = bytes.split_to(total);
    let body = body.split_off(MESSAGE_BYTES);
    let kind = MessageKind::of(kind).ok_or("a message is of no known kind")?;
    Ok((serial, message(kind, flags, body)?))
}

fn message(kind: MessageKind, flags: u8, body: Bytes) -> Result<Message, &'static str> {
    Ok(match kind {
        MessageKind::Put => Message::Put(record(&body)?),
        MessageKind::Emit => Message::Emit(record(&body)?),
        MessageKind::Log => Message::Log(Stream::of(flags).ok_or("a log line has no known level")?, body),
        MessageKind::Returned if flags & HAS_VALUE != 0 => Message::Returned(Some(record(&body)?)),
        MessageKind::Returned => Message::Returned(None),
        MessageKind::Failed => Message::Failed(failed(&body).ok_or("a failure is malformed")?),
        MessageKind::Cancelled => Message::Cancelled,
        MessageKind::Flush => Message::Flush,
        MessageKind::Need => Message::Need(Reader(&body).u64().ok_or("a need has no size")?),
        MessageKind::Hold => Message::Hold,
        MessageKind::LetGo => Message::LetGo(Reader(&body).u32().ok_or("a release names no call")?),
    })
}

fn record(body: &Bytes) -> Result<Record, &'static str> {
    match Record::unpack(body) {
        Some((record, rest)) if rest.is_empty() => Ok(record),
        _ => Err("a record is malformed"),
    }
}

fn failed(body: &[u8]) -> Option<Failure> {
    let mut reader = Reader(body);
    let kind = match reader.u8()? {
        1 => FailureKind::Raised,
        2 => FailureKind::Unserialisable,
        3 => FailureKind::UndeclaredPut,
        4 => FailureKind::OutOfMemory,
        5 => FailureKind::Limit,
        6 => FailureKind::Unstartable,
        _ => return None,
    };
    let lens = [reader.u32()?, reader.u32()?, reader.u32()?];
    let [r#type, message, stack] =
        lens.map(|len| reader.take(len as usize).map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    Some(Failure { kind, r#type: r#type?, message: message?, stack: stack? })
}

/// The failure in the text of a control message of kind `Broken`.
pub(crate) fn broken(text: &[u8]) -> Option<Failure> {
    failed(text)
}
