//! A workflow under way in a worker: the worker's side of the workflow protocol.

use super::context::{Context, Exit, Line, Saved, number};
use super::interpret::{Running, follow};
use super::plan::Plan;
use bytes::Bytes;
use std::task::{Context as Polling, Poll, Waker};

/// A workflow under way.
pub struct Instance {
    plan: Plan,
    context: Context,
    /// `None` before it starts and after its end.
    code: Option<Running>,
    /// Where it begins, if not at its start.
    saved: Option<Saved>,
    /// It has ended.
    is_over: bool,
}

/// Where a journal begins that does not begin at the start: the command that was the checkpoint, the entries that had been
/// told, and what the checkpoint kept.
pub fn origin(lines: &[Line]) -> Option<(u64, u64, Saved)> {
    let (key, value) = lines.first()?;
    let (command, told) = key.strip_prefix("checkpoint ")?.split_once(' ')?;
    Some((command.parse().ok()?, told.parse().ok()?, serde_json::from_slice(value).ok()?))
}

/// A line that is a command of the journal, as it was wanted.
pub fn wanted(key: &str) -> Option<&str> {
    key.strip_prefix("= ").or_else(|| again(key))
}

/// A command of the journal that is to be put once more.
pub fn again(key: &str) -> Option<&str> {
    key.strip_prefix("+ ")
}

impl Instance {
    /// Code that has not been told anything.
    pub fn new(plan: Plan) -> Self {
        Self { plan, context: Context::new(), code: None, saved: None, is_over: false }
    }

    /// A turn: tells the lines, and gives what the code wants, or how that differs from what the lines expect. What
    /// does not follow from what it is told follows from `entropy`.
    pub fn go_on(&mut self, lines: &[Line], entropy: u64) -> Result<Vec<Line>, String> {
        let expected = lines.iter().filter_map(|(key, value)| {
            Some(((wanted(key)?.to_owned(), value.clone()), again(key).is_some()))
        });
        self.context.begin(entropy, expected);
        let origin = origin(lines);
        let lines = &lines[usize::from(origin.is_some())..];
        if let Some((command, told, saved)) = origin {
            self.context.restore(command, told, &saved);
            self.saved = Some(saved);
        }
        // Plans do not look at the id of their run.
        let is_told = |key: &str| wanted(key).is_none() && !key.starts_with("run ");
        for (key, value) in lines.iter().filter(|(key, _)| is_told(key)) {
            if self.is_over {
                break;
            }
            self.context.note_told();
            let news = key.split_once(' ').map_or("", |(_, news)| news);
            self.tell(news, value);
            self.run();
        }
        self.context.end()
    }

    /// What updates have come to: the answer to any question.
    pub fn tally(&self) -> i64 {
        self.context.tally()
    }

    fn tell(&mut self, news: &str, value: &Bytes) {
        let (verb, object) = news.split_once(' ').unwrap_or((news, ""));
        let command = || object.parse().unwrap_or(u64::MAX);
        match verb {
            "start" => {
                let (plan, n) = match &self.saved {
                    Some(saved) => (self.plan.since(saved.at), saved.n),
                    None => (self.plan.clone(), json(value)["n"].as_i64().unwrap_or_default()),
                };
                self.code = Some(follow(plan, n, self.context.clone()));
            }
            "done" => self.context.command_ended(command(), Ok(value.clone())),
            "failed" => {
                let error = json(value)["type"].as_str().unwrap_or_default().to_owned();
                self.context.command_ended(command(), Err(error));
            }
            "signal" => {
                let text = value.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
                self.context.signal_came(object, number(text));
            }
            "update" => {
                let (id, _) = object.split_once(' ').unwrap_or((object, ""));
                self.context.update(id, number(value));
            }
            "cancel" => self.context.interrupt(),
            _ => {}
        }
    }

    /// Lets the code go on until it waits.
    fn run(&mut self) {
        let Some(code) = &mut self.code else { return };
        let Poll::Ready(end) = code.as_mut().poll(&mut Polling::from_waker(Waker::noop())) else { return };
        (self.code, self.is_over) = (None, true);
        let (what, value) = match end {
            Ok(n) | Err(Exit::Returned(n)) => ("return", n.to_string()),
            Err(Exit::Raised(error)) => {
                let error = serde_json::json!({"type": error, "message": "on purpose", "stack": ""});
                ("fail", error.to_string())
            }
            Err(Exit::Cancelled) => ("stopped", String::new()),
        };
        self.context.want(what, value.into());
    }
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
