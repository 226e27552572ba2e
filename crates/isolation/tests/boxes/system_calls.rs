//! Which system calls a box may make.

use crate::support::*;
use sluice_isolation::Exit;

/// Prints the error number of a call made with these arguments, 0 for success.
const CALL: &str = "import ctypes\n\
    libc = ctypes.CDLL(None, use_errno=True)\n\
    def call(*arguments):\n\
    \x20 failed = libc.syscall(*[ctypes.c_long(a) for a in arguments]) == -1\n\
    \x20 print(ctypes.get_errno() if failed else 0)\n";

fn answers(calls: &[(&str, Vec<i64>)]) -> Vec<(String, i32)> {
    let Some(host) = host_with(FULL) else { return Vec::new() };
    let lines: Vec<_> = calls.iter().map(|(_, call)| format!("call(*{call:?})")).collect();
    let (exit, text) = run(&host, &python(&format!("{CALL}{}", lines.join("\n"))));
    assert_eq!(exit, Exit::Code(0), "{text}");
    let answers = text.lines().map(|line| line.parse().expect("a number"));
    calls.iter().map(|(name, _)| name.to_string()).zip(answers).collect()
}

#[test]
fn what_reaches_the_kernel_or_others_is_denied() {
    let namespace = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let denied = answers(&[
        ("ptrace", vec![libc::SYS_ptrace, libc::PTRACE_TRACEME.into()]),
        ("process_vm_readv", vec![libc::SYS_process_vm_readv, 1]),
        ("process_vm_writev", vec![libc::SYS_process_vm_writev, 1]),
        ("mount", vec![libc::SYS_mount, 0, 0, 0, 0, 0]),
        ("umount2", vec![libc::SYS_umount2, 0, 0]),
        ("pivot_root", vec![libc::SYS_pivot_root, 0, 0]),
        ("open_tree", vec![libc::SYS_open_tree, -1, 0, 0]),
        ("fsopen", vec![libc::SYS_fsopen, 0, 0]),
        ("setns", vec![libc::SYS_setns, 0, 0]),
        ("unshare", vec![libc::SYS_unshare, libc::CLONE_NEWUSER.into()]),
        ("unshare files", vec![libc::SYS_unshare, libc::CLONE_FILES.into()]),
        ("clone", vec![libc::SYS_clone, namespace, 0, 0, 0, 0]),
        ("keyctl", vec![libc::SYS_keyctl, 0, 0]),
        ("add_key", vec![libc::SYS_add_key, 0, 0, 0, 0, 0]),
        ("bpf", vec![libc::SYS_bpf, 0, 0, 0]),
        ("perf_event_open", vec![libc::SYS_perf_event_open, 0, 0, 0, 0, 0]),
        ("userfaultfd", vec![libc::SYS_userfaultfd, 1]),
        ("io_uring_setup", vec![libc::SYS_io_uring_setup, 1, 0]),
        ("kexec_load", vec![libc::SYS_kexec_load, 0, 0, 0, 0]),
        ("init_module", vec![libc::SYS_init_module, 0, 0, 0]),
        ("reboot", vec![libc::SYS_reboot, 0, 0, 0, 0]),
        ("swapon", vec![libc::SYS_swapon, 0, 0]),
        ("open_by_handle_at", vec![libc::SYS_open_by_handle_at, 0, 0, 0]),
        ("personality", vec![libc::SYS_personality, libc::ADDR_NO_RANDOMIZE.into()]),
        ("TIOCSTI", vec![libc::SYS_ioctl, 0, libc::TIOCSTI as i64, 0]),
        ("TIOCSTI with high bits", vec![libc::SYS_ioctl, 0, libc::TIOCSTI as i64 | 1 << 32, 0]),
    ]);
    for (name, errno) in denied {
        assert_eq!(errno, libc::EPERM, "{name}");
    }
}

#[test]
fn what_programs_need_is_not() {
    let allowed = answers(&[
        ("getpid", vec![libc::SYS_getpid]),
        ("personality query", vec![libc::SYS_personality, 0xffff_ffff]),
        ("memfd_create", vec![libc::SYS_eventfd2, 0, 0]),
        ("futex wake", vec![libc::SYS_sched_yield]),
    ]);
    for (name, errno) in allowed {
        assert_eq!(errno, 0, "{name}");
    }
    // Not EPERM: C libraries fall back to clone on ENOSYS only.
    for (_, errno) in answers(&[("clone3", vec![libc::SYS_clone3, 0, 0])]) {
        assert_eq!(errno, libc::ENOSYS);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn other_architectures_are_refused() {
    for (_, errno) in answers(&[("getpid of x32", vec![0x4000_0000 + libc::SYS_getpid])]) {
        assert_eq!(errno, libc::EPERM);
    }
    let Some(host) = host_with(FULL) else { return };
    // mov eax, 20 (getpid of i386); int 0x80; ret
    let script = "import ctypes, mmap\n\
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n\
        page.write(bytes.fromhex('b814000000cd80c3'))\n\
        print('calling', flush=True)\n\
        print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())";
    assert_eq!(run(&host, &python(script)), (Exit::Signal(libc::SIGSYS), "calling\n".to_owned()));
    // Without the filter the same program answers, if the kernel has the old calls at all.
    let (exit, _) = run(&host.without(sluice_isolation::Feature::Seccomp), &python(script));
    assert_ne!(exit, Exit::Signal(libc::SIGSYS));
}
