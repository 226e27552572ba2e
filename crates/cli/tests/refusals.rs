//! What the machine or the data directory refuses: each with a code, a reason, a fix and exit status 3; nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tool::server::Server;
use tool::{Folder, MANIFEST};

fn server_error(folder: &Folder, code: &str) -> Value {
    let error = folder.call(&["server", "--addr", "127.0.0.1:0", "--data", "data", "--json"]).error(3);
    assert_eq!(error["code"], code, "{error}");
    error
}

#[test]
fn a_data_directory_of_another_version_is_left_alone() {
    let folder = Folder::with(&[("data/VERSION", "99\n")]);
    let error = server_error(&folder, "SLU0203");
    assert!(error.to_string().contains("99"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("data/VERSION")).unwrap(), "99\n");
    assert!(!folder.path().join("data/log").exists() && !folder.path().join("data/store.redb").exists());
}

#[test]
fn a_data_directory_that_is_a_file_or_cannot_be_made_is_refused() {
    let folder = Folder::with(&[("data", "text")]);
    let error = folder.call(&["server", "--addr", "127.0.0.1:0", "--data", "data", "--json"]).error(3);
    assert!(error.to_string().contains("data"), "{error}");
    let error =
        folder.call(&["server", "--addr", "127.0.0.1:0", "--data", "/proc/none/data", "--json"]).error(2);
    assert_eq!(error["code"], "SLU0002");
    assert!(error.to_string().contains("/proc/none"), "{error}");
}

#[test]
fn damage_below_what_was_acknowledged_is_refused_and_not_repaired_silently() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("a", "x")]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "."]);
    for n in 0..5 {
        server.call(&folder, &["start", "echo", "--id", &format!("r{n}"), "--put", "texts=a", "--wait"]);
    }
    server.kill();
    let segments = std::fs::read_dir(folder.path().join("data/log")).unwrap();
    let first = segments.map(|entry| entry.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&first).unwrap();
    let at = bytes.windows(2).position(|pair| pair == b"r1").expect("the start of r1 is in the log");
    bytes[at] ^= 1;
    std::fs::write(&first, &bytes).unwrap();
    server_error(&folder, "SLU0204");
    assert_eq!(std::fs::read(&first).unwrap(), bytes, "a refused log is not touched");
}

#[test]
fn a_server_for_others_needs_a_token() {
    let folder = Folder::with(&[]);
    let refused = folder.call(&["server", "--addr", "0.0.0.0:0", "--data", "data", "--json"]);
    assert!([2, 3].contains(&refused.exit), "{}", refused.stderr);
    assert_eq!(refused.error(refused.exit)["code"], "SLU0208");

    let mut command = folder.command(&["server", "--addr", "0.0.0.0:0", "--data", "data"]);
    command.env("SLUICE_TOKEN", "s3cret");
    let server = Server::spawn(command);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(tool::server::ask(&format!("{url}/v1/apps"), "GET", b"").unwrap().error(401), "SLU0208");
    assert_eq!(folder.call(&["apps", "--json", "--server", &url]).error(3)["code"], "SLU0208");
    let called = folder.call(&["apps", "--json", "--server", &url, "--token", "s3cret"]);
    assert_eq!((called.exit, called.json()), (0, json!({"apps": []})));
    server.stop();
}

/// A small file system of its own; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of this size, if this process may.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What cannot be unmounted is seen by whoever looks at the test's folder.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const LARGE: &str = "
import sluicegate as sg
app = sg.App('large')
todo = app.bucket('todo')

@app.function(on=todo.each())
def make(item):
    return b'x' * 40_000_000
";

#[test]
fn large_outputs_wait_while_the_disk_is_full() {
    let folder = Folder::with(&[("app.py", LARGE)]);
    let data = folder.path().join("data");
    let Some(_disk) = SmallDisk::mount(&data, "200m") else {
        assert!(std::env::var_os("CI").is_none(), "mounting a tmpfs needs root");
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let filler = data.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 1 << 16]).is_ok() {}
    file.set_len(file.metadata().unwrap().len() - (20 << 20)).unwrap();
    let body = json!({"id": "r", "objects": {"todo": {"a": 1}}}).to_string();
    assert_eq!(server.ask("POST", "/v1/apps/large/runs", body.as_bytes()).status, 202);
    // Three attempts would have failed by then.
    assert_eq!(server.ask("GET", "/v1/runs/r?wait=3s", b"").json(200)["status"], "running");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let run = server.ask("GET", "/v1/runs/r?wait=60s", b"").json(200);
    assert_eq!((&run["status"], &run["functions"][0]["retried"]), (&json!("succeeded"), &json!(0)), "{run}");
    let output = server.ask("GET", "/v1/apps/large/buckets/output/a?run=r", b"");
    assert_eq!(output.body.len(), 40_000_000);
    server.stop();
}

#[test]
fn a_full_disk_refuses_new_work_and_loses_nothing() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("a", "x")]);
    let data = folder.path().join("data");
    let Some(disk) = SmallDisk::mount(&data, "160m") else {
        assert!(std::env::var_os("CI").is_none(), "mounting a tmpfs needs root");
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    };
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "."]);
    let (mut accepted, mut refused) = (Vec::new(), None);
    let text = "x".repeat(1 << 20);
    for n in 0..400 {
        let id = format!("r{n}");
        let body = json!({"id": id, "objects": {"texts": {"a": format!("{n}{text}")}}, "seal": n % 2 == 0});
        let answer = server.ask("POST", "/v1/apps/echo/runs", body.to_string().as_bytes());
        match answer.status {
            202 => accepted.push(id),
            status => {
                let code = answer.error(status);
                assert!(["SLU0205", "SLU0206"].contains(&code.as_str()) && status >= 500, "{status} {code}");
                refused = Some(code);
                break;
            }
        }
    }
    assert!(refused.is_some() && accepted.len() > 10, "{refused:?} after {}", accepted.len());
    assert_eq!(server.ask("GET", "/v1/runs?limit=1", b"").status, 200, "reading goes on");
    server.kill();
    // With room again everything that was accepted is there.
    let grown = Command::new("mount").args(["-o", "remount,size=2g"]).arg(&disk.0).status().unwrap();
    assert!(grown.success());
    let server = Server::start(&folder);
    for (n, id) in accepted.iter().enumerate() {
        if n % 2 == 1 {
            assert_eq!(server.ask("POST", &format!("/v1/runs/{id}/seal"), b"").status / 100, 2, "{id}");
        }
        let run = server.ask("GET", &format!("/v1/runs/{id}?wait=60s"), b"").json(200);
        assert_eq!(run["status"], "succeeded", "{run}");
        let output = server.ask("GET", &format!("/v1/apps/echo/buckets/output/a?run={id}"), b"");
        assert_eq!(output.body.len(), text.len() + n.to_string().len(), "{id}");
    }
    let fresh = server.call(&folder, &["start", "echo", "--put", "texts=a", "--wait"]).json();
    assert_eq!(fresh["status"], "succeeded");
    server.stop();
}
