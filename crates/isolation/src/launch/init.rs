//! Init, the first process of a box: builds it, starts the program, reaps, and ends with the server.
#![allow(unsafe_code)]

use super::descriptors::{self, Placed};
use super::root::Root;
use super::{landlock, privileges, seccomp};
use crate::boxed::Exit;
use crate::channel::{Channel, Order, Plan, Report};
use crate::error::{AtStep, Failure, Step};
use crate::spec::BoxSpec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, wait};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Runs in the copy that the launcher made. Returns when the program has ended or the server is gone.
pub(super) fn run(channel: &Channel, order: Order, fds: Vec<OwnedFd>) -> Result<(), Failure> {
    let Order { spec, targets, plan } = order;
    // Init itself says that it exists: reports of two processes could overtake each other.
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).at(Step::Order, "pidfd_open")?;
    channel.report(&Report::Init, &[own.as_fd()]).at(Step::Order, "the control socket")?;
    drop(own);
    let fds = fds
        .into_iter()
        .map(|fd| descriptors::lift(fd).at(Step::Descriptors, "a passed descriptor"))
        .collect::<Result<Vec<_>, _>>()?;
    enter_namespaces(&spec, &plan)?;
    descriptors::forget_standard().at(Step::Descriptors, "/dev/null")?;
    rustix::process::chdir(&spec.cwd).at(Step::Root, format!("working directory {}", spec.cwd.display()))?;
    confine(&spec, &plan)?;
    let mut program = start(&spec, &plan, descriptors::place(fds, &targets)?)?;
    let pid = Pid::from_child(&program);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).at(Step::Execute, "pidfd_open")?;
    // If the server is gone, `attend` sees it as a hang-up.
    let _ = channel.report(&Report::Started, &[pidfd.as_fd()]);
    match attend(channel, pid).at(Step::Execute, "waiting")? {
        Some(exit) => drop(channel.report(&Report::Ended(exit), &[])),
        // Without a pid namespace nothing else ends the program with the server.
        None => drop(program.kill()),
    }
    Ok(())
}

fn enter_namespaces(spec: &BoxSpec, plan: &Plan) -> Result<(), Failure> {
    if plan.owns(libc::CLONE_NEWUSER) {
        privileges::map_user(plan).at(Step::UserMap, "/proc/self/uid_map")?;
    }
    if plan.owns(libc::CLONE_NEWUTS) {
        rustix::system::sethostname(b"box").at(Step::Namespaces, "the host name")?;
    }
    if plan.owns(libc::CLONE_NEWNS) {
        Root::open(spec, plan)?.enter(spec, plan)?;
    }
    Ok(())
}

/// Gives up everything that the program must not have, for init itself too.
fn confine(spec: &BoxSpec, plan: &Plan) -> Result<(), Failure> {
    privileges::limit(spec, plan)?;
    rustix::thread::set_no_new_privs(true).at(Step::Privileges, "no_new_privs")?;
    if plan.landlock {
        landlock::restrict(spec, plan)?;
    }
    privileges::give_up(plan)?;
    if plan.seccomp {
        seccomp::install(spec.network).at(Step::Seccomp, "the filter")?;
    }
    Ok(())
}

fn start(spec: &BoxSpec, plan: &Plan, placed: Placed) -> Result<Child, Failure> {
    let [input, output, errors] = placed.streams;
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).env_clear().envs(&spec.env).stdin(input).stdout(output).stderr(errors);
    if !plan.owns(libc::CLONE_NEWPID) {
        let die_with_init = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: the closure makes one system call and neither allocates nor locks.
        unsafe { command.pre_exec(die_with_init) };
    }
    command.spawn().at(Step::Execute, &spec.program)
}

/// Reaps until the program ends; `None` if the server went first.
fn attend(channel: &Channel, program: Pid) -> io::Result<Option<Exit>> {
    let ended = child_signals()?;
    loop {
        // Before the first poll too: a child that ended before the signal was blocked left none.
        while let Some((pid, status)) = wait(WaitOptions::NOHANG)? {
            if pid == program {
                return Ok(Some(match status.terminating_signal() {
                    Some(signal) => Exit::Signal(signal),
                    None => Exit::Code(status.exit_status().unwrap_or(0)),
                }));
            }
        }
        let mut waiting = [PollFd::new(&channel.0, PollFlags::empty()), PollFd::new(&ended, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut waiting, None))?;
        if !waiting[0].revents().is_empty() {
            return Ok(None);
        }
        if !waiting[1].revents().is_empty() {
            let mut signal = [0u8; size_of::<libc::signalfd_siginfo>()];
            rustix::io::read(&ended, &mut signal)?;
        }
    }
}

/// A descriptor that becomes readable when a child ends.
fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before use, and a new descriptor is owned by nobody else.
    unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
        match libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}
