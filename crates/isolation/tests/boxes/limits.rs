//! Limits of boxes and of groups in them.

use crate::support::*;
use sluice_isolation::{BoxSpec, Exit, Feature, Limits};
use std::io::{Write, pipe};
use std::os::fd::AsFd;

const MIB: u64 = 1 << 20;

fn memory(mib: u64) -> Limits {
    Limits { memory_bytes: mib * MIB, ..Limits::default() }
}

/// A zygote: forks a worker that waits for a line and then takes 256 MiB; says how the worker ended.
const ZYGOTE: &str = "import os, sys\n\
    if (worker := os.fork()) == 0:\n\
    \x20 print('ready', flush=True)\n\
    \x20 sys.stdin.readline()\n\
    \x20 print(len(b'x' * (256 << 20)), flush=True)\n\
    \x20 os._exit(0)\n\
    print(os.waitpid(worker, 0)[1])";

#[test]
fn a_group_s_memory_limit_kills_its_worker_alone() {
    let Some(host) = host_with(&[FULL, &[Feature::MemoryCgroup]].concat()) else { return };
    let (input, mut go) = pipe().unwrap();
    let (mut boxed, mut output) = start_with(&host, &python(ZYGOTE), &[(0, input.as_fd())]);
    assert_eq!(output.line(), "ready");
    let children = format!("/proc/{0}/task/{0}/children", boxed.pid());
    let worker = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let group = boxed.new_group("worker", &memory(64)).unwrap();
    group.add(worker).unwrap();
    go.write_all(b"go\n").unwrap();
    assert_eq!(output.line(), "9");
    assert_eq!(boxed.wait().unwrap(), Exit::Code(0));
    assert_eq!(group.oom_kills(), 1);
    assert!(!boxed.oom_killed());
    assert!(group.memory_peak_bytes().unwrap() > 32 * MIB);
}

#[test]
fn a_group_s_limits_can_be_changed() {
    let Some(host) = host_with(&[FULL, &[Feature::MemoryCgroup]].concat()) else { return };
    let (input, mut go) = pipe().unwrap();
    let spec = BoxSpec { limits: memory(64), ..python(ZYGOTE) };
    let (boxed, mut output) = start_with(&host, &spec, &[(0, input.as_fd())]);
    assert_eq!(output.line(), "ready");
    boxed.group().set_limits(&memory(1024)).unwrap();
    go.write_all(b"go\n").unwrap();
    assert_eq!((output.line(), output.line()), ((256 * MIB).to_string(), "0".to_owned()));
}

#[test]
fn a_box_s_memory_limit_is_reported() {
    let Some(host) = host_with(&[FULL, &[Feature::MemoryCgroup]].concat()) else { return };
    let take = "print(len(b'x' * (256 << 20)))";
    let (mut boxed, output) = start(&host, &BoxSpec { limits: memory(64), ..python(take) });
    assert_eq!(output.rest(), "");
    assert_eq!(boxed.wait().unwrap(), Exit::Signal(9));
    assert!(boxed.oom_killed());

    let (mut boxed, output) = start(&host, &BoxSpec { limits: memory(1024), ..python(take) });
    assert_eq!(output.rest(), format!("{}\n", 256 * MIB));
    assert_eq!(boxed.wait().unwrap(), Exit::Code(0));
    assert!(!boxed.oom_killed());
}

#[test]
fn a_limit_too_low_to_start_is_said_to_be() {
    let Some(host) = host_with(&[FULL, &[Feature::MemoryCgroup]].concat()) else { return };
    let limits = Limits { memory_bytes: 64 << 10, ..Limits::default() };
    let error = host.spawn(&BoxSpec { limits, ..shell("true") }, &[]).unwrap_err();
    assert!(error.to_string().contains("a memory limit of 65536 bytes is too low"), "{error}");
}

#[test]
fn files_in_tmp_count_as_memory() {
    let Some(host) = host_with(&[FULL, &[Feature::MemoryCgroup]].concat()) else { return };
    for folder in ["/tmp", "/dev/shm"] {
        let fill = shell(&format!("head -c 256M /dev/zero >{folder}/file; true"));
        let (boxed, output) = start(&host, &BoxSpec { limits: memory(64), ..fill });
        output.rest();
        assert!(boxed.oom_killed(), "{folder}");
    }
}

#[test]
fn without_cgroups_the_address_space_is_limited() {
    let Some(host) = host_with(FULL) else { return };
    let host = host.without(Feature::MemoryCgroup);
    let spec = BoxSpec { limits: memory(128), ..python("print(len(b'x' * (256 << 20)))") };
    let (boxed, output) = start(&host, &spec);
    assert!(output.rest().contains("MemoryError"));
    assert_eq!(boxed.degraded()[0].what, Feature::MemoryCgroup);
}

#[test]
fn a_limit_of_processes_bites() {
    let Some(host) = host_with(&[FULL, &[Feature::PidsCgroup]].concat()) else { return };
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all";
    let limits = Limits { pids_max: 6, ..Limits::default() };
    let (_, text) = run(&host, &BoxSpec { limits, ..shell(script) });
    assert!(text.contains("ork") && !text.contains("all"), "{text}");
    assert_eq!(run(&host, &shell(script)).1, "all\n");
}

#[test]
fn a_cpu_limit_slows_a_box_down() {
    let Some(host) = host_with(&[FULL, &[Feature::CpuCgroup]].concat()) else { return };
    let script = "import time\n\
        begin, used = time.monotonic(), time.process_time()\n\
        while time.process_time() - used < 0.1: pass\n\
        print(0.1 / (time.monotonic() - begin) < 0.5)";
    let limits = Limits { cpu_millis: 200, ..Limits::default() };
    assert_eq!(run(&host, &BoxSpec { limits, ..python(script) }).1, "True\n");
}

#[test]
fn niceness_and_resource_limits_hold() {
    let Some(host) = host_with(FULL) else { return };
    let (_, text) = run(&host, &BoxSpec { nice: 10, ..shell("nice; ulimit -Hc; ulimit -Hn") });
    assert_eq!(text, "10\n0\n4096\n");
}
