//! Starting boxes and reading what they say.

use sluice_isolation::{BoxSpec, Boxed, Exit, Feature, Host, Network, Python};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The launcher that this crate builds for its tests.
pub const LAUNCHER: &str = env!("CARGO_BIN_EXE_sluice-isolation-launcher");

/// What most tests need.
pub const FULL: &[Feature] = &[
    Feature::SeparateUser,
    Feature::PidNamespace,
    Feature::MountNamespace,
    Feature::NetNamespace,
    Feature::Seccomp,
    Feature::Landlock,
];

/// This host, if it has the features; without them the test fails in CI and is skipped, aloud, elsewhere.
pub fn host_with(features: &[Feature]) -> Option<Host> {
    let host = Host::new(LAUNCHER);
    let lacks: Vec<_> = features.iter().filter(|feature| !host.has(**feature)).map(|f| f.name()).collect();
    if lacks.is_empty() {
        return Some(host);
    }
    let reason = format!("this host lacks {}", lacks.join(", "));
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    eprintln!("skipped: {reason}");
    None
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

/// A box that runs a Python script and nothing else.
pub fn python(script: &str) -> BoxSpec {
    let python = Python::locate("python3").expect("the tests need python3");
    let program = python.executable.to_str().expect("a path in UTF-8");
    BoxSpec {
        args: ["-I", "-c", script].map(str::to_owned).into(),
        binds: python.binds(),
        ..BoxSpec::new(program)
    }
}

/// The same box with the host's network.
pub fn networked(spec: BoxSpec) -> BoxSpec {
    BoxSpec { network: Network::Host, ..spec }
}

/// What a box says, on standard output and error together. Its end means that no process of the box is left.
pub struct Output(BufReader<File>);

impl Output {
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    pub fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("text");
        text
    }
}

/// Starts a box, with descriptors beside its output.
pub fn start_with(host: &Host, spec: &BoxSpec, fds: &[(i32, BorrowedFd<'_>)]) -> (Boxed, Output) {
    let (read, write) = pipe().expect("a pipe");
    let standard = [(1, write.as_fd()), (2, write.as_fd())];
    let boxed = host.spawn(spec, &[&standard, fds].concat()).expect("the box starts");
    (boxed, Output(BufReader::new(File::from(OwnedFd::from(read)))))
}

/// Starts a box.
pub fn start(host: &Host, spec: &BoxSpec) -> (Boxed, Output) {
    start_with(host, spec, &[])
}

/// Runs a box to its end.
pub fn run(host: &Host, spec: &BoxSpec) -> (Exit, String) {
    let (mut boxed, output) = start(host, spec);
    let text = output.rest();
    (boxed.wait().expect("it ends"), text)
}
