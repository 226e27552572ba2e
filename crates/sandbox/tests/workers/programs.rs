//! Programs that are started per attempt.

use crate::support::{Ran, Stage};
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, ContentType, FailureKind, Function, Outcome, Payload, Runtime};
use std::time::Instant;

fn program(command: &[&str], files: &[(&str, &str)]) -> Stage {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Stage::new(vec![Function::new("program", Runtime::Exec { command })], files)
}

fn run(command: &[&str], input: &[u8]) -> Ran {
    program(command, &[]).call(0, ContentType::Bytes, input)
}

#[test]
fn stdin_to_stdout() {
    let ran = run(&["tr", "a-z", "A-Z"], b"shout");
    assert_eq!(ran.text(), "SHOUT");
    assert_eq!(ran.value().content_type, ContentType::Text);
}

#[test]
fn the_result_tells_its_type_by_content() {
    for (input, expected) in [
        (&b"{\"a\": 1}"[..], ContentType::Json),
        (b"plain", ContentType::Text),
        (b"\xff\0", ContentType::Bytes),
    ] {
        assert_eq!(run(&["cat"], input).value().content_type, expected);
    }
    assert!(matches!(run(&["true"], b"x").outcome, Outcome::Succeeded { value: None, .. }));
}

#[test]
fn files_stand_for_placeholders() {
    let script = "test ! -s /dev/stdin && cp {input} {output}.csv && basename {input}";
    let ran = run(&["sh", "-c", script], b"a,b");
    assert_eq!(ran.text(), "a,b");
    assert_eq!(ran.value().content_type.as_str(), "text/csv");
    assert_eq!(ran.output, "key\n", "stdout is output when it is not the result");
}

#[test]
fn scripts_of_the_bundle_run_with_a_directory_of_their_own() {
    let script = "#!/bin/sh\necho mark > made-here && ls && echo $SLUICE_RUN $SLUICE_KEY $SLUICE_BUCKET \
                  $SLUICE_FUNCTION $SLUICE_ATTEMPT $SLUICE_IDEMPOTENCY_KEY\n";
    let mut stage = program(&["sh", "list.sh"], &[("list.sh", script)]);
    let ran = stage.call(0, ContentType::Bytes, b"");
    assert_eq!(ran.text(), "made-here\nrun_1 key input program 1 run_1/0\n");
    let again = stage.call(0, ContentType::Bytes, b"");
    assert!(again.text().starts_with("made-here\n"), "nothing is left of the attempt before");
    assert_eq!(stage.scratch_entries(), 0);
}

#[test]
fn a_list_is_described_line_by_line() {
    let mut stage = program(&["sh", "-c", "cat && ls {inputs} && cat {inputs}/b/c"], &[]);
    let list = ["a", "b/c", "../d"].map(|key| stage.object(key, ContentType::Text, key.as_bytes()));
    let ran = stage.run(0, Arguments::List(list.to_vec()));
    let text = ran.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3 + 2 + 1, "{text}");
    assert!(lines[1].contains(r#""key":"b/c""#) && lines[1].contains("/in/b/c"), "{text}");
    assert!(lines[2].contains(r#""key":"../d""#) && lines[2].contains("/in/.2"), "{text}");
    assert_eq!(lines[5], "b/c");
}

#[test]
fn large_values_go_through() {
    let mut stage = program(&["cat"], &[]);
    let bytes: Vec<u8> = (0..3_000_000u32).flat_map(|i| (i as u16).to_le_bytes()).collect();
    let ran = stage.call(0, ContentType::Bytes, &bytes);
    let payload = ran.value().payload.clone();
    assert!(matches!(payload, Payload::Stored { .. }));
    assert_eq!(stage.memory.bytes(&payload).unwrap(), bytes);
    assert_eq!(stage.scratch_entries(), 0);
}

#[test]
fn failures_are_explained() {
    let ran = run(&["sh", "-c", "echo first >&2; echo the reason >&2; exit 5"], b"");
    assert_eq!(ran.failure().kind, FailureKind::Raised);
    assert!(ran.failure().message.contains("status 5"));
    assert_eq!(ran.failure().stack, "first\nthe reason");
    assert_eq!(run(&["sh", "-c", "kill -9 $$"], b"").failure().kind, FailureKind::Crashed);
    let missing = run(&["no-such-program-anywhere"], b"");
    assert_eq!(missing.failure().kind, FailureKind::Unstartable);
    assert!(missing.failure().message.contains("no-such-program-anywhere"));
    let no_output = run(&["sh", "-c", "true {output}"], b"");
    assert!(no_output.failure().message.contains("did not write {output}"), "{no_output:?}");
    let link = run(&["sh", "-c", "ln -s /etc/shadow {output}"], b"");
    assert_eq!(link.failure().r#type, "NoResult", "a link leads nowhere");
}

#[test]
fn an_endless_program_times_out() {
    let mut function = Function::new("sleeps", Runtime::Exec { command: vec!["sleep".into(), "600".into()] });
    function.timeout_ms = 50;
    let ran = Stage::new(vec![function], &[]).call(0, ContentType::Bytes, b"");
    assert_eq!(ran.failure().kind, FailureKind::TimedOut);
}

#[test]
fn a_cancelled_program_is_asked_to_end() {
    let mut stage = program(&["sleep", "600"], &[]);
    let object = stage.object("k", ContentType::Bytes, b"");
    let id = stage.start(0, Arguments::One(object));
    stage.until(|events| !events.is_empty());
    stage.pool.cancel(id, Attempt(1), Instant::now());
    assert_eq!(stage.finish(id).outcome, Outcome::Cancelled);
}
