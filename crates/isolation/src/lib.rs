//! Starts a program inside a box: namespaces, a root of its own, an unprivileged user, no privileges to gain,
//! landlock, seccomp and cgroup limits. Probes what the host gives of these and says loudly what it lacks.
//!
//! What runs in a box, and what it is told, is none of this crate's business; the protocol of a worker lives in
//! `sandbox`. The model (threats, mechanisms, what is not covered) is docs/reference/isolation.md.
//!
//! Four processes take part. The *server* calls [`Host::spawn`]. It re-executes itself as the *launcher*
//! ([`launcher_main`]), which is single-threaded and may therefore clone: it creates the *init* process of the new
//! namespaces and ends. Init builds the root, gives up every privilege, starts the *program* and then only reaps.
//! When the server dies, however it dies, its end of the control socket closes, init ends, and the kernel kills
//! all that is left in the box.

mod boxed;
mod cgroup;
mod channel;
mod error;
mod feature;
mod host;
mod launch;
mod probe;
mod spec;

pub use boxed::{Boxed, Exit};
pub use cgroup::Group;
pub use error::{Error, Step};
pub use feature::{Feature, Lack};
pub use host::{BOX_USER, Host, Isolation};
pub use launch::launcher_main;
pub use probe::{HostReport, Probe, Python, Status};
pub use sluice_types::Network;
pub use spec::{Access, Bind, BoxSpec, DESCRIPTOR_NUMBER_MAX, DESCRIPTORS_MAX, Limits};

/// First argument with which a binary is asked to be the launcher; it then calls [`launcher_main`].
pub const LAUNCH_ARGUMENT: &str = "__launch";
