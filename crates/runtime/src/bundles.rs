//! Code bundles on disk: one folder per digest of its files, written once. The simulator keeps none.

use bytes::Bytes;
use sluice_types::{Code, Problem};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The folder of all bundles.
#[derive(Clone, Debug)]
pub struct Bundles {
    /// `None` keeps nothing.
    root: Option<PathBuf>,
}

/// Name of the file beside a bundle that holds the definition it came with.
const DEFINITION: &str = "definition.json";

impl Bundles {
    /// Bundles in this folder, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()) }
    }

    /// Bundles that are checked and then dropped, for programs whose code needs no files.
    pub fn nowhere() -> Self {
        Self { root: None }
    }

    /// XXH3-128 over names, lengths and bytes.
    pub fn digest(files: &BTreeMap<String, Bytes>, definition: &[u8]) -> u128 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for (name, bytes) in
            files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).chain([("", definition)])
        {
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.digest128()
    }

    /// The folder of a bundle's files.
    pub fn files(&self, digest: u128) -> PathBuf {
        self.folder(digest).join("files")
    }

    /// The definition that a bundle came with.
    pub fn definition(&self, digest: u128) -> io::Result<Bytes> {
        fs::read(self.folder(digest).join(DEFINITION)).map(Bytes::from)
    }

    fn folder(&self, digest: u128) -> PathBuf {
        self.root.clone().unwrap_or_default().join(format!("{digest:032x}"))
    }

    /// Writes a bundle and makes it durable. One that is there already is left as it is.
    pub fn write(
        &self,
        digest: u128,
        files: &BTreeMap<String, Bytes>,
        definition: &[u8],
    ) -> Result<(), Problem> {
        files.keys().try_for_each(|name| check_name(name))?;
        let folder = self.folder(digest);
        let Some(root) = self.root.as_ref().filter(|_| !folder.exists()) else { return Ok(()) };
        let unfinished = root.join(format!(".{digest:032x}"));
        let written = self.write_files(&unfinished, files, definition).and_then(|()| {
            fs::rename(&unfinished, &folder)?;
            // The folder of all bundles may be new itself.
            [Some(root.as_path()), root.parent()].into_iter().flatten().try_for_each(sync_folder)
        });
        written.map_err(|error| {
            // What is half written is of no use; a folder that cannot be removed is overwritten next time.
            let _ = fs::remove_dir_all(&unfinished);
            unwritten(&error, &folder)
        })
    }

    fn write_files(
        &self,
        folder: &Path,
        files: &BTreeMap<String, Bytes>,
        definition: &[u8],
    ) -> io::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder.join("files"))?;
        write_synced(&folder.join(DEFINITION), definition)?;
        let mut folders = BTreeSet::from([folder.to_owned(), folder.join("files")]);
        for (name, bytes) in files {
            let path = folder.join("files").join(name);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            write_synced(&path, bytes)?;
            let above = path.ancestors().skip(1).take_while(|above| *above != folder);
            folders.extend(above.map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    // A bundle is names and bytes; what a kernel can execute is executable.
    if bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!") {
        file.set_permissions(Permissions::from_mode(0o755))?;
    }
    file.sync_all()
}

fn check_name(name: &str) -> Result<(), Problem> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.is_empty() {
        return Ok(());
    }
    let message = format!("a bundle cannot hold a file named {name:?}");
    Err(Problem::new(Code::BAD_REQUEST, message, "name files relative to the bundle, without . and .."))
}

fn unwritten(error: &io::Error, folder: &Path) -> Problem {
    let (code, fix) = match error.kind() {
        io::ErrorKind::StorageFull => (Code::DISK_FULL, "free disk space and deploy again"),
        _ => (Code::INTERNAL, "look at the data directory's permissions and the disk"),
    };
    Problem::new(code, format!("the app's files cannot be written: {error}"), fix)
        .at(folder.display().to_string())
}
