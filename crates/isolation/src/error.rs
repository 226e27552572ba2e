//! Why a box could not be started or steered.

use serde::{Deserialize, Serialize};
use sluice_types::{Code, Problem};
use std::path::PathBuf;
use std::{fmt, io};

/// Errors of this crate, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec says something that cannot be: the caller's mistake.
    #[error("the box cannot be described so: {0}")]
    Spec(String),
    /// The program inside is missing or not executable: the app's author can mend it.
    #[error("cannot execute {program} in its box: {source}")]
    Program {
        /// The program of the spec.
        program: String,
        /// What `execve` said.
        source: io::Error,
    },
    /// The host refuses a step of starting the box.
    #[error("cannot start {program} in a box: {step} failed for {subject}: {source}")]
    Start {
        /// The program of the spec.
        program: String,
        /// The step.
        step: Step,
        /// The path or thing that the step was about.
        subject: String,
        /// What the system call said.
        source: io::Error,
    },
    /// Required isolation that this host does not have.
    #[error("this host lacks {what}: {consequence}")]
    HostLacks {
        /// What is missing.
        what: String,
        /// What that means.
        consequence: String,
        /// What the operator can do.
        fix: String,
    },
    /// The launcher cannot be run or ended without a word.
    #[error("the launcher {} failed: {source}", path.display())]
    Launcher {
        /// The launcher's binary.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A cgroup file cannot be read or written.
    #[error("cgroup {}: {source}", path.display())]
    Cgroup {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A running box cannot be waited for or signalled.
    #[error("the box cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
}

impl Error {
    /// The stable code that users see.
    pub fn code(&self) -> Code {
        match self {
            Self::Program { source, .. } if source.kind() == io::ErrorKind::NotFound => Code::PROGRAM_MISSING,
            Self::HostLacks { .. } => Code::HOST_LACKS,
            _ => Code::SANDBOX_UNSTARTABLE,
        }
    }

    /// The error as users see it.
    pub fn problem(&self) -> Problem {
        let fix = match self {
            Self::HostLacks { fix, .. } => fix.as_str(),
            Self::Program { .. } => "install the program on this machine, or bind the folder that holds it",
            Self::Spec(_) => "correct the function's description",
            _ => "run `sluice doctor` to see what this machine lacks",
        };
        Problem::new(self.code(), self.to_string(), fix)
    }
}

/// A step of starting a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Receiving the order and its descriptors.
    Order,
    /// Entering the cgroups.
    Cgroup,
    /// Creating the namespaces.
    Namespaces,
    /// Mapping the user of an unprivileged server.
    UserMap,
    /// Opening what will be bound.
    Bind,
    /// Building the root.
    Root,
    /// Changing user and dropping capabilities.
    Privileges,
    /// Setting resource limits.
    Limits,
    /// Restricting file access.
    Landlock,
    /// Filtering system calls.
    Seccomp,
    /// Placing descriptors.
    Descriptors,
    /// Executing the program.
    Execute,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "receiving the order",
            Self::Cgroup => "entering the cgroups",
            Self::Namespaces => "creating the namespaces",
            Self::UserMap => "mapping the user",
            Self::Bind => "opening a bind",
            Self::Root => "building the root",
            Self::Privileges => "dropping privileges",
            Self::Limits => "setting resource limits",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Descriptors => "placing descriptors",
            Self::Execute => "executing the program",
        })
    }
}

/// A failed step, as it travels from the launcher to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub step: Step,
    pub subject: String,
    pub errno: i32,
}

impl Failure {
    /// The error that the caller of `spawn` gets.
    pub fn into_error(self, program: &str) -> Error {
        let (program, source) = (program.to_owned(), io::Error::from_raw_os_error(self.errno));
        match self.step {
            Step::Execute => Error::Program { program, source },
            step => Error::Start { program, step, subject: self.subject, source },
        }
    }
}

/// Says at which step, and about what, a system call failed.
pub(crate) trait AtStep<T> {
    fn at(self, step: Step, subject: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> AtStep<T> for Result<T, E> {
    fn at(self, step: Step, subject: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let errno = error.into().raw_os_error().unwrap_or(libc::EIO);
            Failure { step, subject: subject.to_string(), errno }
        })
    }
}
