//! Which processes a box sees, and when they end.

use crate::support::*;
use sluice_isolation::{BoxSpec, Exit, Feature, Host};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

#[test]
fn a_box_sees_only_its_own_processes() {
    let Some(host) = host_with(FULL) else { return };
    let (_, text) = run(&host, &shell("echo /proc/[0-9]*"));
    assert_eq!(text, "/proc/1 /proc/2\n");
}

#[test]
fn init_cannot_be_read_or_killed() {
    let Some(host) = host_with(FULL) else { return };
    let script = "ls /proc/1/fd; cat /proc/1/environ; kill -KILL 1; kill -TERM 1; echo alive";
    let (exit, text) = run(&host, &shell(script));
    assert_eq!(exit, Exit::Code(0));
    assert!(text.ends_with("alive\n"), "{text}");
    assert_eq!(text.matches("Permission denied").count(), 2, "{text}");
}

#[test]
fn killing_a_box_ends_all_of_its_processes() {
    let Some(host) = host_with(FULL) else { return };
    let (mut boxed, mut output) =
        start(&host, &shell("sleep 1000 & (setsid sleep 1000 &) ; echo ready; wait"));
    assert_eq!(output.line(), "ready");
    assert_eq!(boxed.try_wait().unwrap(), None);
    boxed.kill().unwrap();
    assert_eq!(boxed.wait().unwrap(), Exit::Killed);
    // All held the pipe: were one left, this would not end.
    assert_eq!(output.rest(), "");
}

#[test]
fn a_box_ends_with_its_program() {
    let Some(host) = host_with(FULL) else { return };
    let (mut boxed, output) = start(&host, &shell("sleep 1000 & exit 3"));
    assert_eq!(output.rest(), "");
    assert_eq!(boxed.wait().unwrap(), Exit::Code(3));
    assert_eq!(boxed.try_wait().unwrap(), Some(Exit::Code(3)));
}

#[test]
fn dropping_a_box_ends_it() {
    let Some(host) = host_with(FULL) else { return };
    let (boxed, mut output) = start(&host, &shell("echo ready; sleep 1000"));
    assert_eq!(output.line(), "ready");
    drop(boxed);
    assert_eq!(output.rest(), "");
}

#[test]
fn a_program_can_be_asked_to_end() {
    let Some(host) = host_with(FULL) else { return };
    let (mut boxed, mut output) = start(&host, &shell("echo ready; exec sleep 1000"));
    assert_eq!(output.line(), "ready");
    boxed.terminate().unwrap();
    assert_eq!(boxed.wait().unwrap(), Exit::Signal(15));
}

#[test]
fn orphans_are_reaped() {
    let Some(host) = host_with(FULL) else { return };
    // Spins until no zombie is left: without an init that reaps, it would not end.
    let script =
        "for i in 1 2 3; do (true &); done; while grep -qs ' Z ' /proc/[0-9]*/stat; do :; done; echo clean";
    let (_, text) = run(&host, &shell(script));
    assert_eq!(text, "clean\n");
}

#[test]
fn the_pid_is_the_host_s() {
    let Some(host) = host_with(FULL) else { return };
    let (boxed, mut output) = start(&host, &shell("echo ready; read -r forever </dev/zero"));
    output.line();
    let command = std::fs::read_to_string(format!("/proc/{}/cmdline", boxed.pid())).unwrap();
    assert!(command.starts_with("/bin/sh\0-c\0echo ready"), "{command:?}");
}

/// A server of one box in a process of its own; the box runs.
fn server() -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(LAUNCHER);
    command.args(["hold", "/bin/sh", "-c", "echo ready; sleep 1000"]).stdout(Stdio::piped());
    let mut server = command.spawn().expect("the server starts");
    let mut output = BufReader::new(server.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("text");
    assert_eq!(line, "ready\n");
    (server, output)
}

#[test]
fn a_box_ends_with_its_server() {
    let Some(_host) = host_with(FULL) else { return };
    let (mut server, mut output) = server();
    server.kill().unwrap();
    server.wait().unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_server_that_is_not_root_makes_boxes_too() {
    let Some(_host) = host_with(FULL) else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("launcher");
    std::fs::copy(LAUNCHER, &copy).unwrap();
    let script =
        "echo /proc/[0-9]*; id -u; ls / | grep -c root; unshare -U true; grep CapEff /proc/self/status";
    let output =
        Command::new(&copy).args(["hold", "/bin/sh", "-c", script]).uid(65534).gid(65534).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("/proc/1 /proc/2\n917117\n0\nCapEff:\t0000000000000000\n"), "{text}");
    assert!(text.contains("unshare failed: Operation not permitted"), "{text}");
}

#[test]
fn groups_of_dead_servers_are_removed() {
    let Some(host) = host_with(&[FULL, &[Feature::PidsCgroup]].concat()) else { return };
    let report = host.probe(&std::env::temp_dir());
    let detail = &report.item("cgroup pids").unwrap().detail;
    let own = Path::new(detail.split_once(", ").unwrap().1);
    let (mut server, _output) = server();
    let prefix = format!("sluice-{}-", server.id());
    let mut all = std::fs::read_dir(own.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_theirs = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(&prefix);
    let theirs = all.find(is_theirs).expect("a group for the server");
    server.kill().unwrap();
    server.wait().unwrap();
    // The kernel lets go of a group when the last of its processes, killed above, has gone.
    while theirs.is_dir() {
        drop(Host::new(LAUNCHER));
    }
    assert!(own.is_dir(), "a living server's group stays");
}

#[test]
fn without_a_pid_namespace_the_program_still_ends_with_its_box() {
    let Some(host) = host_with(FULL) else { return };
    let host = host.without(Feature::PidNamespace).without(Feature::MountNamespace);
    let spec = BoxSpec { cwd: "/".into(), ..shell("echo ready; exec sleep 1000") };
    let (mut boxed, mut output) = start(&host, &spec);
    assert_eq!(output.line(), "ready");
    assert_eq!(boxed.degraded().len(), 2);
    boxed.kill().unwrap();
    assert_eq!(boxed.wait().unwrap(), Exit::Killed);
    assert_eq!(output.rest(), "");
}
