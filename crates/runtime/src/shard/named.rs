//! The stored objects that an input names. Their ids are never given again, also when the input is all that tells of
//! them.

use sluice_engine::{InputKind, Origin};
use sluice_types::{Object, ObjectId, Outcome, Payload};

/// The id after the last one that an input names; 0 when it names none.
pub(super) fn next_after(kind: &InputKind) -> ObjectId {
    let mut next = 0;
    each_payload(kind, &mut |payload| {
        if let Payload::Stored { id, .. } = payload {
            next = next.max(id.0 + 1);
        }
    });
    ObjectId(next)
}

fn each_payload(kind: &InputKind, visit: &mut dyn FnMut(&Payload)) {
    match kind {
        InputKind::Start(start) => {
            each_object(&start.objects, visit);
            if let Origin::Firing { arguments, .. } = &start.origin {
                each_object(arguments.objects(), visit);
            }
        }
        InputKind::Put { object, .. }
        | InputKind::Deliver { object, .. }
        | InputKind::AppPut { object, .. } => {
            visit(&object.payload);
        }
        InputKind::Output { put, .. } => visit(&put.payload),
        InputKind::Completed { outcome: Outcome::Succeeded { puts, value, .. }, .. } => {
            puts.iter().for_each(|put| visit(&put.payload));
            value.iter().for_each(|value| visit(&value.payload));
        }
        InputKind::ExpressEnded(ended) => each_object(&ended.outputs, visit),
        InputKind::Deploy(_)
        | InputKind::Seal { .. }
        | InputKind::Completed { .. }
        | InputKind::Cancel { .. }
        | InputKind::Events { .. }
        | InputKind::Cron { .. }
        | InputKind::Timers
        | InputKind::Reincarnate { .. }
        | InputKind::Quarantine { .. }
        | InputKind::Forget { .. } => {}
    }
}

fn each_object(objects: &[Object], visit: &mut dyn FnMut(&Payload)) {
    objects.iter().for_each(|object| visit(&object.payload));
}
