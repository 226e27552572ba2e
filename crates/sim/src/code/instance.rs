//! A workflow under way in a worker: the worker's side of the workflow protocol.

use super::context::{Context, Exit, Line, number};
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
    /// It has ended.
    is_over: bool,
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
        Self { plan, context: Context::new(), code: None, is_over: false }
    }

    /// A turn: tells the lines, and gives what the code wants, or how that differs from what the lines expect. What
    /// does not follow from what it is told follows from `entropy`.
    pub fn go_on(&mut self, lines: &[Line], entropy: u64) -> Result<Vec<Line>, String> {
        let expected = lines.iter().filter_map(|(key, value)| {
            Some(((wanted(key)?.to_owned(), value.clone()), again(key).is_some()))
        });
        self.context.begin(entropy, expected);
        for (key, value) in lines.iter().filter(|(key, _)| wanted(key).is_none()) {
            if self.is_over {
                break;
            }
            let news = key.split_once(' ').map_or("", |(_, news)| news);
            self.tell(news, value);
            self.run();
        }
        self.context.end()
    }

    fn tell(&mut self, news: &str, value: &Bytes) {
        let (verb, object) = news.split_once(' ').unwrap_or((news, ""));
        let command = || object.parse().unwrap_or(u64::MAX);
        match verb {
            "start" => {
                let n = json(value)["n"].as_i64().unwrap_or_default();
                self.code = Some(follow(self.plan.clone(), n, self.context.clone()));
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
