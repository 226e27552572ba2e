//! The directory of one attempt.
//!
//! `in/` holds the inputs, read-only inside; `work/` is the working directory; `out/` is where `{output}` points;
//! `stdout` takes what the program prints when that is its result.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed with everything in it when dropped, which may take a while.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Makes the directories.
    pub fn new(root: PathBuf) -> io::Result<Self> {
        // What a server that died under the same process id left is nobody's.
        match std::fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().recursive(true).mode(0o711).create(&root)?;
        let scratch = Self { root };
        for part in [scratch.inputs(), scratch.work(), scratch.outputs()] {
            DirBuilder::new().mode(0o755).create(part)?;
        }
        Ok(scratch)
    }

    pub fn inputs(&self) -> PathBuf {
        self.root.join("in")
    }

    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn outputs(&self) -> PathBuf {
        self.root.join("out")
    }

    pub fn stdout_path(&self) -> PathBuf {
        self.root.join("stdout")
    }

    pub fn stdout(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(self.stdout_path())
    }

    /// A new file for an input, at a path relative to `in/` that was checked.
    pub fn create_input(&self, name: &Path) -> io::Result<File> {
        let path = self.inputs().join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).open(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            tracing::warn!(path = %self.root.display(), %error, "a scratch directory could not be removed");
        }
    }
}
