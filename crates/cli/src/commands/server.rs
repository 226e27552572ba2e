//! `sluice server`

use crate::arguments::{DEFAULT_ADDR, Global};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Signals;
use crate::{embedded, show};
use clap::Args;
use sluice_frontend::definition::Millis;
use sluice_runtime::Node;
use sluice_server::{Options, Server as Front};
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;

/// The data directory unless told otherwise.
pub const DEFAULT_DATA: &str = ".sluice";

#[derive(Debug, Args)]
pub struct Server {
    #[command(flatten)]
    pub place: Place,
}

/// Where a server listens and keeps its data.
#[derive(Debug, Args)]
pub struct Place {
    /// Where to listen; port 0 picks a free one. Beyond loopback a token is needed
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_ADDR, env = "SLUICE_ADDR")]
    pub addr: String,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA, env = "SLUICE_DATA")]
    pub data: PathBuf,
    /// Most worker processes; by default twice the number of cores
    #[arg(long, value_name = "N", env = "SLUICE_WORKERS")]
    pub workers: Option<NonZero<usize>>,
    /// The core that the engine and short calls stay on: a number, `last`, or `any` to leave it to the kernel
    #[arg(long, value_name = "CORE", default_value = "last", env = "SLUICE_CORE")]
    pub core: Core,
    /// How long ended runs are kept, as `36h` or `30d`; `forever` keeps them all
    #[arg(long, value_name = "TIME", default_value = "30d", env = "SLUICE_RETENTION")]
    pub retention: Retention,
}

/// How long ended runs are kept, in milliseconds; `None` for ever.
#[derive(Clone, Copy, Debug)]
pub struct Retention(Option<u64>);

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self(None));
        }
        let time: Result<Millis, _> = serde_json::from_value(text.into());
        time.map(|Millis(ms)| Self(Some(ms))).map_err(|_| "a time as `36h` or `30d`, or `forever`".into())
    }
}

/// Which core the engine stays on.
#[derive(Clone, Copy, Debug)]
pub enum Core {
    /// Whatever the kernel chooses, from moment to moment.
    Any,
    /// The last that this process may use; interrupts tend to be served by the first.
    Last,
    /// This one.
    Number(usize),
}

impl FromStr for Core {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            "last" => Ok(Self::Last),
            number => {
                let number = number.parse().map_err(|_| "a number, `last` or `any`")?;
                let cores = sluice_runtime::node::allowed_cores();
                match cores.contains(&number) {
                    true => Ok(Self::Number(number)),
                    false => Err(format!("this process may use the cores {cores:?}")),
                }
            }
        }
    }
}

impl Core {
    fn number(self) -> Option<usize> {
        match self {
            Self::Any => None,
            Self::Last => sluice_runtime::node::last_core(),
            Self::Number(core) => Some(core),
        }
    }
}

impl Server {
    pub fn execute(&self, global: &Global) -> Outcome {
        let node = self.place.start_node()?;
        let served = self.serve(&node, global);
        // A failed stop matters, but why the server could not serve matters more.
        let stopped = node.stop();
        served?;
        stopped?;
        Ok(Exit::Succeeded)
    }

    fn serve(&self, node: &Node, global: &Global) -> Outcome<()> {
        embedded::runtime()?.block_on(async {
            let mut signals = Signals::listen()?;
            let options = Options { token: global.token.clone() };
            let server = Front::bind(self.place.addr()?, node.handle(), options).await?;
            let url = format!("http://{}", server.local_addr());
            if global.json {
                show::json(&serde_json::json!({ "listening": url }))?;
            } else {
                show::line(&format!("listening on {url}"))?;
            }
            let told_to_stop = async move {
                signals.next().await;
                tracing::info!("told to stop");
            };
            Ok(server.serve(told_to_stop).await?)
        })
    }
}

impl Place {
    /// The address, with names resolved.
    pub fn addr(&self) -> Outcome<SocketAddr> {
        let refused = |why: String| {
            Failure::usage(format!("`{}` is no address: {why}", self.addr), "write --addr HOST:PORT")
        };
        let mut found = self.addr.to_socket_addrs().map_err(|e| refused(e.to_string()))?;
        found.next().ok_or_else(|| refused("the name has no address".into()))
    }

    /// Starts a node on the data directory.
    pub fn start_node(&self) -> Outcome<Node> {
        let mut config = embedded::config(&self.data)?;
        config.workers_max = self.workers.map_or(config.workers_max, NonZero::get);
        config.core = self.core.number();
        config.retention_ms = self.retention.0;
        Ok(Node::start(config)?)
    }
}
