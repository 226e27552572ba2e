//! What a box is: the program, what it sees of the host, and what it may use.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use sluice_types::Network;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};

/// Most descriptors that can be passed to one box, its standard streams included.
pub const DESCRIPTORS_MAX: usize = 128;

/// Highest number under which a descriptor can be passed.
pub const DESCRIPTOR_NUMBER_MAX: i32 = 255;

/// Size limit of `/tmp` and of `/dev/shm` in a box without a memory limit, in bytes.
pub const TMP_BYTES_DEFAULT: u64 = 1 << 30;

/// Open files of one process in a box.
pub const OPEN_FILES_MAX: u64 = 4096;

/// A program and the box it runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxSpec {
    /// The program: a path inside the box, or a name to look up in the `PATH` of `env`.
    pub program: String,
    /// Its arguments, without the program itself.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its whole environment: nothing is inherited.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working directory, inside.
    pub cwd: PathBuf,
    /// What it sees of the host's files, beside the system directories that every box has.
    #[serde(default)]
    pub binds: Vec<Bind>,
    /// Whether it sees the host's network.
    #[serde(default)]
    pub network: Network,
    /// Limits of the box as a whole.
    #[serde(default)]
    pub limits: Limits,
    /// Niceness, from 0 to 19.
    #[serde(default)]
    pub nice: i32,
    /// Whether it may execute other programs; without it, only itself.
    #[serde(default)]
    pub allow_exec: bool,
}

impl BoxSpec {
    /// A box without binds, environment, network or limits.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: "/tmp".into(),
            binds: Vec::new(),
            network: Network::None,
            limits: Limits::default(),
            nice: 0,
            allow_exec: false,
        }
    }
}

impl BoxSpec {
    /// Refuses what cannot be; `numbers` are those under which descriptors are passed.
    pub(crate) fn check(&self, numbers: impl ExactSizeIterator<Item = i32>) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Spec(what));
        if numbers.len() > DESCRIPTORS_MAX {
            return wrong(format!("{} descriptors are more than {DESCRIPTORS_MAX}", numbers.len()));
        }
        let mut seen = BTreeSet::new();
        for number in numbers {
            if !(0..=DESCRIPTOR_NUMBER_MAX).contains(&number) || !seen.insert(number) {
                return wrong(format!("descriptor {number} is out of range or there twice"));
            }
        }
        for path in self.binds.iter().flat_map(|bind| [&bind.host, &bind.inside]).chain([&self.cwd]) {
            let climbs = path.components().any(|part| part == Component::ParentDir);
            if !path.is_absolute() || climbs {
                return wrong(format!("the path {} is not absolute or has `..` in it", path.display()));
            }
        }
        if self.program.is_empty() {
            return wrong("it has no program".to_owned());
        }
        Ok(())
    }
}

/// A file or directory of the host that appears in a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the host; absolute.
    pub host: PathBuf,
    /// Where it appears; absolute.
    pub inside: PathBuf,
    /// What the box may do with it.
    pub access: Access,
}

impl Bind {
    /// Shows a path at the same place, for reading.
    pub fn read_only(path: impl Into<PathBuf>) -> Self {
        let host = path.into();
        Self { inside: host.clone(), host, access: Access::ReadOnly }
    }

    /// Shows a path at the same place, for reading and writing. See [`Access::ReadWrite`].
    pub fn read_write(path: impl Into<PathBuf>) -> Self {
        Self { access: Access::ReadWrite, ..Self::read_only(path) }
    }

    /// The same, appearing elsewhere.
    #[must_use]
    pub fn at(mut self, inside: impl Into<PathBuf>) -> Self {
        self.inside = inside.into();
        self
    }
}

/// What a box may do with a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read and, if allowed at all, execute.
    ReadOnly,
    /// Write too. The file or directory itself (not what is in it) is given to the box's user.
    ReadWrite,
}

/// Limits of a box or of a group of its processes; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory, files in `/tmp` and `/dev/shm` included, in bytes.
    pub memory_bytes: u64,
    /// cpu, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads, init and the ending launcher included: less than 4 lets no box start.
    pub pids_max: u32,
}
