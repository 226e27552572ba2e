//! The Python interpreter that functions run on.

use super::report::{Probe, Status};
use crate::spec::Bind;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Oldest version that the SDK supports.
const VERSION_MIN: (u32, u32) = (3, 10);

/// Asked of the interpreter itself, which sees through the shims of version managers.
const QUESTION: &str = "import sys; v = sys.version_info; \
    print(sys.executable, sys.prefix, sys.base_prefix, v[0], v[1], v[2], sep='\\n')";

/// A Python interpreter, where it really is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Python {
    /// The executable; of a virtual environment, the one inside it.
    pub executable: PathBuf,
    /// Where its packages are.
    pub prefix: PathBuf,
    /// Where its standard library is.
    pub base_prefix: PathBuf,
    /// Major, minor, micro.
    pub version: (u32, u32, u32),
}

impl Python {
    /// Runs `program` (a path, or a name to look up in `PATH`) once and asks it where it is.
    pub fn locate(program: &str) -> io::Result<Self> {
        let output = Command::new(program).args(["-I", "-c", QUESTION]).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Self::parse(&text).filter(|_| output.status.success()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("{program} does not say where it is: {}", errors.trim()))
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let [executable, prefix, base_prefix] =
            [lines.next()?, lines.next()?, lines.next()?].map(PathBuf::from);
        let mut number = || lines.next()?.parse().ok();
        Some(Self { executable, prefix, base_prefix, version: (number()?, number()?, number()?) })
    }

    /// Whether the SDK runs on it.
    pub fn is_supported(&self) -> bool {
        (self.version.0, self.version.1) >= VERSION_MIN
    }

    /// What a box must see for it beside the system's directories.
    pub fn binds(&self) -> Vec<Bind> {
        let mut prefixes = vec![&self.prefix, &self.base_prefix];
        prefixes.dedup();
        let outside = prefixes.into_iter().filter(|prefix| !prefix.starts_with("/usr"));
        outside.map(Bind::read_only).collect()
    }
}

pub(super) fn item() -> Probe {
    let name = "python3";
    let without = "Python functions cannot run";
    match Python::locate("python3") {
        Ok(python) => {
            let (major, minor, micro) = python.version;
            let detail = format!("{major}.{minor}.{micro}, {}", python.executable.display());
            let fix = "install Python 3.10 or newer and put it first in PATH";
            Probe::ok(name, detail).unless(!python.is_supported(), Status::Missing, without, fix)
        }
        Err(error) => {
            Probe::ok(name, error.to_string()).but(Status::Missing, without, "install Python 3.10 or newer")
        }
    }
}
