//! What init gives up before it starts the program: user, groups, capabilities, resources.

use crate::channel::Plan;
use crate::error::{AtStep, Failure, Step};
use crate::spec::{BoxSpec, OPEN_FILES_MAX};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use std::{fs, io};

/// Names the unprivileged server's user as the box's user in the new user namespace, and nobody else.
pub(super) fn map_user(plan: &Plan) -> io::Result<()> {
    let (uid, gid) = plan.server;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {uid} 1", plan.user))?;
    fs::write("/proc/self/gid_map", format!("{} {gid} 1", plan.user))
}

/// Sets niceness and resource limits.
pub(super) fn limit(spec: &BoxSpec, plan: &Plan) -> Result<(), Failure> {
    if spec.nice != 0 {
        rustix::process::setpriority_process(None, spec.nice).at(Step::Limits, "niceness")?;
    }
    cap(Resource::Core, 0).at(Step::Limits, "core files")?;
    cap(Resource::Nofile, OPEN_FILES_MAX).at(Step::Limits, "open files")?;
    if plan.address_space_bytes > 0 {
        cap(Resource::As, plan.address_space_bytes).at(Step::Limits, "address space")?;
    }
    if plan.user_processes > 0 {
        cap(Resource::Nproc, plan.user_processes).at(Step::Limits, "processes")?;
    }
    // A session without a terminal, so that none can be written to.
    rustix::process::setsid().at(Step::Limits, "the session")?;
    Ok(())
}

/// Lowers both limits of a resource to at most `most`.
fn cap(resource: Resource, most: u64) -> Result<(), Errno> {
    let limit = Some(getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most)));
    setrlimit(resource, Rlimit { current: limit, maximum: limit })
}

/// Becomes the box's user, without groups and capabilities, now and after any exec.
pub(super) fn give_up(plan: &Plan) -> Result<(), Failure> {
    if plan.switch_user {
        for bit in 0..u64::BITS {
            // The kernel knows fewer than 64 and says so with EINVAL.
            match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(
                1 << bit,
            )) {
                Err(Errno::INVAL) => break,
                result => result.at(Step::Privileges, "the capability bounding set")?,
            }
        }
        let (uid, gid) = (Uid::from_raw(plan.user), Gid::from_raw(plan.user));
        rustix::thread::set_thread_groups(&[]).at(Step::Privileges, "groups")?;
        rustix::thread::set_thread_res_gid(gid, gid, gid).at(Step::Privileges, "the group")?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).at(Step::Privileges, "the user")?;
    }
    rustix::thread::clear_ambient_capability_set().at(Step::Privileges, "ambient capabilities")?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).at(Step::Privileges, "capabilities")
}
