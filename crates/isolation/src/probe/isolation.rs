//! The mechanisms of isolation one by one, and together in a box.

use super::kernel::{clones, landlock_abi};
use super::report::{Probe, Status};
use crate::cgroup::{CgroupVersion, Controllers, Hierarchy};
use crate::error::Error;
use crate::feature::Feature;
use crate::host::Host;
use crate::spec::BoxSpec;
use std::time::Instant;

/// The landlock ABI from which all of the crate's rules are enforced.
const LANDLOCK_ABI_WANTED: i32 = 6;

pub(super) fn items(host: &Host) -> Vec<Probe> {
    let mut items = vec![whole_box(host), separate_user(host), user_namespaces(host)];
    let namespaces = [
        ("pid namespace", Feature::PidNamespace),
        ("mount namespace", Feature::MountNamespace),
        ("network namespace", Feature::NetNamespace),
        ("ipc namespace", Feature::IpcNamespace),
        ("uts namespace", Feature::UtsNamespace),
    ];
    items.extend(namespaces.map(|(name, feature)| of_feature(name, host, feature, "created in a child")));
    items.push(of_feature("seccomp", host, Feature::Seccomp, "a filter installed in a thread denies a call"));
    items.push(landlock(host));
    items.push(cgroup("cgroup memory", host, Feature::MemoryCgroup, |has| has.memory));
    items.push(cgroup("cgroup cpu", host, Feature::CpuCgroup, |has| has.cpu));
    items.push(cgroup("cgroup pids", host, Feature::PidsCgroup, |has| has.pids));
    items
}

fn of_feature(name: &'static str, host: &Host, feature: Feature, detail: &str) -> Probe {
    match host.has(feature) {
        true => Probe::ok(name, detail),
        false => Probe::ok(name, "refused").but(Status::Missing, feature.consequence(), feature.fix()),
    }
}

fn whole_box(host: &Host) -> Probe {
    let begin = Instant::now();
    match host.spawn(&BoxSpec::new("/bin/true"), &[]) {
        // Without such a program the box was complete all the same: executing comes last.
        Ok(_) | Err(Error::Program { .. }) => {
            Probe::ok("box", format!("started in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3))
        }
        Err(error) => Probe::ok("box", error.to_string()).but(
            Status::Missing,
            "functions in processes (Python, exec) cannot run; WebAssembly can",
            "see the first line below that is not ok; in a container, allow it to mount (CAP_SYS_ADMIN)",
        ),
    }
}

fn separate_user(host: &Host) -> Probe {
    let detail = format!("the server runs as uid {}", rustix::process::geteuid().as_raw());
    let feature = Feature::SeparateUser;
    let missing = !host.has(feature);
    Probe::ok("separate user", detail).unless(missing, Status::Degraded, feature.consequence(), feature.fix())
}

fn user_namespaces(host: &Host) -> Probe {
    let name = "user namespace";
    match clones(libc::CLONE_NEWUSER as u64) {
        Ok(()) => Probe::ok(name, "created in a child"),
        Err(_) if host.has(Feature::SeparateUser) => Probe::ok(name, "refused; root needs none"),
        Err(error) => Probe::ok(name, error.to_string()).but(
            Status::Missing,
            "a server that is not root cannot make any other namespace",
            Feature::PidNamespace.fix(),
        ),
    }
}

fn landlock(host: &Host) -> Probe {
    let abi = landlock_abi();
    of_feature(
        "landlock",
        host,
        Feature::Landlock,
        &format!("ABI {abi}; a restricted thread is denied a file"),
    )
    .unless(
        host.has(Feature::Landlock) && abi < LANDLOCK_ABI_WANTED,
        Status::Degraded,
        "functions with the host's network can connect to abstract Unix sockets of the host",
        "use Linux 6.12 or newer",
    )
}

fn cgroup(name: &'static str, host: &Host, feature: Feature, has: impl Fn(Controllers) -> bool) -> Probe {
    let enforces = |hierarchy: &&Hierarchy| has(hierarchy.controllers) && host.has(feature);
    match host.cgroups.hierarchies.iter().find(enforces) {
        Some(hierarchy) => {
            let version = if hierarchy.version == CgroupVersion::V1 { 1 } else { 2 };
            Probe::ok(name, format!("version {version}, {}", hierarchy.base.display()))
        }
        None => {
            let detail = "no writable cgroup with this controller";
            Probe::ok(name, detail).but(Status::Degraded, feature.consequence(), feature.fix())
        }
    }
}
