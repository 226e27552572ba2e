//! Executions over HTTP as boto3 asks for them: one connection that is kept alive, a signature in every request.
//!
//! A standard execution is started and then described until it has succeeded. An express one is started and waited for
//! in one request. The signature's value is not checked, as on a loopback server without credentials.

use super::machines;
use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::{SyncedFile, micros};
use crate::http::{Front, exchange, unexpected};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::net::TcpStream;

/// Size of the records of such an execution, about.
const RECORD_BYTES: usize = 512;
/// Executions before the first that counts.
const WARM_UP: u32 = 200;
/// Executions between two syncs of the floor.
const PER_SYNC: u32 = 4;

pub(super) fn measure(place: &Place, count: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let front = Front::start(&stage)?;
    stage.wait(async {
        let mut client = Client::connect(front.addr).await?;
        let standard = client.create("standard", "STANDARD").await?;
        let express = client.create("express", "EXPRESS").await?;
        let mut samples = Samples::default();
        for round in 0..WARM_UP + count {
            if round == WARM_UP {
                samples = Samples::default();
            }
            client.standard(&standard, &mut samples).await?;
            let request = json!({"stateMachineArn": express, "input": "{\"n\":1}"});
            let (took, answer) = client.call("StartSyncExecution", &request).await?;
            succeeded(&answer)?;
            samples.sync.push(took);
            if round % PER_SYNC == 0 {
                samples.syncs.push(floor.sync_us()?);
            }
        }
        Ok(samples.figures())
    })
}

/// Microseconds of every execution and request.
#[derive(Default)]
struct Samples {
    executions: Vec<f64>,
    starts: Vec<f64>,
    describes: Vec<f64>,
    sync: Vec<f64>,
    syncs: Vec<f64>,
}

impl Samples {
    fn figures(self) -> Vec<Figure> {
        let commit = median(&self.syncs);
        let share = |samples: &[f64]| (median(samples) - commit).max(0.0);
        vec![
            Figure::one("share", "us", share(&self.executions)),
            Figure::one("start_sync_share", "us", share(&self.sync)),
            Figure::one("describes", "", self.describes.len() as f64 / self.executions.len() as f64),
            Figure::spread("execution", "us", self.executions),
            Figure::spread("start", "us", self.starts),
            Figure::spread("describe", "us", self.describes),
            Figure::spread("start_sync", "us", self.sync),
            Figure::spread("fdatasync", "us", self.syncs),
        ]
    }
}

/// A connection.
struct Client {
    addr: SocketAddr,
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { addr, stream, answer: Vec::with_capacity(4096) })
    }

    /// Makes a state machine of one Pass. Returns its ARN.
    async fn create(&mut self, name: &str, r#type: &str) -> Result<String, Error> {
        let request = json!({
            "name": name,
            "type": r#type,
            "definition": machines::pass(),
            "roleArn": "arn:aws:iam::123456789012:role/bench",
        });
        let (_, answer) = self.call("CreateStateMachine", &request).await?;
        text(&answer, "stateMachineArn")
    }

    /// Starts an execution and describes it until it has succeeded.
    async fn standard(&mut self, machine: &str, samples: &mut Samples) -> Result<(), Error> {
        let request = json!({"stateMachineArn": machine, "input": "{\"n\":1}"});
        let (started, answer) = self.call("StartExecution", &request).await?;
        let request = json!({"executionArn": text(&answer, "executionArn")?});
        let mut in_all = started;
        loop {
            let (described, answer) = self.call("DescribeExecution", &request).await?;
            in_all += described;
            samples.describes.push(described);
            if answer["status"] != "RUNNING" {
                succeeded(&answer)?;
                break;
            }
        }
        samples.starts.push(started);
        samples.executions.push(in_all);
        Ok(())
    }

    /// One request as botocore writes it. Returns how long it took, in microseconds, and the answer.
    async fn call(&mut self, action: &str, body: &Value) -> Result<(f64, Value), Error> {
        let body = body.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: identity\r\nX-Amz-Target: AWSStepFunctions.{action}\r\n\
             Content-Type: application/x-amz-json-1.0\r\nUser-Agent: Boto3/1.40 md/Botocore#1.40 lang/python#3.13\r\n\
             X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/\
             states/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.addr,
            "0".repeat(64),
            body.len()
        );
        let begun = Instant::now();
        let from = exchange(&mut self.stream, request.as_bytes(), &mut self.answer).await?;
        let took = micros(begun.elapsed());
        match serde_json::from_slice(&self.answer[from..]) {
            Ok(answer) if self.answer.starts_with(b"HTTP/1.1 200") => Ok((took, answer)),
            _ => Err(unexpected(&self.answer)),
        }
    }
}

fn succeeded(answer: &Value) -> Result<(), Error> {
    match answer["status"].as_str() {
        Some("SUCCEEDED") => Ok(()),
        _ => Err(Error::Unexpected(format!("an execution did not succeed: {answer}"))),
    }
}

fn text(answer: &Value, name: &str) -> Result<String, Error> {
    let missing = || Error::Unexpected(format!("there is no {name} in {answer}"));
    answer[name].as_str().map(str::to_owned).ok_or_else(missing)
}
