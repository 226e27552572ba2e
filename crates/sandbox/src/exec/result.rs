//! What a program leaves: the file with its result, and how to read it.

use super::scratch::Scratch;
use bytes::Bytes;
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use serde::de::IgnoredAny;
use sluice_types::ContentType;
use sluice_types::limits::INLINE_BYTES_MAX;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Largest result that is looked at to find its type, in bytes; a larger one without an extension is plain bytes.
const SNIFF_BYTES_MAX: u64 = 16 << 20;

/// Media types of file extensions.
const EXTENSIONS: &[(&str, &str)] = &[
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("npy", "application/x-npy"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("xml", "application/xml"),
];

/// Where the result's bytes are.
#[derive(Debug)]
pub(crate) enum Value {
    Inline(Bytes),
    /// A file in the scratch directory that belongs to the server only.
    File(PathBuf),
}

/// The result of an attempt that exited well; `None` if it gave none.
pub(crate) type Collected = io::Result<Option<(ContentType, Value)>>;

impl Scratch {
    /// Takes the result. A program that was told of `{output}` must have written it; one that prints nothing to
    /// stdout returns nothing.
    pub(super) fn collect(&self, from_file: bool) -> Collected {
        let path = if from_file { self.output_file()? } else { self.stdout_path() };
        // A link planted by the program would lead out of the directory.
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("the result is not a regular file"));
        }
        let len = metadata.len();
        if len == 0 && !from_file {
            return Ok(None);
        }
        let by_extension = from_file.then(|| type_of_extension(&path)).flatten();
        let content_type = match by_extension {
            Some(known) => known,
            None => type_of_content(&file, len)?,
        };
        if len <= INLINE_BYTES_MAX as u64 {
            return Ok(Some((content_type, Value::Inline(std::fs::read(&path)?.into()))));
        }
        // The worker's user must not be able to open it again.
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        fchown(&file, Some(Uid::from_raw(uid.as_raw())), Some(Gid::from_raw(gid.as_raw())))?;
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        Ok(Some((content_type, Value::File(path))))
    }

    /// The file that `{output}`, with or without an extension, stood for.
    fn output_file(&self) -> io::Result<PathBuf> {
        for entry in std::fs::read_dir(self.outputs())? {
            let entry = entry?;
            let name = entry.file_name();
            let stem = Path::new(&name).file_stem();
            if stem.is_some_and(|stem| stem == "output") {
                return Ok(entry.path());
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the program did not write {output}"))
    }
}

fn type_of_extension(path: &Path) -> Option<ContentType> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let found = EXTENSIONS.iter().find(|(known, _)| *known == extension)?;
    Some(ContentType::parse(found.1))
}

fn type_of_content(mut file: &File, len: u64) -> io::Result<ContentType> {
    if len > SNIFF_BYTES_MAX {
        return Ok(ContentType::Bytes);
    }
    let mut bytes = Vec::with_capacity(len as usize);
    file.read_to_end(&mut bytes)?;
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(ContentType::Bytes) };
    let json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    Ok(if json { ContentType::Json } else { ContentType::Text })
}
