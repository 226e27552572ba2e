//! A real node for the time of a benchmark, asked through its handle as the HTTP front asks it.

use crate::Place;
use crate::error::Error;
use crate::floor;
use sluice_engine::Status;
use sluice_runtime::api::{DeployRequest, NewObject, NodeStats, RunView, StartRequest};
use sluice_runtime::node::last_core;
use sluice_runtime::{Node, NodeConfig, NodeHandle};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Longest wait for a run.
const PATIENCE: Duration = Duration::from_secs(7_200);

/// A node on a data directory of its own, which goes with it.
pub(crate) struct Stage {
    client: Runtime,
    handle: NodeHandle,
    // In the order in which they are dropped: the node stops before its directory goes.
    node: Option<Node>,
    core: Option<usize>,
    dir: tempfile::TempDir,
}

impl Stage {
    /// Starts a node; its shard stays on the cores of this thread.
    pub fn open(place: &Place) -> Result<Self, Error> {
        Self::open_with(place, 0)
    }

    /// Starts a node as `sluice server` does by default: its shard and short calls stay on the last core.
    pub fn as_server(place: &Place) -> Result<Self, Error> {
        Self::on(place, 0, last_core())
    }

    /// Starts a node with at least so many workers; its shard stays on the cores of this thread.
    pub fn open_with(place: &Place, workers: usize) -> Result<Self, Error> {
        Self::on(place, workers, None)
    }

    fn on(place: &Place, workers: usize, core: Option<usize>) -> Result<Self, Error> {
        let dir = tempfile::Builder::new().prefix("sluice-bench-").tempdir_in(&place.dir)?;
        let node = start(place, dir.path(), workers, core)?;
        let client = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client, handle: node.handle(), node: Some(node), core, dir })
    }

    /// Stops the node and starts it again on its data directory; how long the latter took.
    pub fn restart(&mut self, place: &Place) -> Result<Duration, Error> {
        self.node.take().map_or(Ok(()), Node::stop)?;
        let begun = Instant::now();
        let node = start(place, self.dir(), 0, self.core)?;
        let took = begun.elapsed();
        self.handle = node.handle();
        self.node = Some(node);
        Ok(took)
    }

    /// Its data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A door to the node.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Waits for a future of this thread.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.client.block_on(future)
    }

    pub fn deploy(&self, request: DeployRequest) -> Result<(), Error> {
        self.wait(self.handle.deploy(request))?;
        Ok(())
    }

    pub fn stats(&self) -> Result<NodeStats, Error> {
        Ok(self.wait(self.handle.stats())?)
    }

    /// Waits until no attempt is queued or running.
    pub fn until_idle(&self, patience: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        while self.stats()?.attempts_running > 0 {
            if begun.elapsed() > patience {
                return Err(Error::Unexpected("there is still something to do".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Runs an app once; how long it took from asking to the answer that it has succeeded.
    pub fn run(&self, app: &str, objects: Vec<NewObject>) -> Result<(Duration, RunView), Error> {
        let begun = Instant::now();
        let view = self.wait(run(&self.handle, app, objects))?;
        Ok((begun.elapsed(), view))
    }
}

fn start(place: &Place, dir: &Path, workers: usize, core: Option<usize>) -> Result<Node, Error> {
    let mut config = NodeConfig::new(dir, &place.sdk_dir, &place.program);
    config.give_back = place.give_back;
    config.workers_max = config.workers_max.max(workers);
    // A shard that stays on a core knows it, so that short calls are kept there, as on a server.
    config.core = core.or(floor::only_core()?);
    Ok(Node::start(config)?)
}

/// Starts all of these at once.
pub(crate) async fn start_all(node: &NodeHandle, requests: Vec<StartRequest>) -> Result<(), Error> {
    let starts: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let node = node.clone();
            tokio::spawn(async move { node.start(request).await })
        })
        .collect();
    for start in starts {
        start.await.map_err(|error| Error::Unexpected(error.to_string()))??;
    }
    Ok(())
}

/// Runs an app once, to its success.
pub(crate) async fn run(node: &NodeHandle, app: &str, objects: Vec<NewObject>) -> Result<RunView, Error> {
    succeeded(node, StartRequest { app: app.into(), objects, seal: true, ..StartRequest::default() }).await
}

/// Starts a run and waits for its success.
pub(crate) async fn succeeded(node: &NodeHandle, request: StartRequest) -> Result<RunView, Error> {
    let started = node.start(request).await?;
    let view = node.wait(&started.run, PATIENCE).await?;
    match (view.status, view.error) {
        (Status::Succeeded, _) => Ok(RunView { error: None, ..view }),
        (_, Some(problem)) => Err(problem.into()),
        (status, None) => Err(Error::Unexpected(format!("run {} is {status:?}", view.run))),
    }
}
