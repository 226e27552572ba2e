//! Guests in C, compiled with what Debian packages (clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32). Where
//! the compiler is absent the tests say so and check nothing, except in CI, where it must be there.

use crate::stage::{Stage, failure};
use sluice_types::{BucketIx, ContentType};
use std::path::Path;
use std::process::Command;

const COMPILER: &str = "clang-19";

/// Compiles a guest; `None` where there is no compiler.
fn compile(name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    if Command::new(COMPILER).arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI must have {COMPILER}");
        eprintln!("skipped: no {COMPILER} on this machine");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name).with_extension("c");
    let module = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("wasm");
    let status = Command::new(COMPILER).args(flags).arg("-O2").arg("-o").arg(&module).arg(source).status();
    assert!(status.expect("the compiler starts").success(), "{name}.c does not compile");
    Some(std::fs::read(module).expect("the compiler wrote a module"))
}

#[test]
fn a_command_in_c_reads_writes_and_exits() {
    let Some(module) = compile("upper", &["--target=wasm32-wasi"]) else { return };
    let mut stage = Stage::with(module, |_| ()).expect("it loads");
    let (outcome, logs) = stage.call(b"shout it");
    assert_eq!(crate::stage::value(outcome), (ContentType::Text, b"SHOUT IT".to_vec()));
    assert_eq!(logs[0].text, "guest read 8 bytes of in");
    assert_eq!(failure(stage.call(b"").0).message, "exited with status 4");
}

#[test]
fn a_core_guest_in_c_puts_objects() {
    let flags = ["--target=wasm32", "-nostdlib", "-Wl,--no-entry"];
    let Some(module) = compile("words", &flags) else { return };
    let mut stage = Stage::with(module, |_| ()).expect("it loads");
    let puts = stage.puts(b"to be or");
    let expected = ["to", "be", "or"].map(|word| (BucketIx(2), word.to_owned(), b"1".to_vec()));
    assert_eq!(puts, expected);
}
