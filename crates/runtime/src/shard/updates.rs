//! Updates: somebody asks the code of a workflow to do something, and waits for the answer.

use super::Shard;
use super::answers::Submitter;
use crate::api::{CodeValue, UpdateReply};
use crate::handle::Answer;
use crate::ports::{Objects, Ports};
use rustc_hash::FxHashMap;
use sluice_engine::InputKind;
use sluice_flow::{Answer as Answered, Event};
use sluice_storage::log::Priority;
use sluice_types::{Code, Lsn, Payload, Problem, ReturnValue, RunKey, limits};
use std::sync::Arc;

/// Those who wait for the answers to updates.
#[derive(Default)]
pub(super) struct Updates(FxHashMap<RunKey, Vec<Waiter>>);

/// The id of an update, and who waits for its answer.
type Waiter = (Arc<str>, Answer<UpdateReply>);

impl<P: Ports> Shard<P> {
    /// Asks for something. The answer is that this is durable.
    pub(super) fn update(&mut self, run: &str, id: &str, name: &str, value: CodeValue, answer: Answer<()>) {
        match self.known(run).and_then(|run| self.submit_update(run, id, name, value)) {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Done(answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn submit_update(&mut self, run: RunKey, id: &str, name: &str, value: CodeValue) -> Result<Lsn, Problem> {
        let value = returned(value)?;
        let event = Box::new(Event::Update { id: id.into(), name: name.into(), value });
        let incarnation = self.durable.run(run).map_or(0, sluice_engine::Run::incarnation);
        let kind = InputKind::Code { run, event, incarnation };
        let lsn = self.submit(kind.clone(), Priority::NewWork)?;
        self.forward_express(kind);
        Ok(lsn)
    }

    /// The answer to an update, once there is one.
    pub(super) fn await_update(&mut self, run: &str, id: &str, answer: Answer<UpdateReply>) {
        let reply = self.known(run).and_then(|key| Ok((key, self.update_reply(key, id)?)));
        match reply {
            Ok((key, None)) => {
                let waiters = self.updates.0.entry(key).or_default();
                // Those who gave up are not kept.
                waiters.retain(|(_, waiter)| !waiter.is_closed());
                waiters.push((id.into(), answer));
            }
            Ok((_, Some(reply))) => self.say(move || drop(answer.send(Ok(reply)))),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// An update has its answer, or will have none.
    pub(super) fn updates_answered(&mut self, run: RunKey) {
        for (id, answer) in self.updates.0.remove(&run).unwrap_or_default() {
            match self.update_reply(run, &id) {
                Ok(None) => self.updates.0.entry(run).or_default().push((id, answer)),
                Ok(Some(reply)) => drop(answer.send(Ok(reply))),
                Err(problem) => drop(answer.send(Err(problem))),
            }
        }
    }

    fn update_reply(&mut self, key: RunKey, id: &str) -> Result<Option<UpdateReply>, Problem> {
        let run = self.executed(key);
        let found = run.and_then(|run| run.code_execution()).and_then(|code| code.update(id));
        let is_over = run.is_none_or(|run| run.ended_ms().is_some());
        let (value, reply): (_, fn(Option<CodeValue>) -> UpdateReply) = match found {
            Some(Some(Answered::Done(value))) => (value.clone(), UpdateReply::Done),
            Some(Some(Answered::Refused(value))) => (value.clone(), UpdateReply::Refused),
            Some(None) if !is_over => return Ok(None),
            Some(Some(Answered::Ended) | None) => return Ok(Some(UpdateReply::Ended)),
            None => {
                let message = format!("no update {id:?} is known");
                return Err(Problem::new(Code::UNKNOWN_NAME, message, "ask for it first"));
            }
        };
        Ok(Some(reply(value.map(|value| self.shown(&value)).transpose()?)))
    }

    /// A value as it is shown outside.
    pub(super) fn shown(&mut self, value: &ReturnValue) -> Result<CodeValue, Problem> {
        let bytes = self.objects.read(&value.payload)?;
        Ok(CodeValue { content_type: value.content_type.clone(), bytes })
    }
}

/// A value from outside as the code gets it.
pub(super) fn returned(value: CodeValue) -> Result<Option<ReturnValue>, Problem> {
    let CodeValue { content_type, bytes } = value;
    if bytes.len() > limits::INLINE_BYTES_MAX {
        let most = limits::INLINE_BYTES_MAX;
        let message = format!("the value has {} bytes, of at most {most} (INLINE_BYTES_MAX)", bytes.len());
        return Err(Problem::new(Code::LIMIT_EXCEEDED, message, "put it as an object and send its key"));
    }
    Ok((!bytes.is_empty()).then(|| ReturnValue { content_type, payload: Payload::Inline(bytes) }))
}
