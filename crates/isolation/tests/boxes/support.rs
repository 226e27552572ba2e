//! Starting boxes and reading what they say.

use sluice_isolation::{Boxed, BoxSpec, Exit, Host};
use std::fs::File;
use std::io::{Read, pipe};
use std::os::fd::{AsFd, OwnedFd};

/// The launcher that this crate builds for its tests.
pub const LAUNCHER: &str = env!("CARGO_BIN_EXE_sluice-isolation-launcher");

pub fn host() -> Host {
    Host::new(LAUNCHER)
}

/// A box that runs a shell script and may start programs.
pub fn shell(script: &str) -> BoxSpec {
    BoxSpec {
        args: vec!["-c".into(), script.into()],
        env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        allow_exec: true,
        ..BoxSpec::new("/bin/sh")
    }
}

/// Starts a box whose output and errors can be read together.
pub fn start(host: &Host, spec: &BoxSpec) -> (Boxed, File) {
    let (read, write) = pipe().expect("a pipe");
    let boxed = host.spawn(spec, &[(1, write.as_fd()), (2, write.as_fd())]).expect("the box starts");
    (boxed, File::from(OwnedFd::from(read)))
}

/// Runs a box to its end.
pub fn run(host: &Host, spec: BoxSpec) -> (Exit, String) {
    let (mut boxed, mut output) = start(host, &spec);
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    (boxed.wait().expect("it ends"), text)
}
