//! `sluice server`

use crate::arguments::{DEFAULT_ADDR, Global};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Signals;
use crate::{embedded, show};
use clap::Args;
use sluice_frontend::definition::Millis;
use sluice_runtime::Node;
use sluice_server::aws::{Account, Credentials, Settings as AwsSettings};
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
    /// The folder whose files workflows may read as items and write as results
    #[arg(long, value_name = "DIR", env = "SLUICE_FILES")]
    pub files: Option<PathBuf>,
    #[command(flatten)]
    pub aws: Aws,
}

/// The AWS side of a server.
#[derive(Debug, Args)]
pub struct Aws {
    /// The region in ARNs
    #[arg(long, value_name = "REGION", default_value = "us-east-1", env = "SLUICE_AWS_REGION")]
    pub aws_region: String,
    /// The account in ARNs, twelve digits
    #[arg(long, value_name = "ACCOUNT", default_value = "111111111111", env = "SLUICE_AWS_ACCOUNT")]
    pub aws_account: String,
    /// The access key with which AWS requests must be signed
    #[arg(long, value_name = "ID", requires = "aws_secret_access_key", env = "SLUICE_AWS_ACCESS_KEY_ID")]
    pub aws_access_key_id: Option<String>,
    /// Its secret
    #[arg(
        long,
        value_name = "SECRET",
        requires = "aws_access_key_id",
        env = "SLUICE_AWS_SECRET_ACCESS_KEY",
        hide_env_values = true
    )]
    pub aws_secret_access_key: Option<String>,
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
        let aws = self.place.aws()?;
        let node = self.place.start_node(&aws)?;
        let served = self.serve(&node, global, aws);
        // A failed stop matters, but why the server could not serve matters more.
        let stopped = node.stop();
        served?;
        stopped?;
        Ok(Exit::Succeeded)
    }

    fn serve(&self, node: &Node, global: &Global, aws: AwsSettings) -> Outcome<()> {
        embedded::runtime()?.block_on(async {
            let mut signals = Signals::listen()?;
            let options = Options { token: global.token.clone(), aws };
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

    /// How the AWS side is set up.
    pub fn aws(&self) -> Outcome<AwsSettings> {
        let Aws { aws_region, aws_account, aws_access_key_id, aws_secret_access_key } = &self.aws;
        let account = Account::new(aws_region, aws_account).ok_or_else(|| {
            let what = format!("region `{aws_region}` and account `{aws_account}` cannot be parts of an ARN");
            Failure::usage(what, "write --aws-region us-east-1 --aws-account 123456789012")
        })?;
        let key = aws_access_key_id.as_deref().zip(aws_secret_access_key.as_deref());
        let credentials = key
            .map(|(id, secret)| Credentials { access_key_id: id.into(), secret_access_key: secret.into() });
        let settings = AwsSettings::new(account, credentials);
        match &self.files {
            None => Ok(settings),
            Some(folder) if folder.is_dir() => Ok(settings.with_files(folder)),
            Some(folder) => {
                let what = format!("`{}` is not a folder", folder.display());
                Err(Failure::usage(what, "name a folder with --files, or leave it out"))
            }
        }
    }

    /// Starts a node on the data directory.
    pub fn start_node(&self, aws: &AwsSettings) -> Outcome<Node> {
        let mut config = embedded::config(&self.data, aws)?;
        config.workers_max = self.workers.map_or(config.workers_max, NonZero::get);
        config.core = self.core.number();
        config.retention_ms = self.retention.0;
        Ok(Node::start(config)?)
    }
}
