//! The zip with a function's code, unpacked in memory. Nothing in it is trusted.

use super::failure::{Answer, Failure, Kind};
use super::limits::{UNPACKED_BYTES_MAX, ZIP_BYTES_MAX, ZIP_FILES_MAX};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::read::ZipFile;

/// The part of a Unix mode that tells the type of a file.
const TYPE_MASK: u32 = 0o170_000;
/// What that part is for a symbolic link.
const SYMBOLIC_LINK: u32 = 0o120_000;

/// The files of a zip by their paths.
pub fn unpack(zip: &[u8]) -> Answer<BTreeMap<String, Bytes>> {
    unpack_within(UNPACKED_BYTES_MAX, zip)
}

fn unpack_within(mut room: u64, zip: &[u8]) -> Answer<BTreeMap<String, Bytes>> {
    if zip.len() > ZIP_BYTES_MAX {
        let message = format!("Zipped size must be smaller than {ZIP_BYTES_MAX} bytes");
        return Err(Failure::new(Kind::RequestEntityTooLarge, message));
    }
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|_| unreadable())?;
    if archive.len() > ZIP_FILES_MAX {
        return Err(Failure::invalid(format!("a zip may hold at most {ZIP_FILES_MAX} files")));
    }
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|_| unreadable())?;
        let path = path(&file)?;
        if file.is_dir() {
            continue;
        }
        let mut bytes = Vec::new();
        // One byte more than there is room for tells that it is too much, whatever the header says.
        file.by_ref().take(room + 1).read_to_end(&mut bytes).map_err(|_| unreadable())?;
        room = room.checked_sub(bytes.len() as u64).ok_or_else(too_large)?;
        files.insert(path, Bytes::from(bytes));
    }
    check_folders(&files)?;
    if files.is_empty() {
        return Err(Failure::invalid("Uploaded file must be a non-empty zip"));
    }
    Ok(files)
}

/// The path of an entry, which stays within the bundle.
fn path(file: &ZipFile<'_, Cursor<&[u8]>>) -> Answer<String> {
    let name = file.name().map_err(|_| unreadable())?;
    let refused = |why: &str| Err(Failure::invalid(format!("The zip holds `{name}`, {why}")));
    if file.unix_mode().is_some_and(|mode| mode & TYPE_MASK == SYMBOLIC_LINK) {
        return refused("which is a symbolic link; put the file itself there");
    }
    let plain = name.trim_end_matches('/');
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if !plain.strip_prefix("./").unwrap_or(plain).split('/').all(is_plain) {
        return refused("which is no path within the code");
    }
    Ok(plain.strip_prefix("./").unwrap_or(plain).to_owned())
}

/// A path cannot be both a file and a folder.
fn check_folders(files: &BTreeMap<String, Bytes>) -> Answer<()> {
    for path in files.keys() {
        let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(folder) = folders.find(|folder| files.contains_key(*folder)) {
            return Err(Failure::invalid(format!("The zip holds `{folder}` as a file and as a folder")));
        }
    }
    Ok(())
}

fn unreadable() -> Failure {
    Failure::invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

fn too_large() -> Failure {
    Failure::invalid(format!("Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let zip = zipped(&[("app.py", b"x = 1"), ("lib/a.py", b""), ("./b.py", b"b")]);
        let files = unpack(&zip).unwrap();
        let found: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        assert_eq!(found, [("app.py", &b"x = 1"[..]), ("b.py", b"b"), ("lib/a.py", b"")]);
    }

    #[test]
    fn paths_that_leave_the_bundle_are_refused() {
        for name in ["../a", "/etc/passwd", "a/../b", "a//b", "a\\b", "."] {
            assert!(unpack(&zipped(&[(name, b"x")])).is_err(), "{name}");
        }
        assert!(unpack(&zipped(&[("a", b""), ("a/b", b"")])).is_err());
    }

    #[test]
    fn links_and_empty_zips_are_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        assert!(unpack(&writer.finish().unwrap().into_inner()).is_err());
        assert!(unpack(&zipped(&[])).is_err());
        assert!(unpack(b"").is_err());
        assert!(unpack(b"PK\x03\x04 but no zip").is_err());
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let zip = zipped(&[("a", &vec![0; 1 << 20]), ("b", b"x")]);
        assert!(zip.len() < 1 << 14);
        assert!(unpack_within((1 << 20) + 1, &zip).is_ok());
        assert_eq!(unpack_within(1 << 20, &zip).map_err(|e| e.kind), Err(Kind::InvalidParameterValue));
        assert_eq!(unpack_within(1 << 10, &zip).map_err(|e| e.kind), Err(Kind::InvalidParameterValue));
    }

    proptest! {
        /// Damage is an error or harmless, never a panic.
        #[test]
        fn damage_does_no_harm(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut zip = zipped(&[("app.py", b"print(1)"), ("lib/b.py", b"print(2)")]);
            for (index, byte) in changes {
                let at = index.index(zip.len());
                zip[at] = byte;
            }
            let _ = unpack(&zip);
        }
    }
}
