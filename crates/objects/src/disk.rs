//! One file per object: `objects/<low byte of the id>/<id>`, both in hex.
//!
//! Invariant: what has that name is whole and durable. Until then, and if it is only spilled for good, it is called
//! `<id>.new`; such a file is of no use to the next process.

use crate::error::Error;
use sluice_types::ObjectId;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the name of a file that is not durable.
const NEW: &str = ".new";

#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    /// Directories whose own names are known to be durable, by low byte.
    named: [AtomicBool; 256],
}

impl Disk {
    /// Creates `objects/`; the directories in it come with their first file, and stay.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let root = dir.join("objects");
        if !root.is_dir() {
            fs::create_dir_all(&root).map_err(Error::disk(&root))?;
            sync_directory(dir)?;
        }
        Ok(Self { root, named: [const { AtomicBool::new(false) }; 256] })
    }

    fn path(&self, id: ObjectId) -> PathBuf {
        self.root.join(format!("{:02x}/{:016x}", id.0 as u8, id.0))
    }

    fn new_path(&self, id: ObjectId) -> PathBuf {
        let mut path = self.path(id).into_os_string();
        path.push(NEW);
        path.into()
    }

    /// Writes an object's file with `fill`; nothing stays of a failed attempt.
    pub fn write(
        &self,
        id: ObjectId,
        fill: impl FnOnce(&mut File) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.new_path(id);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        self.make_directory(&path)?;
        let mut file = options.open(&path).map_err(Error::disk(&path))?;
        fill(&mut file).map_err(|error| {
            // The error that matters is the first one; what stays is swept at the next start.
            let _ = fs::remove_file(&path);
            match error {
                // Memory that is there does not fail to be read: it was the file.
                Error::Memory(source) => Error::Disk { path, source },
                other => other,
            }
        })
    }

    /// Makes a written file durable, its name included.
    pub fn sync(&self, id: ObjectId) -> Result<(), Error> {
        let (new, path) = (self.new_path(id), self.path(id));
        let file = File::open(&new).map_err(Error::disk(&new))?;
        file.sync_data().map_err(Error::disk(&new))?;
        fs::rename(&new, &path).map_err(Error::disk(&new))?;
        sync_directory(path.parent().expect("an object's file lies in a directory"))?;
        let named = &self.named[usize::from(id.0 as u8)];
        if !named.load(Ordering::Relaxed) {
            sync_directory(&self.root)?;
            named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> Result<(), Error> {
        let directory = path.parent().expect("an object's file lies in a directory");
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::disk(directory)(error)),
            _ => Ok(()),
        }
    }

    /// Opens an object's file of exactly `len` bytes.
    pub fn read(&self, id: ObjectId, len: u64) -> Result<File, Error> {
        let path = self.path(id);
        let opened = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(self.new_path(id)),
            opened => opened,
        };
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Unknown(id)),
            opened => opened.map_err(Error::disk(&path))?,
        };
        let found = file.metadata().map_err(Error::disk(&path))?.len();
        if found == len { Ok(file) } else { Err(Error::Unknown(id)) }
    }

    /// Makes the file at `from`, on the same file system, the object's file.
    pub fn take(&self, id: ObjectId, from: &Path) -> Result<(), Error> {
        let path = self.new_path(id);
        self.make_directory(&path)?;
        fs::rename(from, &path).map_err(Error::disk(from))
    }

    /// Removes an object's file, if there is one.
    pub fn remove(&self, id: ObjectId) -> Result<(), Error> {
        if !remove(&self.path(id))? {
            remove(&self.new_path(id))?;
        }
        Ok(())
    }

    /// Removes the files of objects from `from` on that are not `live`, and all that never became durable, unless they
    /// are `known` to this process; returns how many.
    pub fn sweep(
        &self,
        from: ObjectId,
        live: impl Fn(ObjectId) -> bool,
        known: impl Fn(ObjectId) -> bool,
    ) -> Result<usize, Error> {
        let mut removed = 0;
        for shard in fs::read_dir(&self.root).map_err(Error::disk(&self.root))? {
            let shard = shard.map_err(Error::disk(&self.root))?.path();
            if !shard.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&shard).map_err(Error::disk(&shard))? {
                let entry = entry.map_err(Error::disk(&shard))?;
                let Some((id, is_new)) = entry.file_name().to_str().and_then(parse) else { continue };
                let is_orphan = is_new || (id >= from && !live(id));
                removed += usize::from(is_orphan && !known(id) && remove(&entry.path())?);
            }
        }
        Ok(removed)
    }
}

/// The object whose file has this name, and whether it is not durable.
fn parse(name: &str) -> Option<(ObjectId, bool)> {
    let id = name.strip_suffix(NEW);
    let number = u64::from_str_radix(id.unwrap_or(name), 16).ok()?;
    Some((ObjectId(number), id.is_some()))
}

/// Removes a file; whether there was one.
fn remove(path: &Path) -> Result<bool, Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(Error::disk(path)),
    }
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::disk(path))
}
