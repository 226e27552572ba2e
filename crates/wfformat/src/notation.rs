//! The JSON of a file, part by part, so that each is known by its place and a wrong one does not hide the others.

use crate::fault::{Fault, Kind, position};
use crate::recording::FAULTS_MAX;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The version that is understood, and its patches.
const VERSION: &str = "1.5";

/// Whether a text is a recorded workflow, of whatever version.
pub fn is_recording(text: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Top {
        schema_version: Option<IgnoredAny>,
        workflow: Option<IgnoredAny>,
    }
    if !text.trim_start().starts_with('{') {
        return false;
    }
    match serde_json::from_str::<Top>(text) {
        Ok(top) => top.schema_version.is_some() && top.workflow.is_some(),
        // One that is broken is to be told what is wrong with it as what it wants to be.
        Err(error) => !error.is_data() && text.contains("\"schemaVersion\""),
    }
}

/// A file as it is written.
#[derive(Debug, Default)]
pub(crate) struct Written<'a> {
    pub tasks: Vec<Part<'a, Task<'a>>>,
    pub files: Vec<Part<'a, File<'a>>>,
    pub executions: Vec<Part<'a, Execution<'a>>>,
    /// Whether every task and every file could be read, so that what is named and not among them is not there.
    pub has_all_tasks: bool,
    pub has_all_files: bool,
}

/// A part, and where it stands.
#[derive(Debug)]
pub(crate) struct Part<'a, T> {
    pub raw: &'a RawValue,
    pub index: usize,
    pub value: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub parents: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub children: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub input_files: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub output_files: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    pub size_in_bytes: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execution<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    pub runtime_in_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Top<'a> {
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow)]
    workflow: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Workflow<'a> {
    #[serde(borrow)]
    specification: Option<&'a RawValue>,
    #[serde(borrow)]
    execution: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Lists<'a> {
    #[serde(borrow)]
    tasks: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
}

/// Reads a text, and collects what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub text: &'a str,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more: usize,
}

impl<'a> Reader<'a> {
    pub fn read(&mut self) -> Written<'a> {
        let top: Top<'a> = match serde_json::from_str(self.text) {
            Ok(top) => top,
            Err(error) => {
                self.misread(&error, (1, 1), "");
                return Written::default();
            }
        };
        if !self.check_version(top.schema_version) {
            return Written::default();
        }
        let workflow: Workflow<'a> = self.part(top.workflow, "workflow").unwrap_or_default();
        if workflow.specification.is_none() {
            let message = "there is no `workflow.specification`".to_owned();
            let at = top.workflow.map_or(0, |raw| self.offset(raw.get()));
            self.fault(Kind::Meaning, at, "workflow", message, "add the tasks and files of the workflow");
        }
        let path = "workflow.specification";
        let specified: Lists<'a> = self.part(workflow.specification, path).unwrap_or_default();
        let executed: Lists<'a> = self.part(workflow.execution, "workflow.execution").unwrap_or_default();
        let count = |reader: &Self| reader.faults.len() + reader.more;
        let mut faults = count(self);
        let mut is_whole = |reader: &Self| std::mem::replace(&mut faults, count(reader)) == count(reader);
        let tasks = self.parts(specified.tasks, "workflow.specification.tasks");
        let has_all_tasks = is_whole(self);
        let files = self.parts(specified.files, "workflow.specification.files");
        let has_all_files = is_whole(self);
        let executions = self.parts(executed.tasks, "workflow.execution.tasks");
        Written { tasks, files, executions, has_all_tasks, has_all_files }
    }

    fn check_version(&mut self, raw: Option<&'a RawValue>) -> bool {
        let version = raw.map_or("nothing", |raw| raw.get().trim_matches('"'));
        let is_known =
            version == VERSION || version.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('.'));
        if !is_known {
            let at = raw.map_or(0, |raw| self.offset(raw.get()));
            let message = format!("this is WfFormat {version}; {VERSION} is understood");
            let fix = "get the instance in version 1.5: tasks and files belong into `workflow.specification`, run times \
                       into `workflow.execution`";
            self.fault(Kind::Meaning, at, "schemaVersion", message, fix);
        }
        is_known
    }

    /// One part; `None` if it is not there or wrong.
    fn part<T: Deserialize<'a>>(&mut self, raw: Option<&'a RawValue>, path: &str) -> Option<T> {
        let raw = raw.filter(|raw| raw.get() != "null")?;
        match serde_json::from_str(raw.get()) {
            Ok(part) => Some(part),
            Err(error) => {
                if !self.is_full() {
                    let at = position(self.text, self.offset(raw.get()));
                    self.misread(&error, at, path);
                }
                None
            }
        }
    }

    /// The parts of a list, without those that are wrong.
    fn parts<T: Deserialize<'a>>(&mut self, raw: Option<&'a RawValue>, path: &str) -> Vec<Part<'a, T>> {
        let raws: Vec<&'a RawValue> = self.part(raw, path).unwrap_or_default();
        let read = |(index, raw): (usize, &'a RawValue)| {
            let value = match serde_json::from_str(raw.get()) {
                Ok(value) => value,
                Err(_) => self.part(Some(raw), &format!("{path}[{index}]"))?,
            };
            Some(Part { raw, index, value })
        };
        raws.into_iter().enumerate().filter_map(read).collect()
    }

    /// A name that is referred to.
    pub fn name(&mut self, raw: &'a RawValue, path: &str) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        self.part(Some(raw), path).map(|Name(name)| name)
    }

    /// Where a part of the text begins, in bytes.
    pub fn offset(&self, part: &str) -> usize {
        part.as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// Whether a fault is only counted: to look up where each is takes as long as the text is.
    fn is_full(&mut self) -> bool {
        let is_full = self.faults.len() >= FAULTS_MAX;
        self.more += usize::from(is_full);
        is_full
    }

    pub fn fault(&mut self, kind: Kind, offset: usize, path: &str, message: String, fix: &'static str) {
        if self.is_full() {
            return;
        }
        let (line, column) = position(self.text, offset);
        self.faults.push(Fault { kind, message, path: path.to_owned(), line, column, fix });
    }

    /// What serde says of a part that begins at a position.
    fn misread(&mut self, error: &serde_json::Error, (line, column): (usize, usize), path: &str) {
        let said = error.to_string();
        let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message).to_owned();
        let column =
            if error.line() <= 1 { column + error.column().saturating_sub(1) } else { error.column() };
        let line = line + error.line().saturating_sub(1);
        let fix = match error.is_data() {
            true => "see https://github.com/wfcommons/WfFormat for what belongs there",
            false => "mend the JSON: quotes around names, commas between, none after the last",
        };
        self.faults.push(Fault { kind: Kind::Notation, message, path: path.to_owned(), line, column, fix });
    }
}
