//! The launcher and init: what happens between `spawn` and the program's first instruction.

mod clone;
mod descriptors;
mod executable;
mod init;
mod landlock;
mod privileges;
mod root;
mod seccomp;

pub(crate) use clone::{CLONE_FLAGS, Cloned, clone_into};
pub(crate) use landlock::restrict_thread as landlock_restrict_thread;
pub(crate) use seccomp::install as seccomp_install;

use crate::channel::{Channel, Report};
use crate::error::{AtStep, Failure, Step};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::stdin;
use std::os::fd::AsFd;

/// Runs the launcher: call it first thing in `main` when the first argument is [`crate::LAUNCH_ARGUMENT`], before
/// any thread is started. Standard input must be the control socket that [`crate::Host::spawn`] made.
pub fn launcher_main() -> ! {
    let closed = descriptors::close_inherited();
    let Ok(socket) = descriptors::lift(stdin()) else { std::process::exit(2) };
    let channel = Channel(socket);
    match closed.at(Step::Order, "inherited descriptors").and_then(|()| launch(&channel)) {
        Ok(()) => std::process::exit(0),
        Err(failure) => fail(&channel, failure),
    }
}

/// Reports a failed step and ends the process.
fn fail(channel: &Channel, failure: Failure) -> ! {
    // When the server is gone too there is nobody left to tell.
    let _ = channel.report(&Report::Failed(failure), &[]);
    std::process::exit(1);
}

fn launch(channel: &Channel) -> Result<(), Failure> {
    let (order, fds) = channel.receive_order().at(Step::Order, "the control socket")?;
    // Entering by writing 0 spares the wait for a grace period (10 ms) that moving another process costs.
    for tasks in &order.plan.tasks {
        std::fs::write(tasks, "0").at(Step::Cgroup, tasks.display())?;
    }
    let unified = match &order.plan.unified {
        Some(path) => Some(
            open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .and_then(descriptors::lift)
                .at(Step::Cgroup, path.display())?,
        ),
        None => None,
    };
    match clone_into(order.plan.namespaces, true, unified.as_ref().map(AsFd::as_fd)) {
        Ok(Cloned::Child) => match init::run(channel, order, fds) {
            Ok(()) => std::process::exit(0),
            Err(failure) => fail(channel, failure),
        },
        Ok(Cloned::Parent(_)) => Ok(()),
        Err(error) => Err(error).at(Step::Namespaces, "clone3"),
    }
}
