//! Which boxes processes run in: program, environment, what they see of the host.

use crate::app::{App, Base, Class};
use crate::limits::{WORKER_NICE, WORKER_PIDS_MAX};
use crate::options::Options;
use crate::wire::VERSION;
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::json;
use sluice_isolation::{Bind, BoxSpec, Feature, Limits, Python};
use sluice_types::{BucketIx, Function, FunctionIx, Program, Resources, Runtime, Visibility};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Where functions of AWS Lambda find their files.
const LAMBDA_TASK_ROOT: &str = "/var/task";

/// Where programs are looked up inside.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Descriptor of the control socket inside.
pub(crate) const CONTROL_FD: i32 = 3;
/// Descriptors of a native worker: slot, call bell, reply bell.
pub(crate) const SLOT_FD: i32 = 5;
pub(crate) const CALL_FD: i32 = 6;
pub(crate) const REPLY_FD: i32 = 7;
/// Descriptor of the description of the app inside.
pub(crate) const DESCRIPTION_FD: i32 = 4;

/// The box of an app's zygote.
pub(crate) fn zygote(options: &Options, python: &Python, app: &App, base: &Base) -> BoxSpec {
    let mut spec = plain(&python.executable.to_string_lossy(), base, &app.bundle);
    let inside = bundle_inside(options, app);
    spec.binds = vec![Bind::read_only(&app.bundle).at(inside)];
    spec.cwd = inside.to_owned();
    spec.args = ["-m", "sluicegate._zygote"].map(str::to_owned).to_vec();
    spec.env.insert("PYTHONPATH".to_owned(), options.sdk_dir.to_string_lossy().into_owned());
    spec.binds.push(Bind::read_only(&options.sdk_dir));
    for prefix in [&python.prefix, &python.base_prefix] {
        if !prefix.starts_with("/usr") && !spec.binds.iter().any(|bind| bind.host == *prefix) {
            spec.binds.push(Bind::read_only(prefix));
        }
    }
    spec
}

/// The box of a program that belongs to an app: the bundle is its working directory.
pub(crate) fn plain(program: &str, base: &Base, bundle: &Path) -> BoxSpec {
    let mut env = BTreeMap::from([
        ("HOME".to_owned(), "/tmp".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("PATH".to_owned(), PATH.to_owned()),
        ("SLUICE_PROTOCOL".to_owned(), VERSION.to_string()),
    ]);
    env.extend(base.env.clone());
    BoxSpec {
        env,
        cwd: bundle.to_owned(),
        binds: vec![Bind::read_only(bundle)],
        network: base.network(),
        nice: WORKER_NICE,
        allow_exec: true,
        ..BoxSpec::new(program)
    }
}

/// The box of the program that runs the node, as one of its own workers.
pub(crate) fn own(program: &Path, base: &Base, bundle: &Path) -> BoxSpec {
    let mut spec = plain(&program.to_string_lossy(), base, bundle);
    if !program.starts_with("/usr") {
        spec.binds.push(Bind::read_only(program));
    }
    spec
}

/// Where the Python workers of an app see its bundle: where it is, or where AWS Lambda has it if they can tell.
fn bundle_inside<'a>(options: &Options, app: &'a App) -> &'a Path {
    let moves = app.is_lambda() && options.host.has(Feature::MountNamespace);
    if moves { Path::new(LAMBDA_TASK_ROOT) } else { &app.bundle }
}

/// The limits of one worker.
pub(crate) fn limits(resources: &Resources) -> Limits {
    Limits {
        memory_bytes: resources.memory_bytes,
        cpu_millis: resources.cpu_millis,
        pids_max: WORKER_PIDS_MAX,
    }
}

/// The app as its workers know it, as JSON in a memfd.
pub(crate) fn description(options: &Options, app: &App, classes: &[&Class]) -> io::Result<OwnedFd> {
    let of_class = |class: &&Class| class.functions.clone();
    let functions: Vec<_> = classes.iter().flat_map(of_class).map(|ix| function(app, ix)).collect();
    let buckets: Vec<&str> = app.program.buckets.iter().map(|bucket| &*bucket.name).collect();
    let is_python = classes.iter().any(|class| class.kind.is_python());
    let bundle = if is_python { bundle_inside(options, app) } else { &app.bundle };
    let description = json!({
        "version": VERSION,
        "app": &*app.program.app,
        "bundle": bundle,
        "buckets": buckets,
        "functions": functions,
    });
    let mut file = File::from(memfd_create("sluice-app", MemfdFlags::CLOEXEC)?);
    file.write_all(description.to_string().as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

fn function(app: &App, ix: FunctionIx) -> serde_json::Value {
    let function = &app.program.functions[ix.index()];
    let (module, call) = match &function.runtime {
        Runtime::Python { module, name } | Runtime::Workflow { module, name } => {
            (module.as_str(), name.as_str())
        }
        _ => ("", ""),
    };
    let into: Vec<u16> = function.into.iter().map(|BucketIx(bucket)| *bucket).collect();
    json!({
        "ix": ix.0,
        "name": &*function.name,
        "module": module,
        "call": call,
        "into": into,
        "streams": streamed(app, function),
        "workflow": function.takes_turns(),
        "lambda": lambda(function),
    })
}

/// What AWS Lambda's calling convention needs to know.
fn lambda(function: &Function) -> Option<serde_json::Value> {
    let Runtime::Lambda { handler, provided } = &function.runtime else { return None };
    Some(json!({"handler": handler, "provided": provided, "timeout_ms": function.timeout_ms}))
}

/// Buckets whose objects others read while the function writes them.
fn streamed(app: &App, function: &Function) -> Vec<u16> {
    let puts = function.into.iter().chain([&Program::OUTPUT]).copied();
    let shows = function.visibility == Visibility::Put;
    puts.filter(|bucket| shows && app.program.is_streamed(*bucket)).map(|BucketIx(bucket)| bucket).collect()
}
