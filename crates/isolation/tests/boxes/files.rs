//! What a box sees of files and descriptors.

use crate::support::*;
use rustix::fs::{MemfdFlags, Mode, OFlags, fchmod, memfd_create, open};
use sluice_isolation::{Bind, BoxSpec, Exit};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

#[test]
fn files_of_the_host_are_seen_only_where_bound() {
    let Some(host) = host_with(FULL) else { return };
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "the secret").unwrap();
    let look = shell(&format!("cat {} /etc/shadow; ls /root /home /var /run /sys", secret.display()));
    let (exit, text) = run(&host, &look);
    assert!(!text.contains("the secret") && !text.contains("root:"), "{text}");
    assert_eq!(text.matches("No such file").count(), 7, "{text}");
    assert_ne!(exit, Exit::Code(0));

    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bound = BoxSpec { binds: vec![Bind::read_only(folder.path())], ..look };
    let (_, text) = run(&host, &bound);
    assert!(text.contains("the secret"), "{text}");
}

#[test]
fn only_scratch_and_temporary_folders_can_be_written() {
    let Some(host) = host_with(FULL) else { return };
    let (bundle, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = "for d in /app /usr / /etc /dev /proc /tmp /dev/shm /scratch; do \
        touch $d/file 2>/dev/null && echo $d; done; echo x 2>/dev/null >>/etc/passwd && echo passwd; \
        mv /scratch/file /scratch/moved && echo moved";
    let binds =
        vec![Bind::read_only(bundle.path()).at("/app"), Bind::read_write(scratch.path()).at("/scratch")];
    let (_, text) = run(&host, &BoxSpec { binds, cwd: "/scratch".into(), ..shell(script) });
    assert_eq!(text, "/tmp\n/dev/shm\n/scratch\nmoved\n");
    assert!(scratch.path().join("moved").exists());
    assert_eq!(fs::read_dir(bundle.path()).unwrap().count(), 0);
}

#[test]
fn a_bundle_that_its_user_owns_is_read_only_too() {
    let Some(host) = host_with(FULL) else { return };
    let bundle = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(bundle.path(), Some(sluice_isolation::BOX_USER), None).unwrap();
    let binds = vec![Bind::read_only(bundle.path()).at("/app")];
    let (exit, text) = run(&host, &BoxSpec { binds, ..shell("touch /app/file") });
    assert_eq!(exit, Exit::Code(1));
    assert!(text.contains("Read-only") || text.contains("Permission denied"), "{text}");
}

#[test]
fn a_descriptor_passed_for_reading_cannot_be_reopened_for_writing() {
    let Some(host) = host_with(FULL) else { return };
    let reopened = |mode: u32| {
        let memory = memfd_create("shared", MemfdFlags::CLOEXEC).unwrap();
        fchmod(&memory, Mode::from_raw_mode(mode)).unwrap();
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        let readable: OwnedFd = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        File::from(memory).write_all(b"shared bytes").unwrap();
        let script = shell("cat <&7; (echo x >/proc/self/fd/7) 2>/dev/null && echo reopened");
        let (_boxed, output) = start_with(&host, &script, &[(7, readable.as_fd())]);
        let text = output.rest();
        assert!(text.starts_with("shared bytes"), "{text}");
        text.contains("reopened")
    };
    assert!(!reopened(0o600));
    // The mode is what holds it back: a descriptor of any mode would do, were the box's user the server's.
    assert!(reopened(0o666));
}

#[test]
fn descriptors_are_those_passed() {
    let Some(host) = host_with(FULL) else { return };
    // Inheritable on purpose: what the server forgets to close must not arrive.
    let leaked = rustix::pipe::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let script = shell("echo /proc/self/fd/*; read -r line; echo \"[$line]\"");
    let (_boxed, output) = start_with(&host, &script, &[(9, null.as_fd()), (200, null.as_fd())]);
    // The shell itself opens the directory as 3 while it expands the pattern.
    let text = output.rest().replace("/proc/self/fd/", "");
    let mut lines = text.lines();
    let mut numbers: Vec<_> = lines.next().unwrap().split(' ').map(|n| n.parse::<i32>().unwrap()).collect();
    numbers.sort_unstable();
    numbers.retain(|number| *number != 3);
    assert_eq!(numbers, [0, 1, 2, 9, 200]);
    assert_eq!(lines.next(), Some("[]"));
    drop(leaked);
}

#[test]
fn without_leave_a_box_executes_nothing_but_itself() {
    let Some(host) = host_with(FULL) else { return };
    let script = "/bin/true && echo executed; cp /bin/true /tmp/mine; /tmp/mine && echo executed; /bin/sh -c 'echo again'";
    let (_, text) = run(&host, &BoxSpec { allow_exec: false, ..shell(script) });
    assert!(!text.contains("executed"), "{text}");
    assert!(text.contains("again"), "a box may execute itself: {text}");
    let (_, text) = run(&host, &shell(script));
    assert_eq!(text.matches("executed").count(), 2, "{text}");
}
