//! Files by path or glob, each with the key it gets.

use crate::exit::{Failure, Outcome};
use sluice_types::Code;
use sluice_types::pattern::Glob;
use std::fs;
use std::path::{Path, PathBuf};

/// A file, and the key of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Path relative to the glob's literal directory, with `/`; the base name for a single file.
    pub key: String,
}

/// Files that a pattern names, relative to a base directory, in the order of their keys.
///
/// A pattern that names a file literally is that file, whatever characters it holds. Hidden files and folders match
/// only a part of the pattern that starts with a dot itself.
pub fn find(base: &Path, pattern: &str) -> Outcome<Vec<Found>> {
    let path = base.join(pattern);
    if path.is_dir() {
        let fix = format!(
            "take its files with {:?}, or with {:?} for those in folders too",
            glob_in(pattern, "*"),
            glob_in(pattern, "**")
        );
        return Err(Failure::usage(format!("`{pattern}` is a directory"), fix));
    }
    if path.exists() {
        let key = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(vec![Found { path, key }]);
    }
    let Some(special) = pattern.find(['*', '?', '[', '{']) else {
        let message = format!("there is no file `{pattern}`");
        return Err(Failure::new(
            Code::FILE_NOT_FOUND,
            message,
            "check the path; quote a glob so that the shell leaves it alone",
        ));
    };
    let (literal, rest) = pattern.split_at(pattern[..special].rfind('/').map_or(0, |slash| slash + 1));
    let glob = Glob::new(rest).map_err(|e| {
        Failure::usage(format!("`{pattern}` is not a glob: {e}"), "escape nothing; use * ** ? [a-z] {a,b}")
    })?;
    let wants_hidden = rest.split('/').any(|part| part.starts_with('.'));
    let mut found = Vec::new();
    walk(&base.join(literal), "", wants_hidden, &mut |path, key| {
        if glob.matches(&key) {
            found.push(Found { path, key });
        }
    })?;
    if found.is_empty() {
        let message = format!("no file matches `{pattern}`");
        return Err(Failure::new(Code::FILE_NOT_FOUND, message, "`*` stays within a folder, `**` does not"));
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn glob_in(directory: &str, glob: &str) -> String {
    format!("{}/{glob}", directory.trim_end_matches('/'))
}

/// Visits every file below a folder with its path relative to the first one. Links to folders are not followed, so
/// that there are no loops.
fn walk(folder: &Path, prefix: &str, hidden: bool, visit: &mut dyn FnMut(PathBuf, String)) -> Outcome<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unreadable = |e: std::io::Error| {
        Failure::new(
            Code::FILE_NOT_FOUND,
            format!("cannot list `{}`: {e}", folder.display()),
            "check the path",
        )
    };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else {
            let message =
                format!("`{}` has a name that is not UTF-8, so it cannot be a key", entry.path().display());
            return Err(Failure::usage(message, "rename the file"));
        };
        if name.starts_with('.') && !hidden {
            continue;
        }
        let key = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{key}/"), hidden, visit)?;
        } else if entry.path().is_file() {
            visit(entry.path(), key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "top.txt",
            "b/one.txt",
            "b/two.md",
            "b/deep/three.txt",
            "b/.hidden/four.txt",
            "b/.five.txt",
            "we[i]rd.txt",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn keys(pattern: &str) -> Vec<String> {
        let dir = tree();
        let found = find(dir.path(), pattern).unwrap();
        assert!(found.iter().all(|f| f.path.is_file()));
        found.into_iter().map(|f| f.key).collect()
    }

    #[test]
    fn keys_are_relative_to_the_literal_directory() {
        assert_eq!(keys("b/*.txt"), ["one.txt"]);
        assert_eq!(keys("b/*"), ["one.txt", "two.md"]);
        assert_eq!(keys("b/**"), ["deep/three.txt", "one.txt", "two.md"]);
        assert_eq!(keys("**/*.txt"), ["b/deep/three.txt", "b/one.txt", "top.txt", "we[i]rd.txt"]);
        assert_eq!(keys("b/{one,two}.*"), ["one.txt", "two.md"]);
        assert_eq!(keys("b/d*/*.txt"), ["deep/three.txt"]);
        assert_eq!(keys("./b/*.md"), ["two.md"]);
    }

    #[test]
    fn one_file_has_its_base_name_as_key() {
        assert_eq!(keys("b/deep/three.txt"), ["three.txt"]);
        assert_eq!(keys("we[i]rd.txt"), ["we[i]rd.txt"]);
    }

    #[test]
    fn hidden_files_are_asked_for_by_a_dot() {
        assert_eq!(keys("b/.*.txt"), [".five.txt"]);
        assert_eq!(keys("b/.hidden/*"), ["four.txt"]);
    }

    #[test]
    fn what_names_no_file_is_refused() {
        let dir = tree();
        let refused = |pattern| find(dir.path(), pattern).unwrap_err().body.error;
        assert_eq!(refused("b/*.pdf").code, Code::FILE_NOT_FOUND.to_string());
        assert!(refused("b/*.pdf").message.contains("b/*.pdf"));
        assert_eq!(refused("nope.txt").code, Code::FILE_NOT_FOUND.to_string());
        assert_eq!(refused("nope/*").code, Code::FILE_NOT_FOUND.to_string());
        assert_eq!(refused("b").code, Code::USAGE.to_string());
        assert!(refused("b/").fix.contains("b/**"));
        assert_eq!(refused("b/[").code, Code::USAGE.to_string());
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_are_followed_and_links_to_folders_are_not() {
        let dir = tree();
        std::os::unix::fs::symlink("..", dir.path().join("b/up")).unwrap();
        std::os::unix::fs::symlink("one.txt", dir.path().join("b/link.txt")).unwrap();
        let found = find(dir.path(), "b/**").unwrap();
        let keys: Vec<&str> = found.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["deep/three.txt", "link.txt", "one.txt", "two.md"]);
    }
}
