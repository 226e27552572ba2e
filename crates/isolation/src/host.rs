//! This machine as a place for boxes: what it has, and starting boxes on it.

use crate::boxed::Boxed;
use crate::cgroup::{Cgroups, Group};
use crate::channel::{Channel, Order, Plan, Report};
use crate::error::Error;
use crate::feature::{Feature, Lack};
use crate::spec::BoxSpec;
use crate::{HostReport, LAUNCH_ARGUMENT, probe};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use sluice_types::Network;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// User and group of every box. No system gives this number to a person or a daemon.
pub const BOX_USER: u32 = 917_117;

/// The file that a process runs, under whatever path it was.
const ITSELF: &str = "/proc/self/exe";

/// Longest time that starting a box may take, in seconds.
const START_TIMEOUT_S: i64 = 30;

/// What happens when a box needs something that the host lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// The box starts without it; [`Boxed::degraded`] says what is missing.
    #[default]
    BestEffort,
    /// The box does not start; [`Error::HostLacks`] says why.
    Required,
}

/// This machine as a place for boxes.
#[derive(Debug)]
pub struct Host {
    launcher: PathBuf,
    /// The file of the launcher when this host was made.
    program: io::Result<PathBuf>,
    policy: Isolation,
    pub(crate) cgroups: Arc<Cgroups>,
    pub(crate) features: BTreeSet<Feature>,
    /// `CLONE_NEW*` flags that work here.
    namespaces: u64,
    server: (u32, u32),
}

impl Host {
    /// Probes the host, by doing, and removes what servers that died left in its cgroups. `launcher` is a binary that
    /// calls [`crate::launcher_main`] when its first argument is [`LAUNCH_ARGUMENT`]; `/proc/self/exe` for the
    /// server's own, which holds even when its file is replaced.
    pub fn new(launcher: impl Into<PathBuf>) -> Self {
        let server = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let cgroups = Arc::new(Cgroups::discover());
        let namespaces = probe::namespaces(server.0 == 0);
        let features = probe::features(&cgroups, namespaces, server.0 == 0);
        let launcher = launcher.into();
        Self {
            program: std::fs::canonicalize(&launcher),
            launcher,
            policy: Isolation::default(),
            cgroups,
            features,
            namespaces,
            server,
        }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Isolation) -> Self {
        self.policy = policy;
        self
    }

    /// The same as if the host lacked a feature: for tests, and for hosts where one misbehaves.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        self.features.remove(&feature);
        self.namespaces &= !feature.clone_flag();
        self
    }

    /// Whether this host has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Everything that matters of this host, tried out: what `sluice doctor` prints. `data_dir` is where the server
    /// keeps its log. Takes some 100 ms.
    pub fn probe(&self, data_dir: &Path) -> HostReport {
        probe::report(self, data_dir)
    }

    /// Starts a program in a box of its own. `fds` are passed under the numbers given (at most
    /// [`crate::DESCRIPTORS_MAX`], up to [`crate::DESCRIPTOR_NUMBER_MAX`]); of 0, 1 and 2 those not passed are `/dev/null`. Returns when the program
    /// has been executed, which takes a few milliseconds: call it off the hot path.
    pub fn spawn(&self, spec: &BoxSpec, fds: &[(i32, BorrowedFd<'_>)]) -> Result<Boxed, Error> {
        spec.check(fds.iter().map(|(number, _)| *number))?;
        let degraded = self.lacks(spec);
        if let (Isolation::Required, Some(lack)) = (self.policy, degraded.first()) {
            return Err(host_lacks(lack));
        }
        self.can_show(spec)?;
        let group = self.cgroups.group(&spec.limits)?;
        let (targets, fds): (Vec<_>, Vec<_>) = fds.iter().copied().unzip();
        let order = Order { spec: self.held(spec), targets, plan: self.plan(spec, &group) };
        match self.start(&order, &fds) {
            Ok(Started { init, program, channel }) => {
                Ok(Boxed::new(init, program, channel, group, self.cgroups.clone(), degraded))
            }
            Err(Error::Launcher { .. }) if group.oom_kills() > 0 => {
                let bytes = spec.limits.memory_bytes;
                Err(Error::Spec(format!(
                    "a memory limit of {bytes} bytes is too low to start {}",
                    spec.program
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// Features that the box would use and the host lacks.
    fn lacks(&self, spec: &BoxSpec) -> Vec<Lack> {
        use Feature::*;
        let always =
            [SeparateUser, PidNamespace, MountNamespace, IpcNamespace, UtsNamespace, Seccomp, Landlock];
        let asked = [
            (spec.network == Network::None, NetNamespace),
            (spec.limits.memory_bytes > 0, MemoryCgroup),
            (spec.limits.cpu_millis > 0, CpuCgroup),
            (spec.limits.pids_max > 0, PidsCgroup),
        ];
        let wanted =
            always.into_iter().chain(asked.into_iter().filter_map(|(asked, it)| asked.then_some(it)));
        wanted.filter(|feature| !self.has(*feature)).map(Feature::lack).collect()
    }

    /// Without a root of its own a box sees the host's paths, and binds cannot move them.
    fn can_show(&self, spec: &BoxSpec) -> Result<(), Error> {
        let moved = spec.binds.iter().any(|bind| bind.host != bind.inside);
        match moved && !self.has(Feature::MountNamespace) {
            true => Err(host_lacks(&Feature::MountNamespace.lack())),
            false => Ok(()),
        }
    }

    fn plan(&self, spec: &BoxSpec, group: &Group) -> Plan {
        let shared = if spec.network == Network::Host { libc::CLONE_NEWNET as u64 } else { 0 };
        let stand_in = |feature, limit| if self.has(feature) { 0 } else { limit };
        Plan {
            namespaces: self.namespaces & !shared,
            user: BOX_USER,
            switch_user: self.has(Feature::SeparateUser),
            server: self.server,
            tasks: group.tasks(),
            unified: group.unified(),
            seccomp: self.has(Feature::Seccomp),
            landlock: self.has(Feature::Landlock),
            address_space_bytes: stand_in(Feature::MemoryCgroup, spec.limits.memory_bytes),
            user_processes: stand_in(Feature::PidsCgroup, spec.limits.pids_max.into()),
        }
    }

    fn start(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<Started, Error> {
        let channel = self.launch(order, fds).map_err(self.launcher_failed())?;
        let program = &order.spec.program;
        let init = self.expect(&channel, program, |report| matches!(report, Report::Init))?;
        match self.expect(&channel, program, |report| matches!(report, Report::Started)) {
            Ok(program) => Ok(Started { init, program, channel }),
            Err(error) => {
                // Init may still be at work if it did not answer in time; not to reap it would leave a zombie.
                let _ = pidfd_send_signal(&init, Signal::KILL);
                let _ = waitid(WaitId::PidFd(init.as_fd()), WaitIdOptions::EXITED);
                Err(error)
            }
        }
    }

    /// The file of the launcher, as the program of a box. It is the one that was there when this host was made, also when
    /// something else is under its path by now.
    ///
    /// # Errors
    /// When there was none.
    pub fn program(&self) -> io::Result<PathBuf> {
        self.program.as_ref().cloned().map_err(|error| error.kind().into())
    }

    /// The box as init is told of it. If its program is the launcher, that is what init runs itself, whatever is under its
    /// path.
    fn held(&self, spec: &BoxSpec) -> BoxSpec {
        let mut spec = spec.clone();
        if let Ok(program) = &self.program
            && Path::new(&spec.program) == program
        {
            spec.binds.retain(|bind| bind.host != *program);
            ITSELF.clone_into(&mut spec.program);
        }
        spec
    }

    /// Runs the launcher, which ends as soon as init exists.
    fn launch(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<Channel> {
        let (ours, theirs) = Channel::pair()?;
        let mut launcher = Command::new(&self.launcher)
            .arg0("sluice")
            .arg(LAUNCH_ARGUMENT)
            .env_clear()
            .stdin(Stdio::from(theirs.0))
            .stdout(Stdio::null())
            .spawn()?;
        let sent = ours.send_order(order, fds);
        if sent.is_err() {
            launcher.kill()?;
        }
        launcher.wait()?;
        sent.map(|()| ours)
    }

    /// The descriptor that comes with the next report, which must be of the kind wanted.
    fn expect(&self, channel: &Channel, program: &str, kind: fn(&Report) -> bool) -> Result<OwnedFd, Error> {
        let mut waiting = [PollFd::new(&channel.0, PollFlags::IN)];
        let timeout = Timespec { tv_sec: START_TIMEOUT_S, tv_nsec: 0 };
        let ready = rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&timeout)));
        if ready.map_err(io::Error::from).map_err(self.launcher_failed())? == 0 {
            return Err(self.launcher_failed()(io::ErrorKind::TimedOut.into()));
        }
        match channel.receive_report(true).map_err(self.launcher_failed())? {
            Some((Report::Failed(failure), _)) => Err(failure.into_error(program)),
            Some((report, Some(fd))) if kind(&report) => Ok(fd),
            _ => Err(self.launcher_failed()(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn launcher_failed(&self) -> impl FnOnce(io::Error) -> Error {
        let path = self.launcher.clone();
        move |source| Error::Launcher { path, source }
    }
}

/// A box whose program runs.
struct Started {
    init: OwnedFd,
    program: OwnedFd,
    channel: Channel,
}

fn host_lacks(lack: &Lack) -> Error {
    let (what, consequence, fix) = (lack.what.to_string(), lack.consequence.clone(), lack.fix.clone());
    Error::HostLacks { what, consequence, fix }
}
