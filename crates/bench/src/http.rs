//! `http`: requests that start a durable run of one step and wait for its result, over TCP.

use crate::error::Error;
use crate::figure::Figure;
use crate::floor::{SyncedFile, micros};
use crate::guests::{self, Way};
use crate::stage::Stage;
use crate::{Place, Runtime};
use sluice_server::{Options, Server};
use sluice_types::Durability;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Size of the records of such a run, about.
const RECORD_BYTES: usize = 512;
/// How long requests are made, once before the figures count and once while they do.
const TIME: Duration = Duration::from_secs(3);
/// Syncs of the floor, before and after.
const SYNCS: usize = 500;
/// A chain of one link: 64 bytes, all zero.
const BODY: &str = concat!(
    r#"{"objects":{"links":{"first":{"base64":""#,
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    r#""}}}}"#
);

pub fn measure(place: &Place, connections: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    stage.deploy(guests::chain(place, Runtime::Wasm, Durability::Durable)?)?;
    debug_assert_eq!(guests::first_link(Way::Warm, 1).bytes, [0; 64][..]);
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let mut syncs = Vec::new();
    let front = Front::start(&stage)?;
    let mut sync = || -> Result<(), Error> {
        for _ in 0..SYNCS {
            syncs.push(floor.sync_us()?);
        }
        Ok(())
    };
    stage.wait(load(front.addr, connections))?;
    sync()?;
    let begun = Instant::now();
    let samples = stage.wait(load(front.addr, connections))?;
    let rate = samples.len() as f64 / begun.elapsed().as_secs_f64();
    sync()?;
    Ok(vec![
        Figure::spread("", "us", samples),
        Figure::one("requests_per_s", "/s", rate),
        Figure::spread("fdatasync", "us", syncs),
    ])
}

/// The HTTP front, on a thread of its own as `sluice server` has it.
pub(crate) struct Front {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Result<(), Error>>>,
}

impl Front {
    pub fn start(stage: &Stage) -> Result<Self, Error> {
        let (node, (stop, stopped), (tells, told)) = (stage.handle(), oneshot::channel(), mpsc::channel());
        let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let server = Server::bind(([127, 0, 0, 1], 0).into(), node, Options::default()).await?;
                // The benchmark waits for it.
                let _ = tells.send(server.local_addr());
                server.serve(async move { drop(stopped.await) }).await?;
                Ok(())
            })
        })?;
        match told.recv() {
            Ok(addr) => Ok(Self { addr, stop: Some(stop), thread: Some(thread) }),
            Err(_) => Err(Error::Unexpected("the HTTP front did not start".into())),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // How it ended changes nothing that was measured.
            let _ = thread.join();
        }
    }
}

/// Requests on all connections for a while; how long each took, in microseconds.
async fn load(addr: SocketAddr, connections: u32) -> Result<Vec<f64>, Error> {
    let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(client(addr))).collect();
    let mut samples = Vec::new();
    for client in clients {
        samples.extend(client.await.map_err(|error| Error::Unexpected(error.to_string()))??);
    }
    Ok(samples)
}

async fn client(addr: SocketAddr) -> Result<Vec<f64>, Error> {
    let request = format!(
        "POST /v1/apps/chain/runs?wait=30s HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut samples = Vec::new();
    let (until, mut answer) = (Instant::now() + TIME, Vec::with_capacity(4096));
    while Instant::now() < until {
        let begun = Instant::now();
        exchange(&mut stream, request.as_bytes(), &mut answer).await?;
        samples.push(micros(begun.elapsed()));
        let text = std::str::from_utf8(&answer).unwrap_or_default();
        if !text.starts_with("HTTP/1.1 200") || !text.contains(r#""status":"succeeded""#) {
            return Err(unexpected(&answer));
        }
    }
    Ok(samples)
}

/// Sends a request over a connection that is kept alive and reads the whole answer, in place of what was in `answer`.
/// Returns where the answer's body begins.
pub(crate) async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> Result<usize, Error> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(unexpected(answer));
        }
        if let Some(body) = body_of(answer) {
            return Ok(body);
        }
    }
}

/// Where the body of an answer begins, once it has come with all of it.
fn body_of(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.is_none_or(|length: usize| answer.len() >= head + 4 + length).then_some(head + 4)
}

pub(crate) fn unexpected(answer: &[u8]) -> Error {
    Error::Unexpected(format!("the server answered {:?}", String::from_utf8_lossy(answer)))
}
