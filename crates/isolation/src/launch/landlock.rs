//! Landlock: the file rules of the box once more, held by the kernel even where the root is not the box's own, and
//! the one thing that says which programs may be executed.

use super::root::{DEVICES, ETC, SYSTEM};
use crate::channel::Plan;
use crate::error::{AtStep, Failure, Step};
use crate::spec::{Access, BoxSpec};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use sluice_types::Network;
use std::io;
use std::path::{Path, PathBuf};

/// The newest rules that this crate knows; an older kernel enforces those it has.
const KNOWN: ABI = ABI::V6;

/// Restricts this process and all that it starts. Needs `no_new_privs`.
pub(super) fn restrict(spec: &BoxSpec, plan: &Plan) -> Result<(), Failure> {
    let failed = |error: RulesetError| Failure {
        step: Step::Landlock,
        subject: error.to_string(),
        errno: libc::EPERM,
    };
    let program = super::executable::files(spec);
    let mut readable = readable(spec, plan);
    let writable = writable(spec, plan);
    let execute = BitFlags::from(AccessFs::Execute);
    let (read, write) = (AccessFs::from_read(KNOWN) & !execute, AccessFs::from_all(KNOWN) & !execute);
    let mut executable = program.clone();
    if spec.allow_exec {
        executable.extend(readable.iter().chain(&writable).cloned());
    }
    // It need not have a path in the box.
    readable.extend(program);
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(KNOWN)).map_err(failed)?;
    if spec.network == Network::None {
        rules = rules.handle_access(AccessNet::from_all(KNOWN)).map_err(failed)?;
    }
    let status = rules
        .scope(Scope::from_all(KNOWN))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(readable, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(writable, write)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(executable, execute)))
        .and_then(|rules| rules.restrict_self())
        .map_err(failed)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(rustix::io::Errno::NOSYS).at(Step::Landlock, "the rules"),
        _ => Ok(()),
    }
}

/// Denies this thread, and what it starts, all files. Needs `no_new_privs`.
pub(crate) fn restrict_thread() -> io::Result<()> {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(KNOWN)).and_then(Ruleset::create);
    rules.and_then(|rules| rules.restrict_self()).map_err(io::Error::other).map(drop)
}

fn readable(spec: &BoxSpec, plan: &Plan) -> Vec<PathBuf> {
    if plan.owns(libc::CLONE_NEWNS) {
        return vec!["/".into()];
    }
    let system = SYSTEM.iter().chain(ETC).map(|path| Path::new("/").join(path));
    system.chain(["/proc".into()]).chain(spec.binds.iter().map(|b| b.inside.clone())).collect()
}

fn writable(spec: &BoxSpec, plan: &Plan) -> Vec<PathBuf> {
    let bound =
        spec.binds.iter().filter(|bind| bind.access == Access::ReadWrite).map(|bind| bind.inside.clone());
    let devices = DEVICES.iter().map(|device| Path::new("/dev").join(device));
    let shared = plan.owns(libc::CLONE_NEWNS).then(|| ["/tmp".into(), "/dev/shm".into()]);
    bound.chain(devices).chain(shared.into_iter().flatten()).collect()
}
