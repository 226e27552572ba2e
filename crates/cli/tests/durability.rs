//! Nothing is acknowledged before it is on disk: the order of the server's system calls, seen by strace under load.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::json;
use std::collections::HashMap;
use std::process::Command;
use tool::Folder;
use tool::server::{Server, signal};

const CLIENTS: usize = 4;
const STARTS_EACH: usize = 25;

/// A guest that gives nothing: it runs within the server, so that strace follows no sandbox.
const GUEST: &str = "(module (memory (export \"memory\") 1) (func (export \"run\")))";
const APP: &str = "app: traced\nbuckets: [items]\nfunctions:\n  noop: {runtime: wasm, module: noop.wat, on: {each: items}}\n";

#[test]
fn no_start_is_acknowledged_before_the_sync_that_covers_it() {
    if Command::new("strace").arg("-V").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "strace is not installed");
        eprintln!("skipped: strace is not installed");
        return;
    }
    let folder = Folder::with(&[("app/sluice.yaml", APP), ("app/noop.wat", GUEST)]);
    let server = traced(&folder);
    server.call(&folder, &["deploy", "app"]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let url = &server.url;
            scope.spawn(move || start_runs(url, client));
        }
    });
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).unwrap();
    signal(child.trim().parse().unwrap(), "TERM");
    assert!(server.wait().success());
    let trace = std::fs::read_to_string(folder.path().join("trace")).unwrap();
    let trace = Trace::parse(&trace);
    for id in (0..CLIENTS).flat_map(|client| (0..STARTS_EACH).map(move |n| id(client, n))) {
        trace.check(&id);
    }
    assert!(!trace.syncs.is_empty());
    eprintln!("{} starts, {} syncs of the log", CLIENTS * STARTS_EACH, trace.syncs.len());
}

fn traced(folder: &Folder) -> Server {
    let plain = folder.command(&["server", "--addr", "127.0.0.1:0", "--data", "data"]);
    let calls = "trace=fdatasync,read,recvfrom,recvmsg,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-q", "-s", "16384", "-o", "trace", "-e", calls]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(folder.path());
    Server::spawn(command)
}

fn id(client: usize, n: usize) -> String {
    format!("traced-{client}-{n:03}.")
}

/// Every other start waits for the end of its run, whose answer is an acknowledgement as well.
fn start_runs(url: &str, client: usize) {
    for n in 0..STARTS_EACH {
        let (query, status) = if n % 2 == 0 { ("", 202) } else { ("?wait=30s", 200) };
        let body = json!({"id": id(client, n), "objects": {"items": {"k": n}}}).to_string();
        let path = format!("{url}/v1/apps/traced/runs{query}");
        tool::server::ask(&path, "POST", body.as_bytes()).unwrap().json(status);
    }
}

/// What strace saw, by line: it writes a line when a call begins, and another when it ends if anything came between.
struct Trace<'a> {
    lines: Vec<&'a str>,
    /// Lines where syncs of the log begin and end.
    syncs: Vec<(usize, usize)>,
}

impl<'a> Trace<'a> {
    fn parse(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let (mut syncs, mut begun) = (Vec::new(), HashMap::new());
        for (at, line) in lines.iter().enumerate() {
            let thread = line.split(' ').next().unwrap_or_default();
            if line.contains(" fdatasync(") && line.contains("/data/log/") {
                if line.contains("<unfinished") {
                    begun.insert(thread, at);
                } else if line.ends_with("= 0") {
                    syncs.push((at, at));
                }
            } else if line.contains("<... fdatasync resumed") && line.ends_with("= 0") {
                syncs.extend(begun.remove(thread).map(|began| (began, at)));
            }
        }
        Self { lines, syncs }
    }

    /// Request read < record written < a sync begins < it ends < answer written.
    #[track_caller]
    fn check(&self, id: &str) {
        let request = self.find(0, id, |line| line.contains("socket:") || line.contains("recvfrom"));
        let record = self.find(request, id, |line| line.contains("/data/log/") && line.contains("write"));
        let answer = self.find(request + 1, id, |line| line.contains("HTTP/1.1 20"));
        let covers = |&&(begins, ends): &&(usize, usize)| begins > record && ends < answer;
        let covered = self.syncs.iter().find(covers);
        assert!(
            covered.is_some(),
            "{id}: request {request}, record {record}, answer {answer}: no sync between"
        );
    }

    #[track_caller]
    fn find(&self, from: usize, id: &str, of_kind: impl Fn(&str) -> bool) -> usize {
        let found = self.lines[from..].iter().position(|line| line.contains(id) && of_kind(line));
        from + found.unwrap_or_else(|| panic!("{id} is not in the trace from line {from}"))
    }
}

#[test]
fn a_trace_without_the_sync_is_refused() {
    let trace = |sync: &str| {
        format!(
            "1 recvfrom(9<socket:[1]>, \"POST … r1.\") = 9\n2 pwrite64(5</x/data/log/1.log>, \"r1.\", 4, 0) = 4\n{sync}\n\
             1 writev(9<socket:[1]>, [\"HTTP/1.1 202 … r1.\"]) = 9\n"
        )
    };
    let passes = |text: String| std::panic::catch_unwind(|| Trace::parse(&text).check("r1.")).is_ok();
    assert!(passes(trace("2 fdatasync(5</x/data/log/1.log>) = 0")));
    assert!(!passes(trace("2 fdatasync(5</x/data/log/1.log>) = -1 EIO (Input/output error)")));
    assert!(!passes(trace("2 fdatasync(6</x/data/store.redb>) = 0")));
    assert!(!passes(trace("")));
}
