//! Every record that was ever durable, and an engine that does nothing but apply them: the truth that the shard is
//! compared with. It never crashes, never loads, never evicts.

use super::clerk::Clerk;
use super::journals::as_journalled;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::eval::Plain;
use sluice_engine::{Engine, Input, InputKind, Origin, OutboxId};
use sluice_storage::log::Log;
use sluice_types::{AppKey, BucketIx, EventView, Lsn, ObjectId, Payload, RunKey, TriggerIx};
use std::collections::BTreeSet;

/// What must be in the log at most once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Run(RunKey),
    RunId(String),
    Firing(AppKey, u64),
    Left(OutboxId),
    Crossed(RunKey, BucketIx, String),
    Event(String, String),
    Cron(AppKey, TriggerIx, u64),
}

/// The log as it ever was.
pub(super) struct Archive {
    /// The engine that applied all of it.
    pub truth: Engine,
    /// Objects of runs that were forgotten.
    pub let_go: Vec<ObjectId>,
    /// Fingerprints of the records from lsn 1 on.
    records: Vec<u128>,
    causes: BTreeSet<Cause>,
    clerk: Clerk,
    /// Ids of the runs that were forgotten.
    forgotten: BTreeSet<String>,
    last_ms: u64,
}

fn lost(message: String) -> Violation {
    Violation::new(Checker::NothingLost, message)
}

impl Archive {
    pub fn new() -> Self {
        let truth = Engine::durable(Box::new(Plain));
        Self {
            truth,
            let_go: Vec::new(),
            records: Vec::new(),
            causes: BTreeSet::new(),
            clerk: Clerk::default(),
            forgotten: BTreeSet::new(),
            last_ms: 0,
        }
    }

    /// Records so far.
    pub fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// Takes in what became durable since the last call.
    pub fn pull<D: sluice_storage::disk::Disk>(
        &mut self,
        log: &Log<D>,
        scene: &Scene,
    ) -> Result<(), Violation> {
        if log.durable().0 > self.len() {
            self.read(log, Lsn(self.len() + 1), scene)?;
        }
        Ok(())
    }

    /// After the log was opened again: nothing durable is gone or different.
    pub fn compare<D: sluice_storage::disk::Disk>(
        &mut self,
        log: &Log<D>,
        scene: &Scene,
    ) -> Result<(), Violation> {
        if log.durable().0 < self.len() {
            return Err(lost(format!(
                "the log ends at {} after recovery, it had {} records",
                log.durable(),
                self.len()
            )));
        }
        scene.cover(|coverage| coverage.check("records that survived", self.records.len()));
        self.read(log, log.oldest(), scene)
    }

    fn read<D: sluice_storage::disk::Disk>(
        &mut self,
        log: &Log<D>,
        from: Lsn,
        scene: &Scene,
    ) -> Result<(), Violation> {
        let unreadable =
            |error: sluice_storage::Error| lost(format!("the log cannot be read from {from}: {error}"));
        let mut records = log.replay(from).map_err(unreadable)?;
        while let Some(record) = records.next().map_err(unreadable)? {
            let fingerprint = xxhash_rust::xxh3::xxh3_128(record.payload);
            match self.records.get(record.lsn.0 as usize - 1) {
                Some(known) if *known == fingerprint => {}
                Some(_) => return Err(lost(format!("record {} is another one than before", record.lsn))),
                None => {
                    let input =
                        postcard::from_bytes(record.payload).map_err(|error| lost(error.to_string()))?;
                    self.records.push(fingerprint);
                    self.take(record.lsn, input, scene)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, lsn: Lsn, input: Input, scene: &Scene) -> Result<(), Violation> {
        scene.tell(|| format!("{lsn} {}", brief(&input.kind)));
        scene.cover(|coverage| *coverage.inputs.entry(name(&input.kind)).or_default() += 1);
        if input.now_ms < self.last_ms {
            let message =
                format!("record {lsn} is of {} ms, the one before of {} ms", input.now_ms, self.last_ms);
            return Err(Violation::new(Checker::SameState, message));
        }
        self.last_ms = input.now_ms;
        self.check_causes(lsn, &input.kind, scene)?;
        if let InputKind::Forget { run } = input.kind {
            self.forget(lsn, run, input.now_ms, scene)?;
        }
        self.clerk.before(&input.kind, |run| self.truth.run(run), scene);
        self.truth.apply(lsn, input, &mut Vec::new());
        self.clerk.after(|run| self.truth.run(run), scene)
    }

    /// A run is about to be forgotten, and not too early. Its id may be used again. One that was redriven is left alone.
    fn forget(&mut self, lsn: Lsn, run: RunKey, now_ms: u64, scene: &Scene) -> Result<(), Violation> {
        let Some(run) = self.truth.run(run).filter(|run| run.is_idle()) else { return Ok(()) };
        let Some(ended_ms) = run.ended_ms() else { return Ok(()) };
        let kept_ms = now_ms.saturating_sub(ended_ms);
        if Some(kept_ms) < scene.retention_ms {
            return Err(lost(format!("record {lsn} forgets {} {kept_ms} ms after its end", run.id())));
        }
        scene.cover(|coverage| coverage.check("runs forgotten in time", 1));
        as_journalled(run, scene)?;
        self.let_go.extend(run.slots().iter().filter(|slot| !slot.released).filter_map(|slot| {
            match slot.object.payload {
                Payload::Stored { id, .. } => Some(id),
                _ => None,
            }
        }));
        self.causes.remove(&Cause::RunId(run.id().to_string()));
        self.forgotten.insert(run.id().to_string());
        Ok(())
    }

    fn check_causes(&mut self, lsn: Lsn, kind: &InputKind, scene: &Scene) -> Result<(), Violation> {
        let mut causes = Vec::new();
        match kind {
            InputKind::Start(start) => {
                causes.extend([Cause::Run(start.run), Cause::RunId(start.id.to_string())]);
                if let Origin::Firing { number, .. } = start.origin {
                    causes.push(Cause::Firing(start.app, number));
                }
            }
            InputKind::Deliver { from, object, .. } => {
                causes.push(Cause::Crossed(from.run, object.bucket, object.key.to_string()));
            }
            InputKind::Consumed { from, .. } | InputKind::Events { acknowledges: Some(from), .. } => {
                let delegated = self.truth.run(from.run).is_some_and(|run| run.is_delegated());
                causes.extend((!delegated).then_some(Cause::Left(*from)));
            }
            InputKind::Events { events, acknowledges: None, .. } => {
                let cause =
                    |event: EventView<'_>| Cause::Event(event.head.source.to_string(), event.id.to_string());
                causes.extend(events.iter().map(cause));
            }
            InputKind::Cron { app, trigger, due_ms, .. } => causes.push(Cause::Cron(*app, *trigger, *due_ms)),
            InputKind::Completed { invocation, attempt, .. }
                if !scene.workers.borrow().ended.contains(&(*invocation, *attempt)) =>
            {
                let message =
                    format!("record {lsn} says that {invocation} {attempt} ended, which it never reported");
                return Err(Violation::new(Checker::NothingTwice, message));
            }
            _ => {}
        }
        for cause in causes {
            scene.cover(|coverage| coverage.check("causes seen once", 1));
            if !self.causes.insert(cause.clone()) {
                return Err(Violation::new(Checker::NothingTwice, format!("record {lsn} repeats {cause:?}")));
            }
        }
        Ok(())
    }

    /// Whether a run of that id was forgotten.
    pub fn has_forgotten(&self, id: &str) -> bool {
        self.forgotten.contains(id)
    }

    /// Whether an event is in the log.
    pub fn has_event(&self, source: &str, id: &str) -> bool {
        self.causes.contains(&Cause::Event(source.into(), id.into()))
    }
}

fn name(kind: &InputKind) -> &'static str {
    match kind {
        InputKind::Deploy(_) => "deploy",
        InputKind::Start(_) => "start",
        InputKind::Put { .. } => "put",
        InputKind::Seal { .. } => "seal",
        InputKind::Output { .. } => "output",
        InputKind::Opened { .. } => "opened",
        InputKind::Closed { .. } => "closed",
        InputKind::Completed { .. } => "completed",
        InputKind::Cancel { .. } => "cancel",
        InputKind::Events { .. } => "events",
        InputKind::Deliver { .. } => "deliver",
        InputKind::AppPut { .. } => "app-put",
        InputKind::Consumed { .. } => "consumed",
        InputKind::Document { .. } => "document",
        InputKind::Workflow { .. } => "workflow",
        InputKind::Code { .. } => "code",
        InputKind::Called { .. } => "called",
        InputKind::Returned { .. } => "returned",
        InputKind::Cron { .. } => "cron",
        InputKind::Timers => "timers",
        InputKind::ExpressEnded(_) => "express-ended",
        InputKind::Reincarnate { .. } => "reincarnate",
        InputKind::Quarantine { .. } => "quarantine",
        InputKind::Forget { .. } => "forget",
    }
}

fn brief(kind: &InputKind) -> String {
    match kind {
        InputKind::Start(start) => format!("start {} as {} of {}", start.id, start.run, start.app),
        InputKind::Put { run, object } => format!("put {} into {run}", object.key),
        InputKind::Output { invocation, attempt, put } => format!("{invocation} {attempt} puts {}", put.key),
        InputKind::Opened { invocation, attempt, put } => format!("{invocation} {attempt} opens {}", put.key),
        InputKind::Closed { invocation, attempt, put } => {
            format!("{invocation} {attempt} closes {}", put.key)
        }
        InputKind::Completed { invocation, attempt, outcome } => {
            let outcome = format!("{outcome:?}");
            format!("{invocation} {attempt} ends: {}", outcome.split([' ', '(']).next().unwrap_or_default())
        }
        InputKind::Seal { run } | InputKind::Cancel { run, .. } | InputKind::Reincarnate { run } => {
            format!("{} {run}", name(kind))
        }
        InputKind::Deliver { from, object, .. } => {
            format!("{} leaves {} ({})", object.key, from.run, from.seq)
        }
        other => name(other).to_owned(),
    }
}
