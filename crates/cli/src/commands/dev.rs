//! `sluice dev`: a server for one app, which is deployed again whenever its files change.

use super::server::Place;
use crate::app::{App, Change, Named, folder_of};
use crate::arguments::Global;
use crate::client::Client;
use crate::client::transport::{Remote, Transport};
use crate::embedded::{machine, runtime};
use crate::exit::{Exit, Outcome};
use crate::interrupt::Interrupt;
use crate::show;
use clap::Args;
use sluice_runtime::Node;
use sluice_server::aws::Settings as AwsSettings;
use sluice_server::{Options, Server};
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two looks at the files.
const PERIOD: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    place: Place,
}

impl Dev {
    pub fn execute(&self, global: &Global) -> Outcome {
        let interrupt = Interrupt::listen()?;
        let mut aws = self.place.aws()?;
        if self.place.files.is_none() {
            aws = aws.with_files(folder_of(&self.named.app));
        }
        let node = self.place.start_node(&aws)?;
        let served = self.serve(&node, global, &interrupt, aws);
        // A failed stop matters, but why the server could not serve matters more.
        let stopped = node.stop();
        served?;
        stopped?;
        Ok(Exit::Succeeded)
    }

    fn serve(&self, node: &Node, global: &Global, interrupt: &Interrupt, aws: AwsSettings) -> Outcome<()> {
        let runtime = runtime()?;
        let options = Options { token: global.token.clone(), aws };
        let server = runtime.block_on(Server::bind(self.place.addr()?, node.handle(), options))?;
        let url = format!("http://{}", server.local_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || runtime.block_on(server.serve(async { drop(stopped.await) })));
        let serving = serving.map_err(|e| machine("cannot start a thread", &e))?;
        show::line(&format!("listening on {url}"))?;
        let client = Client::new(Transport::Remote(Remote::new(&url, global.token.as_deref())?));
        self.follow(&client, interrupt);
        drop(stop);
        if let Ok(served) = serving.join() {
            served?;
        }
        Ok(())
    }

    /// Deploys the app now and after every change, until the user wants out. What is wrong with it is printed, and the
    /// last good version stays.
    fn follow(&self, client: &Client, interrupt: &Interrupt) {
        let mut seen = None;
        while !interrupt.is_set() {
            let now = Change::of(&self.named.app);
            if seen.as_ref() != Some(&now) {
                seen = Some(now);
                match self.deploy(client) {
                    Ok(line) => eprintln!("{line}"),
                    // Ctrl-C ends the Python that describes the app, too.
                    Err(_) if interrupt.is_set() => {}
                    Err(failure) => eprint!("{}", failure.render()),
                }
            }
            std::thread::sleep(PERIOD);
        }
    }

    fn deploy(&self, client: &Client) -> Outcome<String> {
        let app = App::load(&self.named)?;
        app.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        let deployed = client.deploy(app.name(), &app.deploy(&[])?)?;
        let what = if deployed.changed == Some(false) { "unchanged" } else { "deployed" };
        Ok(format!("{what} {} version {}", deployed.app, deployed.version))
    }
}
