//! Objects that are put on disk beside the shard, and the reports that wait for them.
//!
//! A record may only name bytes that are on disk. What an attempt reports after an object that is not there yet waits
//! behind it, so that its reports stay in order; other attempts go on.

use super::Shard;
use crate::ports::{Objects, Ports, Report};
use rustc_hash::FxHashMap;
use sluice_types::{Attempt, Code, InvocationId, ObjectId, Outcome, Payload, Problem};
use std::collections::{BTreeMap, VecDeque};

/// Reports that wait, by the invocation they are of.
#[derive(Default)]
pub(super) struct Saves {
    objects: BTreeMap<ObjectId, InvocationId>,
    lines: FxHashMap<InvocationId, VecDeque<Report>>,
    /// Those whose objects found no space on the disk.
    starved: Vec<InvocationId>,
    /// When these are tried again.
    again_ms: u64,
}

/// Between two tries to put objects on a full disk, in milliseconds.
const AGAIN_MS: u64 = 500;

impl Saves {
    /// Whether a report may have to wait: it brings something that is not in it, or others wait already.
    pub fn concern(&self, report: &Report) -> bool {
        let is_outside = |payload: &Payload| !matches!(payload, Payload::Inline(_));
        let brings = match report {
            Report::Put { put, .. } => is_outside(&put.payload),
            Report::Completed { outcome: Outcome::Succeeded { puts, value, .. }, .. } => {
                puts.iter().any(|put| is_outside(&put.payload))
                    || value.as_ref().is_some_and(|value| is_outside(&value.payload))
            }
            Report::Closed { .. } => true,
            _ => false,
        };
        brings || !self.lines.is_empty()
    }

    /// Lets a report wait, before all others of its invocation.
    fn wait(&mut self, of: InvocationId, report: Report) {
        self.lines.entry(of).or_default().push_front(report);
    }

    /// Lets a report wait if an earlier one of its invocation does; gives it back if not.
    pub fn queue(&mut self, report: Report) -> Option<Report> {
        if self.lines.is_empty() {
            return Some(report);
        }
        match invocation(&report).and_then(|(of, _)| self.lines.get_mut(&of)) {
            Some(line) => line.push_back(report),
            None => return Some(report),
        }
        None
    }

    /// Objects that no record names yet and that may be on disk: what they wait for may not be.
    pub fn unnamed(&mut self) -> impl Iterator<Item = ObjectId> {
        self.lines.values_mut().flatten().flat_map(objects)
    }

    /// When those that found no space on the disk are tried again, in milliseconds since the Unix epoch.
    pub fn next_deadline(&self) -> Option<u64> {
        (!self.starved.is_empty()).then_some(self.again_ms)
    }
}

impl<P: Ports> Shard<P> {
    /// Sees to it that what a report brings may be named by a record: what was written piece by piece has its end, and
    /// objects of durable runs are on disk. Gives the report back when that is so; else it waits, or its attempt has
    /// failed.
    pub(super) fn keep(&mut self, mut report: Report) -> Option<Report> {
        if let Some(reader) = self.ends_too_early(&report) {
            self.saves.wait(reader, report);
            return None;
        }
        if payloads(&mut report).next().is_none() {
            return Some(report);
        }
        let (of, attempt) = invocation(&report)?;
        let mut unsaved = None;
        let kept = self.end_stream(&mut report).and_then(|()| {
            let express = self.express.run(of.run).is_some();
            for payload in payloads(&mut report).filter(|_| !express) {
                if !self.objects.save(payload)? {
                    unsaved = stored(payload);
                    break;
                }
            }
            Ok(())
        });
        match (kept, unsaved) {
            (Err(problem), _) if problem.code == Code::DISK_FULL => {
                self.saves.wait(of, report);
                self.starve(of);
            }
            (Err(problem), _) => self.fail_attempt(of, attempt, objects(&mut report), &problem),
            (Ok(()), None) => return Some(report),
            (Ok(()), Some(id)) => {
                self.saves.objects.insert(id, of);
                self.saves.wait(of, report);
            }
        }
        None
    }

    /// Goes on with the reports whose objects are on disk now. On a full disk they wait: what was accepted is not lost.
    pub(super) fn take_saved(&mut self) {
        while let Some((id, saved)) = self.objects.saved() {
            let Some(of) = self.saves.objects.remove(&id) else { continue };
            match saved {
                Ok(()) => self.go_on(of, None),
                Err(problem) if problem.code == Code::DISK_FULL => self.starve(of),
                Err(problem) => self.go_on(of, Some(&problem)),
            }
        }
        if self.saves.next_deadline().is_some_and(|due_ms| due_ms <= self.now()) {
            std::mem::take(&mut self.saves.starved).into_iter().for_each(|of| self.go_on(of, None));
        }
    }

    /// There is no space on the disk for what an invocation brings.
    fn starve(&mut self, of: InvocationId) {
        self.saves.starved.push(of);
        self.saves.again_ms = self.now_ms.saturating_add(AGAIN_MS);
    }

    /// Takes in what waits of an invocation, again from its first report, unless that has failed.
    pub(super) fn go_on(&mut self, of: InvocationId, failed: Option<&Problem>) {
        let mut line = self.saves.lines.remove(&of).unwrap_or_default();
        if let Some(problem) = failed
            && let Some(mut report) = line.pop_front()
            && let Some((_, attempt)) = invocation(&report)
        {
            self.fail_attempt(of, attempt, objects(&mut report), problem);
        }
        line.into_iter().for_each(|report| self.report(report));
    }
}

/// The attempt that a report brings something of.
fn invocation(report: &Report) -> Option<(InvocationId, Attempt)> {
    match report {
        Report::Put { invocation, attempt, .. }
        | Report::Opened { invocation, attempt, .. }
        | Report::Closed { invocation, attempt, .. }
        | Report::Completed { invocation, attempt, .. } => Some((*invocation, *attempt)),
        Report::Started { .. } | Report::Passed { .. } | Report::Log { .. } => None,
    }
}

pub(super) fn stored(payload: &Payload) -> Option<ObjectId> {
    match payload {
        Payload::Stored { id, .. } => Some(*id),
        Payload::Inline(_) | Payload::Open { .. } => None,
    }
}

/// The objects that a report brings.
fn objects(report: &mut Report) -> impl Iterator<Item = ObjectId> {
    payloads(report).filter_map(|payload| stored(payload))
}

/// The payloads in a report that lie outside the log.
fn payloads(report: &mut Report) -> impl Iterator<Item = &mut Payload> {
    let (put, puts, value) = match report {
        Report::Put { put, .. } | Report::Closed { put, .. } => (Some(put), &mut [][..], None),
        Report::Completed { outcome: Outcome::Succeeded { puts, value, .. }, .. } => {
            (None, puts.as_mut_slice(), value.as_mut())
        }
        _ => (None, &mut [][..], None),
    };
    let puts = put.into_iter().chain(puts.iter_mut().map(|put| &mut **put));
    let payloads = puts.map(|put| &mut put.payload).chain(value.map(|value| &mut value.payload));
    payloads.filter(|payload| !matches!(payload, Payload::Inline(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_types::{BucketIx, ContentType, Put};

    #[test]
    fn what_waits_is_unnamed() {
        let of = InvocationId::default();
        let put = |payload| Report::Put {
            invocation: of,
            attempt: Attempt(1),
            put: Put {
                bucket: BucketIx(2),
                key: "k".into(),
                content_type: ContentType::Bytes,
                payload,
                group: None,
                meta: None,
            },
        };
        let stored = |id| put(Payload::Stored { id: ObjectId(id), len: 1 << 20, digest: None });
        let mut saves = Saves::default();
        saves.wait(of, stored(7));
        assert!(saves.queue(put(Payload::Inline("x".into()))).is_none() && saves.queue(stored(9)).is_none());
        assert_eq!(saves.unnamed().collect::<Vec<_>>(), [ObjectId(7), ObjectId(9)]);
    }
}
