//! Which stored objects a record names.

use sluice_engine::{InputKind, Origin};
use sluice_types::{Object, ObjectId, Outcome, Payload};
use std::collections::BTreeSet;

/// Adds every stored object that an input names. Whoever adds a payload to an input adds it here: what is not named is
/// swept at recovery.
pub(super) fn gather(kind: &InputKind, named: &mut BTreeSet<ObjectId>) {
    let mut add = |payload: &Payload| match payload {
        Payload::Stored { id, .. } => named.extend([*id]),
        Payload::Inline(_) | Payload::Open { .. } => {}
    };
    let mut add_all = |objects: &[Object]| objects.iter().for_each(|object| add(&object.payload));
    match kind {
        InputKind::Start(start) => {
            add_all(&start.objects);
            match &start.origin {
                Origin::Client | Origin::Call { .. } => {}
                Origin::Firing { arguments, .. } => add_all(arguments.objects()),
            }
        }
        InputKind::Put { object, .. }
        | InputKind::Deliver { object, .. }
        | InputKind::AppPut { object, .. } => add(&object.payload),
        InputKind::Output { put, .. } | InputKind::Opened { put, .. } | InputKind::Closed { put, .. } => {
            add(&put.payload)
        }
        InputKind::Completed { outcome, .. } | InputKind::Returned { outcome, .. } => match outcome {
            Outcome::Succeeded { puts, value, emits: _ } => {
                puts.iter().for_each(|put| add(&put.payload));
                value.iter().for_each(|value| add(&value.payload));
            }
            Outcome::Failed(_) | Outcome::Cancelled => {}
        },
        InputKind::ExpressEnded(ended) => add_all(&ended.outputs),
        InputKind::Deploy(_)
        | InputKind::Seal { .. }
        | InputKind::Cancel { .. }
        | InputKind::Events { .. }
        | InputKind::Cron { .. }
        | InputKind::Timers
        | InputKind::Reincarnate { .. }
        | InputKind::Quarantine { .. }
        | InputKind::Forget { .. }
        | InputKind::Consumed { .. }
        | InputKind::Document { .. }
        | InputKind::Workflow { .. }
        | InputKind::Code { .. }
        | InputKind::Called { .. } => {}
    }
}
