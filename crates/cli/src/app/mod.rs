//! APP on the command line: a Python file, a manifest, a folder with one of them, a state machine, or a recorded workflow.

mod alone;
mod asl;
mod bundle;
mod change;
mod files;
mod manifest;
mod python;
mod recorded;
mod samples;

pub use change::Change;
pub use samples::Samples;

use crate::exit::{Failure, Outcome};
use bundle::Bundle;
use clap::Args;
use files::Sources;
use serde_json::value::RawValue;
use sluice_api::Deploy;
use sluice_frontend::{Definition, lower, warnings};
use sluice_types::{Code, Function, Program, Runtime, Steps};
use std::fs;
use std::path::{Path, PathBuf};

/// Names of manifests, in the order in which a folder is searched for them.
const MANIFESTS: [&str; 2] = ["sluice.yaml", "sluice.yml"];

/// The app that a command is about.
#[derive(Debug, Args)]
pub struct Named {
    /// A Python file, a sluice.yaml, a folder with one of them, a state machine (.asl.json), or a recorded workflow in
    /// WfFormat 1.5 (.json)
    #[arg(value_name = "APP")]
    pub app: PathBuf,
    /// The factor of the times and file sizes of a recorded workflow; at 0, its tasks take no time and each file has one byte
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, value_parser = scale)]
    pub scale: Option<f64>,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: Option<f64> = text.parse().ok();
    scale
        .filter(|scale| *scale >= 0.0 && scale.is_finite())
        .ok_or_else(|| "it is a number from 0 on".to_owned())
}

impl Named {
    fn check_scale(&self, file: &Path, is_recording: bool) -> Outcome<()> {
        if self.scale.is_none() || is_recording {
            return Ok(());
        }
        let message = format!("--scale is for recorded workflows, and `{}` is none", file.display());
        Err(Failure::usage(message, "leave --scale out, or name a file in WfFormat"))
    }
}

/// An app that was found, read and lowered.
pub struct App {
    /// The file that defines it.
    pub file: PathBuf,
    /// Its definition as JSON.
    pub definition: Box<RawValue>,
    /// What it was lowered to.
    pub program: Program,
    /// What is doubtful about it, rendered.
    pub warnings: Vec<String>,
    /// Whether its file is all there is of it.
    is_alone: bool,
    /// Whether it runs a recorded workflow.
    is_recording: bool,
}

/// What a front end made of a file: the definition as JSON, and as it is.
struct Read {
    json: String,
    definition: Definition,
    sources: Sources,
}

impl App {
    /// Finds, reads and lowers the app that was named.
    pub fn load(named: &Named) -> Outcome<Self> {
        let file = find(&named.app)?;
        let is_json = extension(&file) == "json";
        let is_recording = is_json && recorded::is_recording(&file)?;
        let is_alone = is_recording || (is_json && asl::is_machine(&file)?);
        named.check_scale(&file, is_recording)?;
        let mut read = match extension(&file) {
            "py" => python::read(&file)?,
            _ if is_recording => recorded::read(&file, named.scale.unwrap_or(1.0))?,
            _ if is_alone => asl::read(&file)?,
            _ => manifest::read(&file)?,
        };
        read.attach_files(folder_of(&file))?;
        let Read { json, definition, sources } = read;
        let program = lower(&definition).map_err(|findings| sources.refuse(&findings))?;
        let findings = warnings(&definition, &program);
        let warnings = findings.iter().map(|finding| sources.render(finding)).collect();
        let definition = RawValue::from_string(json).map_err(|e| {
            Failure::new(
                Code::INTERNAL,
                format!("the definition of `{}` is not JSON: {e}", file.display()),
                "report this",
            )
        })?;
        let app = Self { file, definition, program, warnings, is_alone, is_recording };
        app.check_files()?;
        Ok(app)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.program.app
    }

    /// How many workers its functions can use that only wait, and so need no core each.
    pub fn waiting_workers(&self) -> usize {
        let waits = |function: &&Function| match &function.runtime {
            Runtime::Process { command } => command[0] == Runtime::OWN_PROGRAM,
            _ => false,
        };
        self.program.functions.iter().filter(waits).map(|function| function.concurrency as usize).sum()
    }

    /// Of an app that runs a recorded workflow, how many calls a run makes: one for each of its tasks.
    pub fn recorded_calls(&self) -> Option<u32> {
        let steps = &self.program.workflows.first().filter(|_| self.is_recording)?.steps;
        let Steps::Dag(dag) = steps else { return None };
        Some(dag.tasks.len() as u32)
    }

    /// The folder of its file, whose files are its bundle.
    pub fn root(&self) -> &Path {
        folder_of(&self.file)
    }

    /// The request that deploys it, with its files.
    pub fn deploy(&self, reset_triggers: &[String]) -> Outcome<Deploy> {
        let Bundle { files } = if self.is_alone { Bundle::default() } else { Bundle::read(self)? };
        Ok(Deploy {
            definition: self.definition.clone(),
            files,
            reset_triggers: reset_triggers.to_vec(),
            check: false,
            moves: false,
        })
    }

    /// What it is run with when nothing is given.
    pub fn samples(&self) -> Outcome<Option<Samples>> {
        if self.is_alone { Ok(None) } else { Samples::of(self.root()) }
    }

    /// Files that functions name and that must be there.
    fn named_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.program.functions.iter().filter_map(|function| match &function.runtime {
            Runtime::Python { module, .. }
            | Runtime::Workflow { module, .. }
            | Runtime::Wasm { module, .. } => Some((&*function.name, &**module)),
            Runtime::Exec { .. } | Runtime::Process { .. } | Runtime::Lambda { .. } | Runtime::Run { .. } => {
                None
            }
        })
    }

    fn check_files(&self) -> Outcome<()> {
        for (function, module) in self.named_files() {
            if !self.root().join(module).is_file() {
                let message = format!("function `{function}` is in `{module}`, which is not there");
                let fix = format!("put it into `{}`, or name another file", self.root().display());
                return Err(Failure::new(Code::FILE_NOT_FOUND, message, fix));
            }
        }
        Ok(())
    }
}

/// The folder of an app, which is given by its file or by the folder itself.
pub fn folder_of(file: &Path) -> &Path {
    if file.is_dir() {
        return file;
    }
    let parent = file.parent().unwrap_or(Path::new("."));
    if parent.as_os_str().is_empty() { Path::new(".") } else { parent }
}

fn extension(file: &Path) -> &str {
    file.extension().and_then(|e| e.to_str()).unwrap_or("")
}

/// The file that defines the app.
fn find(path: &Path) -> Outcome<PathBuf> {
    let metadata = fs::metadata(path).map_err(|e| {
        let fix =
            "name a Python file, a sluice.yaml, a folder with one of them, a state machine in .asl.json, or a recorded workflow in .json";
        Failure::new(Code::FILE_NOT_FOUND, format!("cannot read `{}`: {e}", path.display()), fix)
    })?;
    if metadata.is_dir() {
        return find_in(path);
    }
    match extension(path) {
        "py" | "yaml" | "yml" | "json" => Ok(path.to_owned()),
        _ => {
            let message =
                format!("`{}` is neither a Python file nor a manifest nor a state machine", path.display());
            Err(Failure::new(Code::APP_INVALID, message, "name a .py, .yaml or .json file, or a folder"))
        }
    }
}

fn find_in(folder: &Path) -> Outcome<PathBuf> {
    let fixed = MANIFESTS.iter().chain(&["app.py"]).map(|name| folder.join(name)).find(|path| path.is_file());
    if let Some(path) = fixed {
        return Ok(path);
    }
    let mut candidates = python::files_with_an_app(folder)?;
    match candidates.len() {
        1 => Ok(candidates.remove(0)),
        0 => {
            let message = format!("`{}` holds no app", folder.display());
            let fix = "put a sluice.yaml or an app.py there: import sluicegate as sg; app = sg.App(\"name\")";
            Err(Failure::new(Code::FILE_NOT_FOUND, message, fix))
        }
        _ => {
            let names: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
            let message = format!("`{}` holds several apps: {}", folder.display(), names.join(", "));
            Err(Failure::new(Code::APP_INVALID, message, "name the file, or call it app.py"))
        }
    }
}
