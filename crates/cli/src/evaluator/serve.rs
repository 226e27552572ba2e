//! The child: answers each line of stdin by a line on stdout.

use super::answer::Answer;
use super::{MEMORY_BYTES_MAX, STACK_BYTES};
use crate::embedded::machine;
use crate::exit::Outcome;
use rustix::process::{Resource, Rlimit, Signal};
use serde_json::value::to_raw_value;
use sluice_expression::World;
use sluice_frontend::evaluate::{Failure, Question};
use sluice_types::Code;
use std::fs::File;
use std::io::{self, BufRead, Read as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers until stdin ends.
pub fn serve() -> Outcome<()> {
    bound_this_process().map_err(|e| machine("cannot bound the evaluator", &e))?;
    let thread = std::thread::Builder::new().name("evaluator".into()).stack_size(STACK_BYTES);
    let evaluator = thread.spawn(answer_all).map_err(|e| machine("cannot start a thread", &e))?;
    let ended = evaluator.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    ended.map_err(|e| machine("the evaluator lost its pipes", &e))
}

/// It ends with its parent, and has so much memory.
fn bound_this_process() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let maximum = rustix::process::getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(MEMORY_BYTES_MAX, |maximum| maximum.min(MEMORY_BYTES_MAX)));
    Ok(rustix::process::setrlimit(Resource::As, Rlimit { current, maximum })?)
}

fn answer_all() -> io::Result<()> {
    let mut world = RealWorld { random: File::open("/dev/urandom")? };
    let (mut questions, mut answers) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while questions.read_until(b'\n', &mut line)? > 0 {
        let mut answer = answer(&line, &mut world).line();
        answer.push(b'\n');
        answers.write_all(&answer)?;
        answers.flush()?;
        line.clear();
    }
    Ok(())
}

fn answer(line: &[u8], world: &mut RealWorld) -> Answer {
    let refused = |why: String| Answer::Error(Failure::new(Code::BAD_REQUEST, why));
    let line = line.trim_ascii();
    match line.first() {
        Some(b'{') => {}
        Some(_) => return refused("the line is no JSON object".into()),
        None => return refused("the line is empty".into()),
    }
    match serde_json::from_slice::<Question>(line).map(|question| question.answer(world)) {
        Ok(Ok(Some(value))) => Answer::Ok(to_raw_value(&value).expect("a value is always JSON")),
        Ok(Ok(None)) => Answer::Undefined(true),
        Ok(Err(failure)) => Answer::Error(failure),
        Err(error) => refused(format!("the line is no question: {error}")),
    }
}

/// The clock and the kernel's randomness.
struct RealWorld {
    random: File,
}

impl World for RealWorld {
    fn now_ms(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
    }

    fn random_u64(&mut self) -> u64 {
        let mut word = [0; 8];
        self.random.read_exact(&mut word).expect("the kernel's random numbers do not end");
        u64::from_ne_bytes(word)
    }
}
