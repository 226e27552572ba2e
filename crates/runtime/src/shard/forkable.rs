//! Whether a run can be forked, as far as can be said before its code is told anything and before anything is copied.

use super::commands::unknown_bucket;
use super::prefix::{Told, value};
use super::saves::stored;
use crate::api::lsn_text;
use sluice_engine::Run;
use sluice_engine::objects::Owner;
use sluice_flow::{Line, Past, Want};
use sluice_types::{Code, Durability, Lsn, Object, ObjectId, Problem, Program, Steps, Version, limits};
use std::collections::BTreeSet;

/// What can be done if the version does not fit.
const ANOTHER_VERSION: &str = "fork it on the version that the run has: --version";
/// What can be done if the past does not.
const ANOTHER_RECORD: &str = "fork it at an earlier record";

/// Whether the workflow can go on in this version.
pub(super) fn check_target(program: &Program, version: Version, workflow: &str) -> Result<(), Problem> {
    let steps = program.workflow(workflow).map(|ix| &program.workflows[ix.index()].steps);
    let message = match (steps, program.durability) {
        (Some(Steps::Code { .. }), Durability::Durable) => return Ok(()),
        (Some(Steps::Code { .. }), Durability::Express) => {
            format!("version {} is express: its runs keep no past", version.0)
        }
        _ => format!("version {} has no workflow {workflow:?} that is code", version.0),
    };
    Err(Problem::new(Code::FORK_REFUSED, message, ANOTHER_VERSION))
}

/// Whether there are few enough calls and puts to make again.
pub(super) fn check_again(past: &Past) -> Result<(), Problem> {
    let (again, most) = (past.again().len(), limits::FORK_AGAIN_MAX);
    if again <= most {
        return Ok(());
    }
    let message = format!("{again} calls and puts would be made again, of at most {most} (FORK_AGAIN_MAX)");
    Err(Problem::new(Code::LIMIT_EXCEEDED, message, ANOTHER_RECORD))
}

/// Whether the version has all that is called and put again: its code has to want it once more.
pub(super) fn check_names(program: &Program, version: Version, past: &Past) -> Result<(), Problem> {
    let lacking = past.again().into_values().find_map(|want| match want {
        Want::Call(name) if program.function(&name).is_none() => Some(format!("function {name:?}")),
        Want::Child(name) if program.workflow(&name).is_none() => Some(format!("workflow {name:?}")),
        Want::Put { bucket, .. } if program.bucket(&bucket).is_none() => Some(format!("bucket {bucket:?}")),
        _ => None,
    });
    let Some(lacking) = lacking else { return Ok(()) };
    let message = format!("version {} has no {lacking}, which the past of the run uses", version.0);
    Err(Problem::new(Code::FORK_REFUSED, message, ANOTHER_VERSION))
}

/// Whether the values beside the log that a journal names are there, and few enough to be copied.
pub(super) fn check_values(run: &Run, journal: &[Told]) -> Result<(), Problem> {
    let gone: BTreeSet<ObjectId> = {
        let released = run.slots().iter().filter(|slot| slot.released);
        released.filter_map(|slot| stored(&slot.object.payload)).collect()
    };
    let mut count = 0;
    for (at, _, line) in journal {
        let Some(id) = value(line).and_then(stored) else { continue };
        if gone.contains(&id) {
            let why = "a checkpoint that the code took later has let go of it";
            return Err(is_lost(run.id(), *at, &shown(line), why));
        }
        count += 1;
    }
    let most = limits::FORK_VALUES_MAX;
    if count <= most {
        return Ok(());
    }
    let message = format!(
        "the past of run {:?} names {count} values beside the log, of at most {most} (FORK_VALUES_MAX)",
        &**run.id()
    );
    Err(Problem::new(Code::LIMIT_EXCEEDED, message, ANOTHER_RECORD))
}

/// Whether so many bytes may be copied.
pub(super) fn check_bytes(run: &Run, bytes: u64) -> Result<(), Problem> {
    let most = limits::FORK_BYTES_MAX;
    if bytes <= most {
        return Ok(());
    }
    let message = format!(
        "the past of run {:?} is too large to be copied: its journal, the values that this names and the inputs are more \
         than {most} bytes (FORK_BYTES_MAX)",
        &**run.id()
    );
    Err(Problem::new(Code::LIMIT_EXCEEDED, message, ANOTHER_RECORD))
}

/// What clients had put into a run, in the buckets of another version. What its code had put, the code will put again.
pub(super) fn inputs_of(
    run: &Run,
    program: &Program,
    arrived: &[(Lsn, u32)],
    past: &Past,
) -> Result<Vec<Object>, Problem> {
    let again = past.again();
    let by_code: BTreeSet<(&str, &str)> = again.values().filter_map(put_of).collect();
    let name = |object: &Object| &*run.program().buckets[object.bucket.index()].name;
    let slots = arrived.iter().map(|(_, at)| &run.slots()[*at as usize]);
    let of_clients = slots.filter(|slot| slot.owner == Owner::Client);
    let others = of_clients.filter(|slot| !by_code.contains(&(name(&slot.object), &*slot.object.key)));
    let input = |slot: &sluice_engine::objects::Slot| {
        let bucket = name(&slot.object);
        if slot.released {
            let message = format!(
                "object {:?} of bucket {bucket:?} of run {:?} is gone",
                &*slot.object.key,
                &**run.id()
            );
            let fix = "declare the bucket keep=True to keep objects";
            return Err(Problem::new(Code::OBJECT_RELEASED, message, fix));
        }
        let bucket = program.bucket(bucket).ok_or_else(|| unknown_bucket(program, bucket))?;
        Ok(Object { bucket, ..slot.object.clone() })
    };
    others.map(input).collect()
}

/// There is nothing to go on from.
pub(super) fn nothing(parent: &str) -> Problem {
    let message = format!("the workflow of run {parent:?} has no past yet");
    Problem::new(Code::FORK_REFUSED, message, "start a run instead")
}

/// It had ended by then.
pub(super) fn has_ended(run: &Run, end: Lsn) -> Problem {
    let message = format!("the workflow of run {:?} has ended at record {}", &**run.id(), lsn_text(end));
    Problem::new(Code::FORK_REFUSED, message, "fork it at an earlier record, or leave --at out")
}

/// A value beside the log is not there.
pub(super) fn is_lost(parent: &str, at: Lsn, said: &str, why: &str) -> Problem {
    let at = lsn_text(at);
    let message = format!("what {said} of record {at} of run {parent:?} brought is gone: {why}");
    Problem::new(Code::OBJECT_RELEASED, message, ANOTHER_RECORD)
}

/// A line of a journal, shortly.
pub(super) fn shown(line: &Line) -> String {
    match line {
        Line::Entry(entry) => format!("`{}`", entry.news),
        Line::Command { want, .. } => format!("`{want}`"),
        Line::Run(id) => format!("`run {id}`"),
    }
}

fn put_of(want: &Want) -> Option<(&str, &str)> {
    match want {
        Want::Put { bucket, key } => Some((bucket, key)),
        _ => None,
    }
}
