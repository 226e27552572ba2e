//! Calling the binary.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses a part; a test that panics has failed"
)]

pub mod boto;
pub mod runs;
pub mod server;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest time that anything may take: a bound for what hangs, not a measure.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An app that needs no Python: `count` copies each text to the outputs.
pub const MANIFEST: &str = "\
app: echo
buckets: [texts]
functions:
  count: {runtime: exec, command: [cat], on: {each: texts}}
";

/// A folder of its own, in which the binary is called.
pub struct Folder(tempfile::TempDir);

/// What a call gave.
pub struct Called {
    /// The exit code.
    pub exit: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Folder {
    /// With these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary with these arguments, not started yet. The environment does not choose a server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::var_os("SLUICE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_sluice").into());
        let mut command = Command::new(binary);
        // Tests run side by side: their servers must not all stay on one core.
        command.env("SLUICE_CORE", "any");
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for name in ["SLUICE_SERVER", "SLUICE_TOKEN", "SLUICE_ADDR", "SLUICE_DATA", "SLUICE_LOG"] {
            command.env_remove(name);
        }
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Called {
        called(self.command(arguments).output().unwrap())
    }
}

/// Waits until this holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn called(output: Output) -> Called {
    Called {
        exit: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Called {
    /// Its stdout, which is one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?} {}", self.stdout, self.stderr))
    }

    /// The error that it printed with `--json`; it says what to do about it.
    #[track_caller]
    pub fn error(&self, exit: i32) -> Value {
        assert_eq!(self.exit, exit, "{} {}", self.stdout, self.stderr);
        let error = self.json()["error"].clone();
        for field in ["code", "message", "fix"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {error}");
        }
        error
    }
}

/// Runs an app once with files put by `puts`; it has to succeed. The whole run object.
#[track_caller]
pub fn run(app: &str, files: &[(&str, &str)], puts: &[&str]) -> Value {
    let called = try_run(app, files, puts);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    called.json()
}

/// Runs an app once with files put by `puts`.
pub fn try_run(app: &str, files: &[(&str, &str)], puts: &[&str]) -> Called {
    let folder = Folder::with(files);
    folder.write("app/app.py", app);
    let mut arguments = vec!["run", "app", "--json"];
    puts.iter().for_each(|put| arguments.extend(["--put", put]));
    folder.call(&arguments)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
