//! What a program is started with: files, arguments, environment.

use super::scratch::Scratch;
use crate::app::Base;
use crate::boxes;
use crate::failure::{failure, unstartable};
use serde_json::json;
use sluice_isolation::{Access, Bind, BoxSpec, Boxed, Host, Limits};
use sluice_types::{Failure, FailureKind};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The bytes of one input, readable without the object memory.
#[derive(Debug)]
pub(crate) enum Source {
    Inline(bytes::Bytes),
    /// A range of an extent; the object is pinned.
    Stored(File, u64, u64),
}

/// One input and what is said about it.
#[derive(Debug)]
pub(crate) struct Input {
    pub key: String,
    pub bucket: String,
    pub content_type: String,
    pub source: Source,
}

/// What a program is called with.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub list: Vec<Input>,
    /// Whether it is a list even when it has one element.
    pub is_list: bool,
}

/// Everything that starting an attempt needs, away from the shard thread.
#[derive(Debug)]
pub(crate) struct Order {
    pub host: Arc<Host>,
    pub command: Vec<String>,
    pub base: Base,
    pub bundle: PathBuf,
    pub limits: Limits,
    pub env: Vec<(&'static str, String)>,
    pub inputs: Inputs,
    pub root: PathBuf,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

impl Order {
    /// Whether the result is a file instead of standard output.
    pub fn has_output_file(command: &[String]) -> bool {
        command.iter().any(|argument| argument.contains("{output}"))
    }

    /// Writes the inputs and starts the program.
    pub fn carry_out(self) -> Result<(Boxed, Scratch), Failure> {
        let scratch = Scratch::new(self.root.clone()).map_err(no_scratch)?;
        let (names, stdin) = self.write_inputs(&scratch).map_err(no_scratch)?;
        let spec = self.spec(&scratch, &names)?;
        let result = match Self::has_output_file(&self.command) {
            true => None,
            false => Some(scratch.stdout().map_err(no_scratch)?),
        };
        let stdout = result.as_ref().map_or(self.stdout.as_fd(), |file| file.as_fd());
        let mut fds: Vec<(i32, BorrowedFd<'_>)> = vec![(1, stdout), (2, self.stderr.as_fd())];
        fds.extend(stdin.as_ref().map(|file| (0, file.as_fd())));
        let boxed = self.host.spawn(&spec, &fds).map_err(|error| unstartable(&error))?;
        Ok((boxed, scratch))
    }

    /// The files of the inputs, and what is on stdin.
    fn write_inputs(&self, scratch: &Scratch) -> io::Result<(Vec<PathBuf>, Option<File>)> {
        let wants_files = self.inputs.is_list || self.mentions("{input}") || self.mentions("{inputs}");
        let mut names = Vec::new();
        let mut taken = BTreeSet::new();
        for (index, input) in self.inputs.list.iter().enumerate() {
            let name = file_name(&input.key, index, &mut taken);
            input.source.copy_to(&mut scratch.create_input(&name)?)?;
            names.push(scratch.inputs().join(name));
        }
        let on_stdin = match (wants_files, names.first()) {
            (false, Some(only)) => only.clone(),
            _ if self.inputs.is_list => {
                let path = scratch.inputs().join(".inputs.jsonl");
                std::fs::write(&path, self.describe(&names))?;
                path
            }
            _ => return Ok((names, None)),
        };
        Ok((names, Some(File::open(on_stdin)?)))
    }

    /// One line of JSON per input.
    fn describe(&self, names: &[PathBuf]) -> String {
        let lines = self.inputs.list.iter().zip(names).map(|(input, path)| {
            let Input { key, bucket, content_type, .. } = input;
            json!({ "key": key, "bucket": bucket, "content_type": content_type, "path": path }).to_string()
                + "\n"
        });
        lines.collect()
    }

    fn mentions(&self, placeholder: &str) -> bool {
        self.command.iter().any(|argument| argument.contains(placeholder))
    }

    fn spec(&self, scratch: &Scratch, names: &[PathBuf]) -> Result<BoxSpec, Failure> {
        let inputs = scratch.inputs();
        let input = match names.first() {
            Some(only) if !self.inputs.is_list => only.clone(),
            _ => inputs.join(".inputs.jsonl"),
        };
        let output = scratch.outputs().join("output");
        let fill = |argument: &String| {
            self.in_bundle(argument)
                .replace("{inputs}", &inputs.to_string_lossy())
                .replace("{input}", &input.to_string_lossy())
                .replace("{output}", &output.to_string_lossy())
        };
        let mut words = self.command.iter().map(fill);
        let program = words.next().ok_or_else(|| {
            failure(FailureKind::Unstartable, "Unstartable", "the function's command is empty")
        })?;
        let mut spec = boxes::plain(&program, &self.base, &self.bundle);
        spec.args = words.collect();
        spec.cwd = scratch.work();
        spec.limits = self.limits;
        spec.env.insert("SLUICE_BUNDLE".to_owned(), self.bundle.to_string_lossy().into_owned());
        spec.env.extend(self.env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        spec.binds.push(Bind::read_only(inputs));
        for path in [scratch.work(), scratch.outputs()] {
            spec.binds.push(Bind { access: Access::ReadWrite, ..Bind::read_only(path) });
        }
        Ok(spec)
    }

    /// A word of the command that names a file of the bundle, as an absolute path.
    fn in_bundle(&self, word: &str) -> String {
        let path = Path::new(word);
        let inside = path.is_relative() && !word.is_empty() && self.bundle.join(path).is_file();
        if inside { self.bundle.join(path).to_string_lossy().into_owned() } else { word.to_owned() }
    }
}

impl Source {
    fn copy_to(&self, file: &mut File) -> io::Result<()> {
        match self {
            Self::Inline(bytes) => file.write_all(bytes),
            Self::Stored(extent, offset, len) => {
                // Descriptors for readers are opened anew each time, so nobody shares this position.
                let mut extent = extent;
                extent.seek(SeekFrom::Start(*offset))?;
                let copied = io::copy(&mut extent.take(*len), file)?;
                if copied == *len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
        }
    }
}

/// Where an input lies below `in/`: its key if that is a plain relative path nobody took, else a name of its own.
fn file_name(key: &str, index: usize, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let path = Path::new(key);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let short = path.components().all(|part| part.as_os_str().len() <= 255);
    let free = |taken: &BTreeSet<PathBuf>| {
        !taken.iter().any(|other| other.starts_with(path) || path.starts_with(other))
    };
    let usable = plain && short && !key.is_empty() && !key.starts_with(".inputs") && !key.contains('\0');
    let name = if usable && free(taken) { path.to_owned() } else { PathBuf::from(format!(".{index}")) };
    taken.insert(name.clone());
    name
}

fn no_scratch(error: io::Error) -> Failure {
    let message = format_args!("the attempt's scratch directory cannot be filled: {error}");
    failure(FailureKind::Crashed, "ScratchFailed", message)
}
