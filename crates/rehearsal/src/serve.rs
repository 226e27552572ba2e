//! Lines in, lines out.

use crate::protocol::{Answer, Request};
use crate::rehearsal::{Options, Rehearsal};
use sluice_types::{Code, Problem};
use std::io::{self, BufRead, Write};

/// Why a rehearsal ended before its client did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stage could not be set up.
    #[error(transparent)]
    Stage(#[from] Problem),
    /// A line could not be read or written.
    #[error("the client cannot be reached: {0}")]
    Client(#[from] io::Error),
}

/// Answers every line of `requests`, until there are no more.
pub fn serve(options: Options, requests: impl BufRead, mut answers: impl Write) -> Result<(), Error> {
    let mut rehearsal = Rehearsal::new(options)?;
    for line in requests.lines() {
        let answer = match serde_json::from_str::<Request>(&line?) {
            Ok(request) => rehearsal.answer(request),
            Err(error) => Answer::Refused(vec![misspelt(&error)]),
        };
        let mut line = serde_json::to_vec(&answer).map_err(io::Error::from)?;
        line.push(b'\n');
        answers.write_all(&line)?;
        answers.flush()?;
    }
    Ok(())
}

fn misspelt(error: &serde_json::Error) -> Problem {
    let message = format!("a request is not understood: {error}");
    Problem::new(Code::BAD_REQUEST, message, "use the SDK that came with this version of `sluice`")
}
