//! The files that executing a program takes: itself, the interpreters of scripts, and the dynamic loader.

use crate::spec::BoxSpec;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Enough of a file to find its interpreter; the kernel looks at less.
const HEAD_BYTES: u64 = 64 * 1024;

/// How many interpreters of interpreters are followed, as the kernel does.
const DEPTH_MAX: usize = 5;

/// Where to look when the environment has no `PATH`, as `execvp` does.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// The files that the program of the box needs to be executable; empty if there is no such program.
pub(super) fn files(spec: &BoxSpec) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = locate(spec);
    while let Some(path) = next.filter(|_| found.len() < DEPTH_MAX) {
        next = interpreter(&path);
        found.push(path);
    }
    found
}

fn locate(spec: &BoxSpec) -> Option<PathBuf> {
    if spec.program.contains('/') {
        return Some(spec.program.clone().into());
    }
    let search = spec.env.get("PATH").map_or(PATH_DEFAULT, String::as_str);
    search.split(':').map(|folder| Path::new(folder).join(&spec.program)).find(|path| path.is_file())
}

fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let name = match head.strip_prefix(b"#!") {
        Some(line) => {
            let line = line.split(|&b| b == b'\n').next()?.trim_ascii();
            line.split(u8::is_ascii_whitespace).next()?
        }
        None => loader(&head)?,
    };
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
}

/// The path in the `PT_INTERP` header of a 64-bit little-endian ELF file.
fn loader(elf: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, bytes: usize| {
        let field = elf.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    elf.strip_prefix(b"\x7fELF\x02\x01")?;
    let (table, size, count) = (number(32, 8)? as usize, number(54, 2)? as usize, number(56, 2)? as usize);
    let header = (0..count)
        .map(|index| table.saturating_add(index * size))
        .find(|&header| number(header, 4) == Some(PT_INTERP))?;
    let (start, length) = (number(header + 8, 8)? as usize, number(header + 32, 8)? as usize);
    elf.get(start..start.checked_add(length)?)?.split(|&b| b == 0).next()
}
