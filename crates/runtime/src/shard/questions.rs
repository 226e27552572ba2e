//! Questions to the code of workflows: turns that change nothing.

use super::Shard;
use crate::api::CodeValue;
use crate::handle::Answer;
use crate::ports::{Call, Objects, Ports, Sandboxes};
use rustc_hash::FxHashMap;
use sluice_engine::Run;
use sluice_types::invocation::Arguments;
use sluice_types::problem::Cause;
use sluice_types::{
    Attempt, Code, Failure, FunctionIx, Invocation, InvocationId, Object, Outcome, Payload, Problem, Program,
    ReturnValue, RunKey, Steps, limits,
};

/// Those that are not answered yet.
#[derive(Default)]
pub(super) struct Questions {
    open: FxHashMap<InvocationId, (Answer<Option<CodeValue>>, Object)>,
    /// How many were asked since the node was started.
    asked: u32,
}

impl Questions {
    /// A number for a question to a run, which no invocation has: they are below. It is not that of a question that was
    /// answered, so that the answer of a worker that says it twice is not taken for the next one's.
    fn number(&mut self) -> u32 {
        let first = limits::RUN_INVOCATIONS_MAX + 1;
        let number = first + self.asked % (u32::MAX - first);
        self.asked = self.asked.wrapping_add(1);
        number
    }
}

impl<P: Ports> Shard<P> {
    /// Asks the code of a workflow something that changes nothing.
    pub(super) fn ask_code(
        &mut self,
        run: &str,
        name: &str,
        value: CodeValue,
        answer: Answer<Option<CodeValue>>,
    ) {
        match self.known(run).and_then(|run| self.question(run, name, value)) {
            Ok((id, question)) => {
                self.questions.open.insert(id, (answer, question));
                // Before its first turn has ended no worker has the workflow.
                let executed = self.executed(id.run);
                let is_new = executed.is_none_or(|run| run.last_turn().is_none());
                self.pose(id, is_new);
            }
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn question(
        &mut self,
        key: RunKey,
        name: &str,
        value: CodeValue,
    ) -> Result<(InvocationId, Object), Problem> {
        let run = self.durable.run(key).expect("a known run is loaded");
        if code_of(run).is_none() {
            let message = format!("run {} has no workflow that is code", run.id());
            return Err(Problem::new(Code::BAD_REQUEST, message, "look at the run's history instead"));
        }
        let value = super::updates::returned(value)?;
        let (content_type, payload) = match value {
            Some(ReturnValue { content_type, payload }) => (content_type, payload),
            None => (Default::default(), Payload::Inline(Default::default())),
        };
        let question = Object {
            bucket: Program::INPUT,
            key: name.into(),
            content_type,
            payload,
            group: None,
            meta: None,
        };
        Ok((InvocationId { run: key, seq: self.questions.number() }, question))
    }

    /// Hands a question to the worker, with all that the code was told if it does not know the workflow.
    fn pose(&mut self, id: InvocationId, with_journal: bool) {
        let Some((_, question)) = self.questions.open.get(&id) else { return };
        let question = question.clone();
        // The run may have left memory since the question came.
        match self.load(id.run).and_then(|_| self.posed(id, question, with_journal)) {
            Ok(call) => {
                self.sandboxes.start(call, &mut self.objects, &mut self.reports);
                self.flights.launched(id, Attempt(1));
            }
            Err(problem) => {
                if let Some((answer, _)) = self.questions.open.remove(&id) {
                    self.refuse(answer, problem);
                }
            }
        }
    }

    fn posed(&mut self, id: InvocationId, question: Object, with_journal: bool) -> Result<Call, Problem> {
        let run = self.executed(id.run);
        let run = run.ok_or_else(|| Problem::new(Code::UNKNOWN_RUN, "the run is gone", ""))?;
        let function = code_of(run).expect("it was looked up before");
        let (app, version, run_id, seed) = (run.app(), run.version(), run.id().clone(), run.seed());
        let (told, last_turn, origin) = (run.told().unwrap_or(u64::MAX), run.last_turn(), run.origin());
        let mut arguments = match with_journal {
            true => sluice_flow::journal(self.journal(id.run)?, origin.as_ref(), told, None, seed),
            false => vec![sluice_flow::head(last_turn, None, seed)],
        };
        arguments.push(question);
        let arguments = Arguments::List(arguments);
        let invocation = Box::new(Invocation { id, attempt: Attempt(1), function, arguments, group: None });
        Ok(Call { invocation, app, version, run_id })
    }

    /// Whether this is the end of a question; then it is answered, or posed again.
    pub(super) fn is_question(&mut self, id: InvocationId, outcome: &Outcome) -> bool {
        if !self.questions.open.contains_key(&id) {
            return false;
        }
        if Self::is_cold(outcome) {
            self.pose(id, true);
            return true;
        }
        let Some((answer, _)) = self.questions.open.remove(&id) else { return false };
        let answered = match outcome {
            Outcome::Succeeded { value, .. } => value.as_ref().map(|value| self.shown(value)).transpose(),
            Outcome::Failed(failure) => Err(unanswered(failure)),
            Outcome::Cancelled => {
                Err(Problem::new(Code::INTERNAL, "the question was interrupted", "ask again"))
            }
        };
        if let Outcome::Succeeded {
            value: Some(ReturnValue { payload: Payload::Stored { id, .. }, .. }),
            ..
        } = outcome
        {
            self.objects.release(*id);
        }
        self.say(move || drop(answer.send(answered)));
        true
    }
}

/// The function whose calls are turns of a run's workflow.
pub(super) fn code_of(run: &Run) -> Option<FunctionIx> {
    let workflow = run.workflow()?.workflow;
    match run.program().workflows[workflow.index()].steps {
        Steps::Code { function } => Some(function),
        Steps::States { .. } | Steps::Dag(_) => None,
    }
}

/// Why a question has no answer.
fn unanswered(failure: &Failure) -> Problem {
    let code = if failure.r#type == UNKNOWN_QUERY { Code::UNKNOWN_NAME } else { Code::FUNCTION_FAILED };
    let message = match failure.r#type == UNKNOWN_QUERY {
        true => failure.message.clone(),
        false => format!("the workflow cannot answer: {}: {}", failure.r#type, failure.message),
    };
    let fix = "see the handlers that the workflow gives to ctx.on_query";
    let cause = Cause {
        r#type: failure.r#type.clone(),
        message: failure.message.clone(),
        stack: failure.stack.clone(),
    };
    Problem { cause: Some(cause), ..Problem::new(code, message, fix) }
}

/// How a worker names the failure of a question that the code has no answer for.
const UNKNOWN_QUERY: &str = "UnknownQuery";
