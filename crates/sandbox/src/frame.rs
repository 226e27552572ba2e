//! Packs a call for a worker.

use crate::event::RunInfo;
use crate::failure::failure;
use crate::record::{Place, RecordParts};
use crate::wire::{ABSENT, CALL_HEADER_BYTES, CallKind, NO_BUCKET};
use bytes::Bytes;
use sluice_types::invocation::Arguments;
use sluice_types::{EventPack, EventView, Failure, FailureKind, Invocation, Object};

/// Packs the call into `out`. `place` says where the bytes of an object are.
pub(crate) fn pack(
    out: &mut Vec<u8>,
    serial: u32,
    invocation: &Invocation,
    run: &RunInfo,
    mut place: impl FnMut(&Object) -> Result<Place, Failure>,
) -> Result<(), Failure> {
    let kind = match invocation.arguments {
        Arguments::One(_) => CallKind::One,
        Arguments::List(_) => CallKind::List,
        Arguments::Event(_) => CallKind::Event,
        Arguments::Events { .. } => CallKind::Events,
    };
    let objects = invocation.arguments.objects();
    let count = match &invocation.arguments {
        Arguments::Event(_) => 1,
        Arguments::Events { list, .. } => list.len(),
        _ => objects.len(),
    };
    out.clear();
    out.extend_from_slice(&serial.to_le_bytes());
    out.extend_from_slice(&invocation.function.0.to_le_bytes());
    // The number of control messages is not known yet: `set_waiting`.
    out.extend_from_slice(&[kind as u8, 0]);
    out.extend_from_slice(&invocation.attempt.0.to_le_bytes());
    out.extend_from_slice(&(count as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for object in objects {
        pack_object(out, object, &place(object)?)?;
    }
    match &invocation.arguments {
        Arguments::Event(event) => {
            let pack = EventPack::from(vec![event.clone()]);
            pack.iter().try_for_each(|event| pack_event(out, &event))?;
        }
        Arguments::Events { list, .. } => list.iter().try_for_each(|event| pack_event(out, &event))?,
        Arguments::One(_) | Arguments::List(_) => {}
    }
    let context_at = u32::try_from(out.len()).map_err(|_| too_large())?;
    out[CALL_HEADER_BYTES - 4..CALL_HEADER_BYTES].copy_from_slice(&context_at.to_le_bytes());
    let idempotency_key = format!("{}/{}", run.run_id, invocation.id.seq);
    let texts = [
        Some(&*run.run_id),
        Some(&*idempotency_key),
        invocation.group.as_deref(),
        run.traceparent.as_deref(),
    ];
    texts.into_iter().try_for_each(|text| pack_text(out, text))
}

/// Says how many control messages the worker must read before the call.
pub(crate) fn set_waiting(frame: &mut [u8], waiting: u8) {
    frame[7] = waiting;
}

/// The header of a call that lies in an extent.
pub(crate) fn pack_far(out: &mut Vec<u8>, waiting: u8, at: sluice_objects::Location) {
    out.clear();
    out.extend_from_slice(&[0; CALL_HEADER_BYTES]);
    out[6] = CallKind::Far as u8;
    set_waiting(out, waiting);
    out.extend_from_slice(&at.extent.0.to_le_bytes());
    out.extend_from_slice(&at.offset.to_le_bytes());
    out.extend_from_slice(&at.len.to_le_bytes());
}

fn pack_object(out: &mut Vec<u8>, object: &Object, place: &Place) -> Result<(), Failure> {
    let meta = object
        .meta
        .as_ref()
        .map_or(Vec::new(), |meta| serde_json::to_vec(&**meta).expect("a map of texts is JSON"));
    let (key, group) = (&*object.key, object.group.as_deref());
    let parts = RecordParts {
        bucket: object.bucket.0,
        key,
        content_type: &object.content_type,
        group,
        meta: &meta,
        place,
    };
    parts.pack(out).ok_or_else(too_large)
}

/// An event travels as an object: its id is the key, its other attributes are meta.
fn pack_event(out: &mut Vec<u8>, event: &EventView<'_>) -> Result<(), Failure> {
    let head = event.head;
    let mut meta = serde_json::Map::new();
    meta.insert("source".to_owned(), (&*head.source).into());
    meta.insert("type".to_owned(), (&*head.r#type).into());
    meta.insert("time_ms".to_owned(), event.time_ms.to_string().into());
    if let Some(subject) = &head.subject {
        meta.insert("subject".to_owned(), (&**subject).into());
    }
    let meta = serde_json::to_vec(&meta).expect("a map of texts is JSON");
    let place = Place::Inline(Bytes::copy_from_slice(event.data));
    let parts = RecordParts {
        bucket: NO_BUCKET,
        key: event.id,
        content_type: &head.content_type,
        group: None,
        meta: &meta,
        place: &place,
    };
    parts.pack(out).ok_or_else(too_large)
}

fn pack_text(out: &mut Vec<u8>, text: Option<&str>) -> Result<(), Failure> {
    let Some(text) = text else {
        out.extend_from_slice(&ABSENT.to_le_bytes());
        return Ok(());
    };
    let len = u16::try_from(text.len()).ok().filter(|len| *len != ABSENT).ok_or_else(too_large)?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn too_large() -> Failure {
    failure(FailureKind::Limit, "LimitExceeded", "a name, group or content type is longer than 65,534 bytes")
}
