//! The worker that does the tasks of recorded workflows: this very program, started with
//! [`sluice_wfformat::WORKER_ARGUMENT`].

use sluice_sandbox::worker::{self, Answer, Call, Fault};
use sluice_types::ContentType;
use sluice_wfformat::{Assignment, Failure, Report, Work};
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// Longest time that a sleeping task does not look whether it is cancelled.
const NAP_MAX: Duration = Duration::from_millis(100);

/// Serves calls until the server is gone.
///
/// # Errors
/// When the server is gone or breaks the protocol.
pub fn serve() -> io::Result<()> {
    worker::serve(perform)
}

/// Does a task: reads and checks, writes, and takes the time that it has to take.
fn perform(call: &Call<'_>) -> Result<Answer, Fault> {
    let (began, began_ns) = (Instant::now(), epoch_ns());
    let objects = call.objects()?;
    let (given, results) =
        objects.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let assignment = Assignment::parse(given.bytes()).map_err(fault)?;
    let results: Vec<&[u8]> = match assignment.upstream.is_empty() {
        // What waits for nothing gets the input of the run, which says nothing here.
        true => Vec::new(),
        false => results.iter().map(|result| result.bytes()).collect(),
    };
    let before = assignment.check(&results).map_err(fault)?;
    if let Work::Report(expected) = &assignment.work {
        let report = Report::of(&before, expected).map_err(|failure| fault(failure.into()))?;
        let json = serde_json::to_vec(&report)?;
        return Ok(Answer { value: Some((ContentType::Json, worker::Value::Bytes(json.into()))) });
    }
    let mut result = call.buffer(assignment.result_bytes())?;
    let done = assignment.write(&mut result).map_err(fault)?;
    sleep_until(call, began + Duration::from_nanos(assignment.nanos()))?;
    assignment.seal(&mut result, &before, &done, began_ns, epoch_ns());
    Ok(Answer::buffer(ContentType::Bytes, result))
}

fn sleep_until(call: &Call<'_>, end: Instant) -> io::Result<()> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        if call.is_cancelled() {
            return Err(io::Error::other("the task was cancelled"));
        }
        std::thread::sleep(left.min(NAP_MAX));
    }
}

/// Nanoseconds since the Unix epoch. The first task of a run and the last may be done by two workers, and by two lives of the
/// server or of the machine, to which no clock is common but this one. How long a task takes is measured by one that nobody sets.
fn epoch_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

fn fault(failure: Failure) -> Fault {
    let name = match failure {
        Failure::Assignment(_) => "BadAssignment",
        Failure::Report(_) => "BadReport",
        _ => "BadHandOver",
    };
    Fault { r#type: name.to_owned(), message: failure.to_string() }
}
