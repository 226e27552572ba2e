//! The filter of system calls. It denies what reaches other processes, the kernel or the host; the rest is bounded by
//! the unprivileged user, the namespaces and landlock. It passes to everything the program starts.

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    sock_filter,
};
use sluice_types::Network;
use std::collections::BTreeMap;
use std::io;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Denied whatever the arguments.
const DENIED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Namespaces, mounts, roots.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    // Keys.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Large parts of the kernel that functions have no use for, and that exploits have.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// `clone` with any of these is denied.
const CLONE_DENIED: &[libc::c_int] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// The argument of `personality` that asks without changing anything.
const PERSONALITY_QUERY: u64 = 0xffff_ffff;

/// Installs the filter for this thread and all that it starts. Needs `no_new_privs`.
pub(crate) fn install(network: Network) -> io::Result<()> {
    for program in programs(network).map_err(io::Error::other)? {
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Three programs, of which the kernel takes the strictest answer.
fn programs(network: Network) -> Result<Vec<BpfProgram>, BackendError> {
    // clone3 takes its flags from memory, which a filter cannot read: ENOSYS makes C libraries fall back to clone.
    let absent = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let mut all = vec![filter(absent, libc::ENOSYS)?, filter(denied(network)?, libc::EPERM)?];
    if cfg!(target_arch = "x86_64") {
        all.push(refuse_x32());
    }
    Ok(all)
}

/// A filter that answers the listed calls with `errno`, and kills a process that calls by another architecture.
fn filter(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch)?.try_into()
}

fn denied(network: Network) -> Result<Rules, BackendError> {
    let mut rules: Rules = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let clone = CLONE_DENIED.iter().map(|&flag| {
        let condition = SeccompCondition::new(0, Qword, MaskedEq(flag as u64), flag as u64)?;
        SeccompRule::new(vec![condition])
    });
    rules.insert(libc::SYS_clone, clone.collect::<Result<_, _>>()?);
    let ioctl = [libc::TIOCSTI, libc::TIOCLINUX]
        .map(|request| SeccompRule::new(vec![SeccompCondition::new(1, Dword, Eq, request)?]));
    rules.insert(libc::SYS_ioctl, ioctl.into_iter().collect::<Result<_, _>>()?);
    let personality = SeccompCondition::new(0, Dword, Ne, PERSONALITY_QUERY)?;
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(vec![personality])?]);
    // Families are allowed by name: the kernel has dozens, most of them rarely looked at.
    let families: &[libc::c_int] = match network {
        Network::None => &[libc::AF_UNIX],
        Network::Host => &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK],
    };
    let socket = families.iter().map(|&family| SeccompCondition::new(0, Dword, Ne, family as u64));
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(socket.collect::<Result<_, _>>()?)?]);
    Ok(rules)
}

/// x32 calls share the architecture of x86-64 but not its numbers: bit 30 is set in theirs.
fn refuse_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_BIT),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
