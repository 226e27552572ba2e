//! Specs that cannot be, hosts that lack something, and the report about them.

use crate::support::*;
use sluice_isolation::{BoxSpec, Error, Exit, Feature, Host, Isolation, Limits, Status, Step};
use sluice_types::Code;
use std::os::fd::AsFd;

#[test]
fn the_environment_is_what_was_given() {
    let Some(host) = host_with(FULL) else { return };
    let env =
        [("B", "two words"), ("A", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let (exit, text) = run(&host, &BoxSpec { env, ..BoxSpec::new("/usr/bin/env") });
    assert_eq!((exit, text.as_str()), (Exit::Code(0), "A=1\nB=two words\n"));
}

#[test]
fn a_missing_program_is_named() {
    let Some(host) = host_with(FULL) else { return };
    let error = host.spawn(&BoxSpec::new("/usr/bin/no-such-program"), &[]).unwrap_err();
    assert_eq!(error.code(), Code::PROGRAM_MISSING);
    assert!(matches!(&error, Error::Program { program, .. } if program == "/usr/bin/no-such-program"));
    assert!(error.to_string().contains("/usr/bin/no-such-program"), "{error}");
    let error = host.spawn(&BoxSpec::new("/etc/passwd"), &[]).unwrap_err();
    assert!(matches!(&error, Error::Program { .. }), "{error}");
    assert_eq!(error.code(), Code::SANDBOX_UNSTARTABLE);
}

#[test]
fn the_launcher_is_a_program_that_needs_no_path_in_the_box() {
    let Some(host) = host_with(FULL) else { return };
    let program = host.program().unwrap();
    for host in [Host::new(LAUNCHER), Host::new(LAUNCHER).without(Feature::MountNamespace)] {
        for allow_exec in [false, true] {
            let spec = BoxSpec { allow_exec, ..BoxSpec::new(program.to_str().unwrap()) };
            let (exit, text) = run(&host, &spec);
            assert_eq!((exit, text.starts_with("usage: ")), (Exit::Code(2), true), "{text}");
        }
    }
}

#[test]
fn a_failed_step_is_named() {
    let Some(host) = host_with(FULL) else { return };
    let spec = BoxSpec { cwd: "/nowhere".into(), ..shell("true") };
    let error = host.spawn(&spec, &[]).unwrap_err();
    assert!(error.to_string().contains("/nowhere"), "{error}");
    let spec = BoxSpec { binds: vec![sluice_isolation::Bind::read_only("/nowhere")], ..shell("true") };
    match host.spawn(&spec, &[]).unwrap_err() {
        Error::Start { step: Step::Bind, subject, .. } => assert_eq!(subject, "/nowhere"),
        other => panic!("{other}"),
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let Some(host) = host_with(FULL) else { return };
    let null = std::fs::File::open("/dev/null").unwrap();
    let refused = |spec: &BoxSpec, numbers: &[i32]| {
        let fds: Vec<_> = numbers.iter().map(|number| (*number, null.as_fd())).collect();
        matches!(host.spawn(spec, &fds), Err(Error::Spec(_)))
    };
    assert!(!refused(&shell("true"), &[5]));
    assert!(refused(&shell("true"), &[5, 5]));
    assert!(refused(&shell("true"), &[256]));
    assert!(refused(&shell("true"), &[-1]));
    assert!(refused(&shell("true"), &(0..129).collect::<Vec<_>>()));
    assert!(refused(&BoxSpec { cwd: "relative".into(), ..shell("true") }, &[]));
    assert!(refused(&BoxSpec { cwd: "/tmp/../etc".into(), ..shell("true") }, &[]));
    assert!(refused(&BoxSpec::new(""), &[]));
}

#[test]
fn a_launcher_that_is_none_is_an_error() {
    let host = Host::new("/bin/true");
    assert!(matches!(host.spawn(&shell("true"), &[]), Err(Error::Launcher { .. })));
    let host = Host::new("/no/launcher");
    assert!(matches!(host.spawn(&shell("true"), &[]), Err(Error::Launcher { .. })));
}

#[test]
fn required_isolation_refuses_what_best_effort_reports() {
    let Some(host) = host_with(FULL) else { return };
    let host = host.without(Feature::CpuCgroup);
    let plain = shell("true");
    let limited = BoxSpec { limits: Limits { cpu_millis: 500, ..Limits::default() }, ..shell("true") };
    assert!(host.spawn(&plain, &[]).unwrap().degraded().is_empty());
    assert_eq!(host.spawn(&limited, &[]).unwrap().degraded()[0].what, Feature::CpuCgroup);

    let host = host.with_policy(Isolation::Required);
    assert!(host.spawn(&plain, &[]).is_ok());
    let error = host.spawn(&limited, &[]).unwrap_err();
    assert_eq!(error.code(), Code::HOST_LACKS);
    assert!(error.to_string().contains("cgroup cpu limits"), "{error}");
    assert!(!error.problem().fix.is_empty());
}

#[test]
fn the_report_says_what_is_wrong_and_what_to_do() {
    let Some(host) = host_with(FULL) else { return };
    let folder = tempfile::tempdir().unwrap();
    let report = host.probe(folder.path());
    for item in &report.items {
        assert_eq!(item.status == Status::Ok, item.fix.is_empty(), "{item}");
    }
    assert_eq!(report.item("box").unwrap().status, Status::Ok, "{report}");
    assert_ne!(report.item("fdatasync").unwrap().status, Status::Missing, "{report}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let report = host.probe(&folder.path().join("absent"));
    assert_eq!(report.item("disk").unwrap().status, Status::Ok, "the server makes it: {report}");

    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let report = host.without(Feature::Landlock).probe(&file);
    assert_eq!(report.status(), Status::Missing);
    assert_eq!(report.item("landlock").unwrap().status, Status::Missing);
    assert_eq!(report.item("fdatasync").unwrap().status, Status::Missing);
    assert!(report.to_string().contains("fix: "));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), report.items.len());
}
