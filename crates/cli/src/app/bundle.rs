//! The files of an app that go along when it is deployed: those of its folder.

use super::{App, extension};
use crate::exit::{Failure, Outcome};
use crate::inputs;
use sluice_api::Value;
use sluice_types::Code;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most bytes of all files of a bundle.
pub const BUNDLE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most files of a bundle.
pub const BUNDLE_FILES_MAX: usize = 2_000;
/// Folders that are no part of an app; nor is anything whose name starts with a dot.
const SKIPPED: [&str; 3] = ["__pycache__", "target", "node_modules"];
/// Files that tell the data directory of a server, which is no part of an app either.
const DATA_DIRECTORY: [&str; 3] = ["VERSION", "LOCK", "log"];

/// Files by their path within the bundle.
#[derive(Default)]
pub struct Bundle {
    pub files: BTreeMap<String, Value>,
}

/// A file found, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// Its path within the bundle.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Bundle {
    /// Reads the files of an app. A Python file in a folder of much else goes alone, which is said on stderr.
    pub fn read(app: &App) -> Outcome<Self> {
        let mut listed = list(app.root())?;
        if let Err(excess) = check(&listed) {
            let only = app.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_alone =
                extension(&app.file) == "py" && app.named_files().all(|(_, module)| module == only);
            if !is_alone {
                let fix = "give the app a folder of its own, and take large data from buckets";
                let message = format!("`{}` holds {excess}", app.root().display());
                return Err(Failure::new(Code::LIMIT_EXCEEDED, message, fix));
            }
            eprintln!("note: `{}` holds {excess}, so only `{only}` is deployed", app.root().display());
            listed = vec![Listed { path: app.file.clone(), name: only, size: 0 }];
        }
        let file = |listed: Listed| Ok((listed.name, Value::bytes(inputs::read(&listed.path)?)));
        Ok(Self { files: listed.into_iter().map(file).collect::<Outcome<_>>()? })
    }
}

/// What there is too much of.
fn check(listed: &[Listed]) -> Result<(), String> {
    let bytes: u64 = listed.iter().map(|file| file.size).sum();
    if listed.len() > BUNDLE_FILES_MAX {
        return Err(format!("more than {BUNDLE_FILES_MAX} files (BUNDLE_FILES_MAX)"));
    }
    if bytes > BUNDLE_BYTES_MAX {
        return Err(format!("{bytes} bytes, of at most {BUNDLE_BYTES_MAX} in a bundle (BUNDLE_BYTES_MAX)"));
    }
    Ok(())
}

/// The files of a bundle, one more than are allowed at most.
pub fn list(root: &Path) -> Outcome<Vec<Listed>> {
    let mut found = Vec::new();
    walk(root, "", &mut found).map_err(|e| {
        Failure::new(
            Code::FILE_NOT_FOUND,
            format!("cannot list `{}`: {e}", root.display()),
            "check its permissions",
        )
    })?;
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Listed>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || found.len() > BUNDLE_FILES_MAX {
            continue;
        }
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        if entry.file_type()?.is_dir() {
            if !is_skipped(&path) {
                walk(&path, &format!("{name}/"), found)?;
            }
        } else if let Some(metadata) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) {
            found.push(Listed { path, name, size: metadata.len() });
        }
    }
    Ok(())
}

fn is_skipped(folder: &Path) -> bool {
    SKIPPED.iter().any(|skipped| folder.ends_with(skipped))
        || DATA_DIRECTORY.iter().all(|name| folder.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_the_folder_without_what_is_no_part_of_an_app() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "app.py",
            "lib/a.py",
            ".git/x",
            ".env",
            "__pycache__/a.pyc",
            "lib/__pycache__/b",
            "target/t",
            "node_modules/n",
            "data/VERSION",
            "data/LOCK",
            "data/log/1",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1234").unwrap();
        }
        let listed = list(dir.path()).unwrap();
        let names: Vec<_> = listed.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(names, [("app.py", 4), ("lib/a.py", 4)]);
    }

    #[test]
    fn bundles_have_limits() {
        let file = |size| Listed { path: PathBuf::new(), name: String::new(), size };
        assert!(check(&[file(BUNDLE_BYTES_MAX)]).is_ok());
        assert!(check(&[file(BUNDLE_BYTES_MAX), file(1)]).unwrap_err().contains("BUNDLE_BYTES_MAX"));
        assert!(check(&vec![file(0); BUNDLE_FILES_MAX + 1]).unwrap_err().contains("BUNDLE_FILES_MAX"));
    }
}
