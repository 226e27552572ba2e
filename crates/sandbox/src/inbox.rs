//! Reads what a worker said. Works on a copy, so nothing changes while it is checked.

use crate::event::Stream;
use crate::record::Record;
use crate::wire::{HAS_VALUE, MESSAGE_BYTES, MessageKind, Reader};
use bytes::Bytes;
use sluice_objects::ExtentId;
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
    Open(Record),
    Grown,
    Close(Record),
    Await(ExtentId, u64),
}

impl Message {
    /// Whether a worker that does not gather rings for it at once.
    pub fn is_urgent(&self) -> bool {
        use Message::*;
        matches!(self, Put(_) | Log(..) | Need(_) | Flush | Open(_) | Grown | Close(_) | Await(..))
    }
}

/// The call that the first message of `bytes` belongs to.
pub(crate) fn serial(bytes: &Bytes) -> Result<u32, &'static str> {
    let mut header = Reader(bytes);
    header.u32().and_then(|_| header.u32()).ok_or(NO_HEADER)
}

/// Splits the first message off `bytes`, and says what it says.
pub(crate) fn next(bytes: &mut Bytes) -> Result<Message, &'static str> {
    let mut header = Reader(bytes);
    let (total, _, kind, flags) =
        (|| Some((header.u32()?, header.u32()?, header.u8()?, header.u8()?)))().ok_or(NO_HEADER)?;
    let total = total as usize;
    if total < MESSAGE_BYTES || total > bytes.len() {
        return Err("the length of a message is wrong");
    }
    let mut body = bytes.split_to(total);
    let body = body.split_off(MESSAGE_BYTES);
    let kind = MessageKind::of(kind).ok_or("a message is of no known kind")?;
    message(kind, flags, body)
}

const NO_HEADER: &str = "a message ends within its header";

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
        MessageKind::Open => Message::Open(record(&body)?),
        MessageKind::Grown => Message::Grown,
        MessageKind::Close => Message::Close(record(&body)?),
        MessageKind::Await => {
            let mut reader = Reader(&body);
            let awaited = (|| Some(Message::Await(ExtentId(reader.u32()?), reader.u64()?)))();
            awaited.ok_or("what it waits for is malformed")?
        }
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
        7 => FailureKind::Conflict,
        8 => FailureKind::Diverged,
        9 => FailureKind::Cold,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Place, RecordParts};
    use crate::wire::NO_BUCKET;
    use proptest::prelude::*;
    use sluice_objects::Location;
    use sluice_types::ContentType;

    fn message_bytes(kind: u8, flags: u8, body: &[u8]) -> Bytes {
        let mut bytes = ((MESSAGE_BYTES + body.len()) as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&7u32.to_le_bytes());
        bytes.extend_from_slice(&[kind, flags, 0, 0]);
        bytes.extend_from_slice(body);
        bytes.into()
    }

    fn content_type() -> impl Strategy<Value = ContentType> {
        prop_oneof![
            Just(ContentType::Bytes),
            Just(ContentType::Json),
            Just(ContentType::Text),
            "[a-z]{1,9}/[a-z]{1,9}".prop_map(|name| ContentType::parse(&name)),
        ]
    }

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(|data| Place::Inline(data.into())),
            (1..u32::MAX, any::<u64>(), any::<u64>()).prop_map(|(extent, offset, len)| {
                Place::Stored(Location { extent: ExtentId(extent), offset, len })
            }),
        ]
    }

    proptest! {
        /// What is packed is read back, whatever stands in it.
        #[test]
        fn a_record_comes_back(
            bucket in any::<u16>(),
            key in "\\PC{0,20}",
            content_type in content_type(),
            group in proptest::option::of("\\PC{0,20}"),
            meta in proptest::collection::vec(any::<u8>(), 0..50),
            place in place(),
        ) {
            let parts = RecordParts {
                bucket,
                key: &key,
                content_type: &content_type,
                group: group.as_deref(),
                meta: &meta,
                place: &place,
            };
            let mut body = Vec::new();
            parts.pack(&mut body).expect("short texts fit");
            let mut bytes = message_bytes(1, 0, &body);
            prop_assert_eq!(serial(&bytes), Ok(7));
            let message = next(&mut bytes).expect("it is well formed");
            prop_assert!(bytes.is_empty());
            let expected = Record { bucket, key, content_type, group, meta, place };
            prop_assert_eq!(message, Message::Put(expected));
        }

        /// No bytes make the reader panic, and reading always gets on.
        #[test]
        fn garbage_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut rest = Bytes::from(bytes);
            while !rest.is_empty() {
                let before = rest.len();
                if next(&mut rest).is_err() {
                    break;
                }
                prop_assert!(rest.len() < before);
            }
        }

        /// A message that was well formed, with some bytes changed.
        #[test]
        fn damage_is_an_error_or_harmless(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let place = Place::Inline(Bytes::from_static(b"data"));
            let mut body = Vec::new();
            RecordParts::value(&ContentType::Json, &place).pack(&mut body).expect("it fits");
            let mut bytes = message_bytes(4, HAS_VALUE, &body).to_vec();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            let mut bytes = Bytes::from(bytes);
            if let Ok(Message::Returned(Some(record))) = next(&mut bytes) {
                prop_assert!(record.bucket == NO_BUCKET || record.key.is_empty());
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        for len in [0u32, 11, 13, u32::MAX] {
            let mut bytes = message_bytes(6, 0, &[]).to_vec();
            bytes[..4].copy_from_slice(&len.to_le_bytes());
            assert!(next(&mut Bytes::from(bytes)).is_err(), "{len}");
        }
        assert!(next(&mut message_bytes(99, 0, &[])).is_err());
        assert!(next(&mut message_bytes(5, 0, &[1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0])).is_err());
    }
}
