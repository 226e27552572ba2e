//! The parent: asks the child, and does without it when it does not come back.

use super::answer::Answer;
use super::{COMMAND, MEMORY_BYTES_MAX};
use crate::embedded::{LAUNCHER, machine};
use crate::exit::Outcome;
use sluice_frontend::evaluate::Failure;
use sluice_types::Code;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Answers questions, each within a time.
pub struct Evaluator {
    patience: Duration,
    child: Option<Evaluating>,
}

/// Why there is no answer.
enum Lost {
    TooSlow,
    Died,
}

impl Evaluator {
    /// Which waits so long for an answer.
    pub fn new(patience: Duration) -> Self {
        Self { patience, child: None }
    }

    /// The answer to a question, both lines without their ends.
    ///
    /// # Errors
    /// No process can be started.
    pub fn ask(&mut self, question: &[u8]) -> Outcome<Vec<u8>> {
        let mut child = match self.child.take() {
            Some(child) => child,
            None => Evaluating::start().map_err(|e| machine("cannot start the evaluator", &e))?,
        };
        match child.ask(question, self.patience) {
            Ok(answer) => {
                self.child = Some(child);
                Ok(answer)
            }
            Err(lost) => Ok(Answer::Error(self.explain(&lost, child.end())).line()),
        }
    }

    fn explain(&self, lost: &Lost, status: Option<ExitStatus>) -> Failure {
        match (lost, status) {
            (Lost::TooSlow, _) => {
                Failure::new(Code::LIMIT_EXCEEDED, format!("there is no value after {:?}", self.patience))
            }
            // Without memory or stack it is ended by a signal.
            (Lost::Died, Some(status)) if status.signal().is_some() => {
                let mebibytes = MEMORY_BYTES_MAX >> 20;
                Failure::new(Code::LIMIT_EXCEEDED, format!("it needs more than {mebibytes} MiB of memory"))
            }
            (Lost::Died, _) => Failure::new(Code::INTERNAL, "the evaluator failed on it"),
        }
    }
}

/// A child at work.
struct Evaluating {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<Vec<u8>>,
}

impl Evaluating {
    fn start() -> io::Result<Self> {
        let mut command = Command::new(LAUNCHER);
        // Its own process group: Ctrl-C is for the parent.
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let pipe = || io::Error::other("the pipes of the child are missing");
        let questions = child.stdin.take().ok_or_else(pipe)?;
        let stdout = child.stdout.take().ok_or_else(pipe)?;
        let (sender, answers) = sync_channel(1);
        std::thread::Builder::new().name("answers".into()).spawn(move || hear(stdout, &sender))?;
        Ok(Self { child, questions, answers })
    }

    fn ask(&mut self, question: &[u8], patience: Duration) -> Result<Vec<u8>, Lost> {
        let asked = self.questions.write_all(question).and_then(|()| self.questions.write_all(b"\n"));
        asked.map_err(|_| Lost::Died)?;
        self.answers.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Lost::TooSlow,
            RecvTimeoutError::Disconnected => Lost::Died,
        })
    }

    /// Ends the child; how it ended.
    fn end(mut self) -> Option<ExitStatus> {
        // A child that has died already keeps its own status.
        let _ = self.child.try_wait().ok()?.is_none().then(|| self.child.kill());
        self.child.wait().ok()
    }
}

/// Hands on the lines of a child until it ends; a line that it did not finish is none.
fn hear(stdout: ChildStdout, answers: &SyncSender<Vec<u8>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match stdout.read_until(b'\n', &mut line) {
            Ok(_) if line.pop() == Some(b'\n') && answers.send(line).is_ok() => {}
            _ => return,
        }
    }
}
