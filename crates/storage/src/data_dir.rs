//! The directory that holds everything a server must not lose, for one process at a time.
//!
//! ```text
//! VERSION      the format's number, written last: a directory without it is empty or half made
//! LOCK         locked while in use; holds the process number
//! log/         segments
//! store.redb   the run store
//! objects/     objects too large for the log
//! ```

use crate::error::Error;
use rustix::fs::FlockOperation;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The format that this program writes.
pub const FORMAT: u32 = 4;
/// The oldest format that this program reads. No release wrote an older one.
const FORMAT_OLDEST: u32 = 4;
/// Directories are for their owner only.
const DIR_MODE: u32 = 0o700;
/// Room for a format's number or a process number in decimal.
const NUMBER_BYTES_MAX: u64 = 32;

/// An open data directory; nobody else can open it until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Opens the directory, which is made if need be, and locks it.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Version`], [`Error::DiskFull`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        make_dir(path)?;
        refuse_foreign(path)?;
        let lock = lock(path)?;
        let dir = Self { path: path.to_owned(), _lock: lock };
        let found = dir.check_version()?;
        make_dir(&dir.log_path())?;
        make_dir(&dir.objects_path())?;
        if found != Some(FORMAT) {
            dir.write_version()?;
        }
        sync_dir(path)?;
        Ok(dir)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log's segments are.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The file of the run store.
    pub fn store_path(&self) -> PathBuf {
        self.path.join("store.redb")
    }

    /// Where objects are that are too large for the log.
    pub fn objects_path(&self) -> PathBuf {
        self.path.join("objects")
    }

    /// The format of what is there; `None` if nothing is.
    fn check_version(&self) -> Result<Option<u32>, Error> {
        let path = self.path.join("VERSION");
        let found = match File::open(&path).and_then(read_number) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.holds_data() { Err(self.version_error("unknown")) } else { Ok(None) };
            }
            Err(error) => return Err(Error::io(&path, error)),
        };
        match found.parse() {
            Ok(format) if (FORMAT_OLDEST..=FORMAT).contains(&format) => Ok(Some(format)),
            _ => Err(self.version_error(&found)),
        }
    }

    fn holds_data(&self) -> bool {
        let has_log = fs::read_dir(self.log_path()).is_ok_and(|mut entries| entries.next().is_some());
        has_log || self.store_path().exists()
    }

    fn version_error(&self, found: &str) -> Error {
        let supported = match FORMAT_OLDEST {
            FORMAT => FORMAT.to_string(),
            oldest => format!("{oldest} to {FORMAT}"),
        };
        Error::Version { path: self.path.clone(), found: found.to_owned(), supported }
    }

    /// Replaces VERSION as a whole.
    fn write_version(&self) -> Result<(), Error> {
        let (new, path) = (self.path.join("VERSION.new"), self.path.join("VERSION"));
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            writeln!(file, "{FORMAT}")?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| Error::io(&path, error))
    }
}

/// What a fresh file system holds, and what a first start that was cut off has left.
const HARMLESS: [&str; 5] = ["lost+found", "LOCK", "VERSION.new", "log", "objects"];

/// A directory of somebody else is left alone.
fn refuse_foreign(path: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(path).map_err(|error| Error::io(path, error))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let is_ours = |name: &str| names.iter().any(|found| found == name);
    if is_ours("VERSION") || is_ours("store.redb") {
        return Ok(());
    }
    match names.iter().find(|name| !HARMLESS.iter().any(|harmless| *name == harmless)) {
        Some(name) => {
            Err(Error::Foreign { path: path.to_owned(), name: name.to_string_lossy().into_owned() })
        }
        None => Ok(()),
    }
}

/// Locks the directory for this process and leaves its number for others to name.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("LOCK");
    let open = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(|error| Error::io(&path, error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let pid = read_number(file).ok().and_then(|number| number.parse().ok());
            return Err(Error::InUse { path: dir.to_owned(), pid });
        }
        Err(error) => return Err(Error::io(&path, error.into())),
    }
    // Only for the message that others get; a full disk must not keep the server from starting.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn read_number(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(NUMBER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Makes a directory and those above it; their names are durable afterwards.
fn make_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    make_dir(parent)?;
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io(path, error)),
        _ => {}
    }
    sync_dir(parent)
}

fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|error| Error::io(path, error))
}
