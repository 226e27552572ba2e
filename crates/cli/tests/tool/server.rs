//! A server of the built binary, and HTTP as any client speaks it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::{Called, Folder};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Longest time an answer may take: a bound for what hangs, not a measure.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// `sluice server` in the foreground of nobody; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, as it says itself.
    pub url: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Server {
    /// Starts one on a free port, with its data in the folder's `data`, and waits until it listens.
    pub fn start(folder: &Folder) -> Self {
        Self::start_on(folder, Path::new("data"))
    }

    /// The same, with its data elsewhere.
    pub fn start_on(folder: &Folder, data: &Path) -> Self {
        let data = data.to_str().unwrap();
        Self::spawn(folder.command(&["server", "--addr", "127.0.0.1:0", "--data", data]))
    }

    /// Starts the command that is given, and waits until it listens.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Self { child, url }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Calls the binary against this server; it has to succeed.
    #[track_caller]
    pub fn call(&self, folder: &Folder, arguments: &[&str]) -> Called {
        let called = self.try_call(folder, arguments);
        assert_eq!(called.exit, 0, "{arguments:?}: {} {}", called.stdout, called.stderr);
        called
    }

    /// Calls the binary against this server.
    pub fn try_call(&self, folder: &Folder, arguments: &[&str]) -> Called {
        folder.call(&[arguments, &["--json", "--server", &self.url]].concat())
    }

    /// What a call of the binary against this server prints for people; it has to succeed.
    #[track_caller]
    pub fn read(&self, folder: &Folder, arguments: &[&str]) -> String {
        let called = folder.call(&[arguments, &["--server", &self.url]].concat());
        assert_eq!(called.exit, 0, "{arguments:?}: {} {}", called.stdout, called.stderr);
        called.stdout
    }

    /// Asks over HTTP.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.try_ask(method, path, body).unwrap()
    }

    /// Asks over HTTP; the server may be gone.
    pub fn try_ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        ask(&format!("{}{path}", self.url), method, body)
    }

    /// Ends it as an operator does, and waits for it.
    pub fn terminate(self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.wait()
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it as an operator does; it has to end cleanly.
    pub fn stop(self) {
        assert!(self.terminate().success());
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    /// kill -9 of all that it has started.
    pub fn kill_workers(&self) {
        let pids = descendants(self.pid()).into_iter().map(|pid| pid.to_string());
        Command::new("kill").arg("-9").args(pids).stderr(Stdio::null()).status().unwrap();
    }
}

/// Processes that a process has started, and those have.
fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let parent = after_name.split_whitespace().nth(1).and_then(|parent| parent.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![of];
    let mut at = 0;
    while at < found.len() {
        let above = found[at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server at a URL.
pub fn ask(url: &str, method: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
    ask_as(url, method, "application/json", body)
}

/// Asks with a body of this type.
pub fn ask_as(url: &str, method: &str, content_type: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
    ask_with(url, method, &[("content-type", content_type)], body)
}

/// An action of AWS Step Functions.
pub fn act(url: &str, action: &str, body: &Value) -> Result<Answer, ureq::Error> {
    let target = format!("AWSStepFunctions.{action}");
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
    ask_with(&format!("{url}/"), "POST", &headers, body.to_string().as_bytes())
}

fn ask_with(url: &str, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER_MAX))
        .proxy(None)
        .build()
        .new_agent();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(body).unwrap())?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
    Ok(Answer { status, body })
}

/// Sends a signal, by its name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

impl Answer {
    /// The body, which is JSON, of an answer with this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the error that it carries, and has to explain.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        let error = self.json(status)["error"].clone();
        for field in ["code", "message", "fix"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {error}");
        }
        error["code"].as_str().unwrap().to_owned()
    }
}
