//! A native worker that returns what it gets, for tests and benchmarks; and, with the launcher's argument, the
//! launcher of boxes for them. Its function `mirror` puts every object back to front into the bucket `parts`, `greedy` asks
//! for two large buffers.

use sluice_sandbox::worker::{self, Answer, Call, Fault};
use sluice_types::ContentType;

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sluice_isolation::LAUNCH_ARGUMENT) {
        sluice_isolation::launcher_main();
    }
    let served = worker::serve(|call| match call.function().as_str() {
        "mirror" => mirror(call),
        "greedy" => {
            let first = call.buffer(1 << 20)?;
            call.put("parts", "small", &ContentType::Bytes, b"beside it")?;
            call.buffer(1 << 20)?;
            Ok(Answer::buffer(ContentType::Bytes, first))
        }
        _ => echo(call),
    });
    if let Err(error) = served {
        eprintln!("sluice-noop-worker: {error}");
        std::process::exit(1);
    }
}

fn echo(call: &Call<'_>) -> Result<Answer, Fault> {
    let Some(object) = call.objects()?.into_iter().next() else { return Ok(Answer::default()) };
    let mut buffer = call.buffer(object.bytes().len())?;
    buffer.copy_from_slice(object.bytes());
    Ok(Answer::buffer(object.content_type().clone(), buffer))
}

fn mirror(call: &Call<'_>) -> Result<Answer, Fault> {
    for object in call.objects()? {
        let mut buffer = call.buffer(object.bytes().len())?;
        buffer.copy_from_slice(object.bytes());
        buffer.reverse();
        call.put_buffer("parts", object.key(), object.content_type(), buffer)?;
    }
    Ok(Answer::default())
}
