//! A node of this process, for commands that need no server.

use crate::exit::{Failure, Outcome};
use crate::sdk;
use http::{Request, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sluice_runtime::callees::CalleesRef;
use sluice_runtime::{Node, NodeConfig};
use sluice_server::InProcess;
use sluice_server::aws::Settings;
use sluice_types::Code;
use std::io;
use std::path::Path;

/// A node on a temporary data directory, which is removed with it.
pub struct Embedded {
    server: InProcess,
    runtime: tokio::runtime::Runtime,
    // In the order in which they are dropped: the node stops before its directory goes.
    _node: Node,
    _dir: tempfile::TempDir,
}

impl Embedded {
    /// Starts one whose workflows may use the files of a folder, with at least so many workers.
    pub fn start(files: &Path, workers: usize) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("sluice-").tempdir();
        let dir = dir.map_err(|e| machine("cannot make a temporary directory", &e))?;
        let aws = Settings::default().with_files(files);
        let mut config = config(dir.path(), &aws)?;
        config.ephemeral = true;
        let room = allow_open_files() / WORKER_FILES;
        config.workers_max = config.workers_max.max(workers.min(room));
        let node = Node::start(config)?;
        let runtime = runtime()?;
        let server = runtime.block_on(async { InProcess::new(node.handle(), &aws) });
        Ok(Self { server, runtime, _node: node, _dir: dir })
    }

    /// Asks it, and reads the whole answer.
    pub fn ask(&self, request: Request<bytes::Bytes>) -> Response<bytes::Bytes> {
        self.runtime.block_on(self.server.ask(request))
    }
}

/// Open files for each worker: its own, and its share of those of clients and of the log.
const WORKER_FILES: usize = 16;

/// The program that starts sandboxes: this one, even when its file has been replaced since.
pub const LAUNCHER: &str = "/proc/self/exe";

/// How a node of this binary is set up on a data directory.
pub fn config(data_dir: &Path, aws: &Settings) -> Outcome<NodeConfig> {
    let give_back = sluice_allocator::give_back;
    let callees = CalleesRef(aws.callees.clone());
    Ok(NodeConfig { give_back, callees, ..NodeConfig::new(data_dir, sdk::unpack()?, LAUNCHER) })
}

/// Raises the number of files that this process may have open as far as it may; that number.
fn allow_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.or(limit.current);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = if raised.is_ok() { most } else { limit.current };
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// A runtime on this thread: the shard has a thread of its own, the front needs no more than one.
pub fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| machine("cannot start the runtime", &e))
}

/// Something about this machine.
pub fn machine(what: &str, error: &io::Error) -> Failure {
    Failure::new(Code::HOST_LACKS, format!("{what}: {error}"), "see `sluice doctor`")
}
