//! A run goes on on another version of its app, between two turns of its code.
//!
//! What the run has of its program, functions, buckets, triggers and the workflow, is found in the new version by its name.
//! Triggers that have something under way stay as they are only if the new version declares all of them and what they stand
//! on just as the old one does; otherwise the run is not moved. A turn that is out is taken back and given again. A call that
//! is out goes on on its old code, and what it brings counts; if the buckets that it may put to are numbered in another way
//! by now, it is begun again as another attempt. Further attempts are on the new version.

use super::super::{Cx, HistoryKind, Pending, PendingState, Run, Tally, TriggerState};
use crate::compiled::Compiled;
use crate::condition::State;
use crate::effect::{Effect, Reply};
use sluice_flow::Output;
use sluice_types::{
    BucketIx, Code, Function, FunctionIx, InvocationId, Problem, Program, Steps, Version, WorkflowIx, limits,
};
use std::sync::Arc;

/// Where the names of the old program are in the new one.
pub(crate) struct Names {
    workflow: WorkflowIx,
    function: FunctionIx,
    /// Nothing has another number.
    is_same: bool,
    functions: Vec<Option<FunctionIx>>,
    buckets: Vec<Option<BucketIx>>,
}

impl Names {
    /// The error says what is missing.
    fn find(old: &Program, new: &Program, workflow: &str) -> Result<Self, String> {
        let missing = || format!("it has no workflow {workflow:?} that is code");
        let at = new.workflow(workflow).ok_or_else(missing)?;
        let Steps::Code { function } = new.workflows[at.index()].steps else { return Err(missing()) };
        let is_alike = |f: &Function, at: &FunctionIx| is_run(f) == is_run(&new.functions[at.index()]);
        let named = |f: &Function| new.function(&f.name).filter(|at| is_alike(f, at));
        Ok(Self {
            workflow: at,
            function,
            is_same: has_same_graph(old, new),
            functions: old.functions.iter().map(named).collect(),
            buckets: old.buckets.iter().map(|bucket| new.bucket(&bucket.name)).collect(),
        })
    }

    fn keeps_buckets(&self) -> bool {
        self.buckets.iter().zip(0..).all(|(bucket, at)| *bucket == Some(BucketIx(at)))
    }
}

/// Whether two programs differ in nothing that the state of a run's triggers stands on.
fn has_same_graph(old: &Program, new: &Program) -> bool {
    let is_same = |(old, new): (&Function, &Function)| {
        let runs_alike = is_run(old) == is_run(new) && old.streams == new.streams;
        old.name == new.name && old.into == new.into && runs_alike
    };
    old.functions.len() == new.functions.len()
        && old.functions.iter().zip(&new.functions).all(is_same)
        && old.buckets == new.buckets
        && old.triggers == new.triggers
}

/// Whether its attempts are runs.
fn is_run(function: &Function) -> bool {
    function.workflow().is_some()
}

impl Run {
    /// Goes on on another version of the app.
    pub(crate) fn move_to(&mut self, cx: &mut Cx<'_>, version: Version, new: &Arc<Compiled>) -> Reply {
        let names = match self.can_move(version, new) {
            Ok(names) => names,
            Err(problem) => return Reply::Rejected(Box::new(problem)),
        };
        if version == self.version {
            return Reply::Accepted;
        }
        self.take_turn_back(cx);
        self.record(cx, HistoryKind::Moved { from: self.version, to: version });
        let (line, before) = (self.history_len(), self.version);
        self.code_mut().expect("it has code").moved(names.function, line, before);
        self.workflow.as_mut().expect("it has a workflow").workflow = names.workflow;
        self.version = version;
        if !names.is_same {
            self.rename(new, &names);
        }
        self.compiled = Some(new.clone());
        let Cx { lsn, now_ms, ref mut eval, ref mut timers, ref mut effects, .. } = *cx;
        let mut cx = Cx { lsn, now_ms, compiled: new, eval: &mut **eval, timers, effects };
        if !names.keeps_buckets() {
            self.begin_calls_again(&mut cx);
        }
        let mut out = Output::default();
        self.code_mut().expect("it has code").retake(&mut out);
        self.follow_code(&mut cx, out);
        self.settle(&mut cx);
        Reply::Accepted
    }

    /// The names of this run's program in the new one; the error says why the run keeps its version, and its place names the run.
    pub(crate) fn can_move(&self, version: Version, new: &Compiled) -> Result<Names, Problem> {
        let refused =
            |code: Code, why: String, fix: &str| Problem::new(code, why, fix).at(format!("run {}", self.id));
        if !self.hears_signals() {
            let why = "it has no workflow under way that is code".to_owned();
            return Err(refused(Code::RUN_ENDED, why, "only such runs can go on on another version"));
        }
        if new.program.durability != self.program().durability {
            let why = format!("version {} has another durability", version.0);
            return Err(refused(Code::BAD_REQUEST, why, "let the run end on its version"));
        }
        if self.code().is_some_and(|code| code.moves().len() >= limits::RUN_MOVES_MAX) {
            let why = format!("it was moved {} times (RUN_MOVES_MAX)", limits::RUN_MOVES_MAX);
            return Err(refused(Code::LIMIT_EXCEEDED, why, "fork it to go on on another version"));
        }
        let start = self.workflow.as_deref().expect("it has a workflow");
        let workflow = &self.program().workflows[start.workflow.index()].name;
        let names = Names::find(self.program(), &new.program, workflow);
        let lacking = names.and_then(|names| match names.is_same {
            true => Ok(names),
            false => self.keeps_all(&names).map(|()| names),
        });
        lacking.map_err(|why| {
            let fix = "deploy a version that has it; or let the run end on the version that it has";
            refused(Code::UNKNOWN_NAME, format!("on version {}, {why}", version.0), fix)
        })
    }

    /// Whether all that this run stands on is in a version with another graph. The error says what is not.
    fn keeps_all(&self, names: &Names) -> Result<(), String> {
        let program = self.program();
        let fresh = |(declared, trigger): (&sluice_types::Trigger, &TriggerState)| {
            trigger.fired == 0 && trigger.state == State::new(&declared.condition, declared.scope)
        };
        let is_at_work = self.pending.values().any(|pending| pending.part.is_none());
        let is_used = program.triggers.iter().zip(&self.triggers).any(|pair| !fresh(pair));
        if is_at_work || is_used || !self.lost.is_empty() || self.closed.contains(&true) {
            return Err(
                "triggers, or what they stand on, are other ones, and some of this run are at work".into()
            );
        }
        for pending in self.pending.values().filter(|pending| Some(pending.function) != self.turns_of()) {
            let at = pending.function.index();
            if names.functions[at].is_none() {
                return Err(format!(
                    "there is no function {:?}, which it waits for",
                    &*program.functions[at].name
                ));
            }
        }
        match self.objects.slots().iter().find(|slot| names.buckets[slot.object.bucket.index()].is_none()) {
            None => Ok(()),
            Some(slot) => {
                let bucket = &program.buckets[slot.object.bucket.index()].name;
                Err(format!("there is no bucket {:?}, in which it has objects", &**bucket))
            }
        }
    }

    fn turns_of(&self) -> Option<FunctionIx> {
        self.code().map(super::CodeHost::function)
    }

    /// Nobody has the turn any more that is out.
    fn take_turn_back(&mut self, cx: &mut Cx<'_>) {
        let Some(seq) = self.code_mut().and_then(super::CodeHost::take_turn) else { return };
        let pending = self.pending.remove(seq).expect("the turn that is out is pending");
        self.take_back(cx, seq, &pending);
        self.tallies[pending.function.index()].cancelled += 1;
        self.done(cx, &pending);
    }

    /// Puts the new program's numbers in the place of the old one's.
    fn rename(&mut self, new: &Compiled, names: &Names) {
        let functions = |old: FunctionIx| names.functions[old.index()];
        self.objects
            .rename(|bucket| names.buckets[bucket.index()].expect("its bucket was looked for"), functions);
        let mut tallies = vec![Tally::default(); new.program.functions.len()];
        for (tally, at) in self.tallies.iter().zip(&names.functions) {
            at.iter().for_each(|at| tallies[at.index()] = *tally);
        }
        self.tallies = tallies;
        let declared = new.program.triggers.iter();
        let fresh = declared.map(|t| TriggerState { state: State::new(&t.condition, t.scope), fired: 0 });
        self.triggers = fresh.collect();
        self.open_predecessors = new.graph.predecessor_counts().to_vec();
        (self.closed, self.open) = (vec![false; new.graph.len()], new.graph.len() as u32);
        self.active = self.armed(new);
        let pending: Vec<u32> = self.pending.iter().map(|(seq, _)| seq).collect();
        for seq in pending {
            let pending = self.pending.get_mut(seq).expect("it is pending");
            pending.function = functions(pending.function).expect("its function was looked for");
            self.active[new.component_of(pending.function) as usize] += 1;
        }
    }

    /// What is out would put to buckets by the old numbers: it is stopped, and another attempt begins.
    fn begin_calls_again(&mut self, cx: &mut Cx<'_>) {
        // An attempt that is a run puts nothing itself.
        let is_out = |pending: &Pending| pending.state == PendingState::Running && pending.child.is_none();
        let running = self.pending.iter().filter(|(_, pending)| is_out(pending));
        for seq in running.map(|(seq, _)| seq).collect::<Vec<_>>() {
            let invocation = InvocationId { run: self.key, seq };
            let pending = self.pending.get_mut(seq).expect("it is pending");
            cx.effects.push(Effect::Stop { invocation, attempt: pending.attempt });
            for put in std::mem::take(&mut pending.held) {
                super::super::put::discard(&put.payload, cx.effects);
            }
            self.retry(cx, seq);
        }
    }

    /// Where it went on on another version: the line of its history that says so, and the version before.
    pub fn moves(&self) -> &[(u64, Version)] {
        self.code().map(super::CodeHost::moves).unwrap_or_default()
    }
}
