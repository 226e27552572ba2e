//! The Python SDK, which travels in this binary and is unpacked once per version.

use crate::embedded::machine;
use crate::exit::Outcome;
use rust_embed::RustEmbed;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

#[derive(RustEmbed)]
#[folder = "../../sdk/python"]
#[include = "sluicegate/*.py"]
#[include = "sluicegate/py.typed"]
struct Sdk;

/// The folder that holds the package `sluicegate`, unpacked there if it is not yet.
///
/// It is named by its content, so versions do not meet, and appears complete or not at all. Only a cache that belongs
/// to this user and that nobody else can write is trusted; without one, a temporary folder serves.
pub fn unpack() -> Outcome<PathBuf> {
    let name = format!("sdk-{:032x}", digest());
    let folders = cache_dir().into_iter().chain([std::env::temp_dir().join(format!("sluice-{}", user()))]);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders {
        match unpack_into(&folder, &name) {
            Ok(path) => return Ok(path),
            Err(error) => last = error,
        }
    }
    Err(machine("cannot unpack the Python SDK", &last))
}

fn cache_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).map(|cache| cache.join("sluice"))
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn digest() -> u128 {
    let mut hash = Xxh3::new();
    for (path, bytes) in files() {
        for part in [path.as_bytes(), &bytes] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.digest128()
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<_> = Sdk::iter().collect();
    paths.sort();
    let file = |path: &str| Sdk::get(path).map(|file| file.data.into_owned());
    paths.iter().filter_map(|path| Some((path.to_string(), file(path)?))).collect()
}

fn unpack_into(folder: &Path, name: &str) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    check_owner(folder)?;
    let target = folder.join(name);
    if target.is_dir() {
        check_owner(&target)?;
        if is_complete(&target) {
            return Ok(target);
        }
        fs::remove_dir_all(&target)?;
    }
    let fresh = tempfile::Builder::new().prefix(".sdk-").tempdir_in(folder)?;
    for (path, bytes) in files() {
        let file = fresh.path().join(&path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, bytes)?;
    }
    // Sandboxes read it as another user.
    fs::set_permissions(fresh.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    match fs::rename(fresh.path(), &target) {
        // Somebody else was faster; the name says that it is the same.
        Err(_) if target.is_dir() => check_owner(&target)?,
        renamed => renamed?,
    }
    Ok(target)
}

/// Whether nobody who tidies caches has taken a file out of it.
fn is_complete(target: &Path) -> bool {
    let is_there = |(path, bytes): &(String, Vec<u8>)| {
        fs::metadata(target.join(path)).is_ok_and(|file| file.len() == bytes.len() as u64)
    };
    files().iter().all(is_there)
}

/// A folder of this user, or of root, that nobody else can write.
fn check_owner(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let is_safe = metadata.is_dir() && [0, user()].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0;
    if is_safe {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} can be written by others", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_unpacked_once_and_complete() {
        let cache = tempfile::tempdir().unwrap();
        let first = unpack_into(cache.path(), "sdk-x").unwrap();
        let inode = fs::metadata(&first).unwrap().ino();
        for (path, bytes) in files() {
            assert_eq!(fs::read(first.join(path)).unwrap(), bytes);
        }
        assert!(first.join("sluicegate/_describe.py").is_file());
        let again = unpack_into(cache.path(), "sdk-x").unwrap();
        assert_eq!((fs::metadata(&again).unwrap().ino(), &again), (inode, &first));
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "nothing temporary is left");
        fs::remove_file(first.join("sluicegate/_describe.py")).unwrap();
        assert!(is_complete(&unpack_into(cache.path(), "sdk-x").unwrap()), "what a cleaner took is put back");
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_trusted() {
        let cache = tempfile::tempdir().unwrap();
        fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(unpack_into(cache.path(), "sdk-x").is_err());
        let target = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", target.path().join("sdk-x")).unwrap();
        assert!(unpack_into(target.path(), "sdk-x").is_err());
    }
}
