//! Whether the files of an app changed.

use super::bundle::{self, Listed};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Names, sizes and times of the files of an app; another value means that something changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Change(Vec<(String, u64, Option<SystemTime>)>);

impl Change {
    /// Of the app that `path` names: the file itself and the files of its folder. A folder that cannot be listed has none.
    pub fn of(path: &Path) -> Self {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut listed = bundle::list(folder).unwrap_or_default();
        // In a folder of very many files its own may be left out.
        if let Some(metadata) = fs::metadata(path).ok().filter(fs::Metadata::is_file)
            && !listed.iter().any(|file| path.file_name() == Some(file.name.as_ref()))
        {
            listed.push(Listed { path: path.to_owned(), name: String::new(), size: metadata.len() });
        }
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        Self(listed.into_iter().map(|file| (file.name, file.size, modified(&file.path))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_kind_of_change_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("app.py");
        let mut seen = vec![Change::of(dir.path())];
        fs::write(&app, "a").unwrap();
        seen.push(Change::of(&app));
        assert_eq!(seen[1], Change::of(dir.path()), "a file stands for its folder");
        fs::write(&app, "aa").unwrap();
        seen.push(Change::of(&app));
        let earlier = SystemTime::now() - Duration::from_secs(100);
        fs::File::options().write(true).open(&app).unwrap().set_modified(earlier).unwrap();
        seen.push(Change::of(&app));
        fs::rename(&app, dir.path().join("main.py")).unwrap();
        seen.push(Change::of(dir.path()));
        for (i, one) in seen.iter().enumerate() {
            assert!(seen[..i].iter().all(|other| other != one), "{i}");
        }
    }
}
