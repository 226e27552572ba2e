//! Files of the one folder that workflows may read and write. No path leads out of it: neither `..` nor a link.

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::fs::{fsync, mkdirat, openat, openat2, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = crate::s3::OBJECT_BYTES_MAX;
/// Most files that are looked at for a listing.
pub const FILES_LISTED_MAX: usize = 100_000;

/// A folder.
#[derive(Clone, Debug)]
pub struct Files(PathBuf);

/// A file of a listing.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path in the folder.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed last, in seconds since the Unix epoch.
    pub modified_s: u64,
}

impl Files {
    /// The files of a folder.
    pub fn of(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn open(&self) -> io::Result<OwnedFd> {
        Ok(openat(CWD, &self.0, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The bytes of a file.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat2(self.open()?, path, flags, Mode::empty(), ResolveFlags::BENEATH);
        let file = File::from(opened.map_err(|error| match error {
            Errno::XDEV => io::Error::other("the path leads out of the folder"),
            error => error.into(),
        })?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > FILE_BYTES_MAX {
            true => Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))),
            false => Ok(bytes),
        }
    }

    /// Writes a file, whole or not at all, and the folders that it is to be in.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let (Some(name), true) = (path.file_name(), plain) else {
            return Err(io::Error::other("it must be a path within the folder"));
        };
        let mut folder = self.open()?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            match mkdirat(&folder, part.as_os_str(), Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            folder = openat(&folder, part.as_os_str(), flags, Mode::empty())?;
        }
        let unfinished = format!(".{}.unfinished", uuid::Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, &*unfinished, flags, Mode::from_raw_mode(0o666))?);
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let written = written.and_then(|()| Ok(renameat(&folder, &*unfinished, &folder, name)?));
        let written = written.and_then(|()| Ok(fsync(&folder)?));
        if written.is_err() {
            // Why it could not be written matters more.
            let _ = unlinkat(&folder, &*unfinished, AtFlags::empty());
        }
        written
    }

    /// Files whose paths match a glob, by path. Links are not followed; what begins with a dot is left out.
    pub fn list(&self, pattern: &str) -> io::Result<Vec<Listed>> {
        let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(io::Error::other)?.compile_matcher();
        let root = self.open()?;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
            let place = if folder.is_empty() { "." } else { &*folder };
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened = openat2(&root, place, flags, Mode::empty(), resolve)?;
            for entry in Dir::read_from(&opened)? {
                let entry = entry?;
                let Some(name) = entry.file_name().to_str().ok().filter(|name| !name.starts_with('.')) else {
                    continue;
                };
                looked_at += 1;
                if looked_at > FILES_LISTED_MAX {
                    return Err(io::Error::other(format!("there are more than {FILES_LISTED_MAX} files")));
                }
                let about = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                match FileType::from_raw_mode(about.st_mode) {
                    FileType::Directory => folders.push(path),
                    FileType::RegularFile if glob.is_match(&path) => {
                        let (size, modified_s) = (about.st_size as u64, about.st_mtime.max(0) as u64);
                        found.push(Listed { path, size, modified_s });
                    }
                    _ => {}
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let files = Files::of(&inside);
        let absolute = dir.path().join("secret");
        for path in ["../secret", "link", "up/secret", absolute.to_str().unwrap()] {
            let said = files.read(path).unwrap_err().to_string();
            assert_eq!(said, "the path leads out of the folder", "{path}");
            assert!(files.write(path, b"x").is_err() || path == "link", "{path}");
        }
        assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"s");
        assert_eq!(files.list("**").unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>(), ["link"]);
        assert_eq!(files.read("link").unwrap(), b"x", "what is written takes the place of a link");
    }

    #[test]
    fn what_is_written_is_read_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(dir.path());
        files.write("a/b/c.json", b"[1]").unwrap();
        files.write("a/b/c.json", b"[1,2]").unwrap();
        files.write("d.txt", b"x").unwrap();
        assert_eq!(files.read("a/b/c.json").unwrap(), b"[1,2]");
        let paths =
            |pattern| files.list(pattern).unwrap().into_iter().map(|file| file.path).collect::<Vec<_>>();
        assert_eq!(paths("**"), ["a/b/c.json", "d.txt"]);
        assert_eq!(paths("*.txt"), ["d.txt"]);
        files.write(".hidden/e.txt", b"x").unwrap();
        assert_eq!(paths("**/*.txt"), ["d.txt"]);
    }
}
