//! Apps in Python, described by a Python process of their own.

use super::Read;
use super::files::Sources;
use crate::embedded::machine;
use crate::exit::{Failure, Outcome};
use crate::sdk;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use sluice_frontend::{Definition, Diagnostic, Position, Severity};
use sluice_types::Code;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The interpreter, the one that sandboxes use too.
const INTERPRETER: &str = "python3";
/// Longest time that an app may take to be imported, as in a sandbox.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(120);

/// Has Python describe the app in a file.
pub(super) fn read(file: &Path) -> Outcome<Read> {
    let output = describe(file)?;
    let source = fs::read_to_string(file).unwrap_or_default();
    if !output.status.success() {
        return Err(refused(&output, file, Some(&source)));
    }
    let json = String::from_utf8_lossy(&output.stdout).into_owned();
    // Python names files as seen from the app's folder.
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sources = Sources::of(&name, source);
    let definition = Definition::from_json(&json).map_err(|findings| sources.refuse(&findings))?;
    Ok(Read { json, definition, sources })
}

fn describe(file: &Path) -> Outcome<Output> {
    let mut path = sdk::unpack()?.into_os_string();
    if let Some(more) = std::env::var_os("PYTHONPATH").filter(|more| !more.is_empty()) {
        path.push(":");
        path.push(more);
    }
    let mut command = Command::new(INTERPRETER);
    command.args(["-m", "sluicegate._describe"]).arg(file).env("PYTHONPATH", path).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|e| {
        let message = match e.kind() {
            io::ErrorKind::NotFound => format!("this is a Python app, and there is no `{INTERPRETER}`"),
            _ => format!("cannot run `{INTERPRETER}`: {e}"),
        };
        Failure::new(Code::PROGRAM_MISSING, message, "install Python 3.10 or newer")
    })?;
    finish(child, file, IMPORT_TIMEOUT)
}

/// Waits for the interpreter; one that does not come to an end is killed.
fn finish(child: Child, file: &Path, patience: Duration) -> Outcome<Output> {
    let pid = Pid::from_child(&child);
    let (done, ended) = channel();
    std::thread::spawn(move || {
        // Nobody waits any more once it has taken too long.
        let _ = done.send(child.wait_with_output());
    });
    match ended.recv_timeout(patience) {
        Ok(output) => output.map_err(|e| machine("cannot hear what Python says", &e)),
        Err(_) => {
            // It may have ended this very moment. What it has started may live on, and hold its output: nobody waits
            // for that.
            let _ = kill_process(pid, Signal::KILL);
            let seconds = patience.as_secs();
            Err(Failure::new(
                Code::APP_SYNTAX,
                format!("importing `{}` takes longer than {seconds} s", file.display()),
                "do at import only what declares the app; work and waiting belong into functions",
            ))
        }
    }
}

/// The last line that a failed description writes to stderr.
#[derive(Deserialize)]
struct Report {
    error: Exception,
}

#[derive(Deserialize)]
struct Exception {
    r#type: String,
    message: String,
    file: String,
    line: Option<usize>,
    #[serde(default)]
    stack: String,
}

fn refused(output: &Output, file: &Path, source: Option<&str>) -> Failure {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.trim_end().rsplit('\n').next().unwrap_or("");
    let Ok(Report { error }) = serde_json::from_str(last) else {
        let message =
            format!("Python could not describe `{}` ({}): {}", file.display(), output.status, stderr.trim());
        return Failure::new(Code::APP_SYNTAX, message, "run the file with python3 to see what is wrong");
    };
    let in_this_file = file.file_name().is_some_and(|name| *name == *error.file);
    let shown =
        if in_this_file || error.file.is_empty() { file.display().to_string() } else { error.file.clone() };
    let finding = Diagnostic {
        severity: Severity::Error,
        code: if error.r#type == "AppNotFound" { Code::APP_INVALID } else { Code::APP_SYNTAX },
        message: format!("{}: {}", error.r#type, error.message),
        path: String::new(),
        file: shown.into(),
        at: error.line.map(|line| Position { line, column: 0 }),
        fix: fix(&error).to_owned(),
    };
    let source = source.filter(|_| in_this_file);
    let mut failure = Failure::diagnostics(&[finding], |finding| finding.render(source));
    failure.body.error.cause =
        Some(sluice_api::Cause { r#type: error.r#type, message: error.message, stack: error.stack });
    failure
}

fn fix(error: &Exception) -> &'static str {
    match error.r#type.as_str() {
        "SyntaxError" | "IndentationError" | "TabError" => {
            "mend the line; `sluice run` needs Python 3.10 or newer"
        }
        "ModuleNotFoundError" => "install the module for the python3 that is first on the PATH",
        "AppNotFound" => "define one app at the top level of the file",
        "SystemExit" => "guard code that is not for imports with: if __name__ == \"__main__\":",
        _ => "mend the line; the file failed while it was imported",
    }
}

/// Python files of a folder that look as if they define an app.
pub(super) fn files_with_an_app(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let unreadable = |e: io::Error| {
        Failure::new(
            Code::FILE_NOT_FOUND,
            format!("cannot list `{}`: {e}", folder.display()),
            "check the path",
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_python = super::extension(&path) == "py";
        let defines_an_app = |text: String| text.contains("sluicegate") && text.contains("App(");
        if is_python && fs::read_to_string(&path).is_ok_and(defines_an_app) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_for_what_a_killed_interpreter_has_started() {
        let (stdin, open) = io::pipe().expect("descriptors");
        let mut command = Command::new("sh");
        // A child of the child that holds the output for as long as there is somebody who may write to it.
        command.args(["-c", "exec 3<&0; cat <&3 & cat"]).stdin(stdin).stdout(Stdio::piped());
        let child = command.spawn().expect("there is a shell");
        let failure = finish(child, Path::new("app.py"), Duration::ZERO).expect_err("it does not end");
        assert!(failure.body.error.message.contains("takes longer"), "{}", failure.body.error.message);
        drop(open);
    }
}
