//! A native worker that returns what it gets, for tests and benchmarks; and, with the launcher's argument, the
//! launcher of boxes for them.

use sluice_sandbox::worker::{self, Answer};

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sluice_isolation::LAUNCH_ARGUMENT) {
        sluice_isolation::launcher_main();
    }
    let served = worker::serve(|call| match call.objects()?.first() {
        Some(object) => Ok(Answer { value: Some((object.content_type().clone(), object.bytes()?)) }),
        None => Ok(Answer::default()),
    });
    if let Err(error) = served {
        eprintln!("sluice-noop-worker: {error}");
        std::process::exit(1);
    }
}
