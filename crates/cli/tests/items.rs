//! Distributed Maps whose items are read from files or from S3, and whose results are written there.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;
use tool::server::{Server, act};
use tool::{Folder, boto, repository};

const ROLE: &str = "arn:aws:iam::123456789012:role/test";
const ROWS: usize = 1200;

/// Rows in batches of 50. The batch with the row 777 fails, which is tolerated.
const BATCHES: &str = r#"
app: orders
functions: {total: {runtime: python, handler: app.py:total}}
workflows:
  main:
    asl:
      StartAt: All
      States:
        All:
          Type: Map
          End: true
          Label: Orders
          MaxConcurrency: 4
          ToleratedFailurePercentage: 5
          ItemReader:
            Resource: arn:aws:states:::sluice:readFile
            ReaderConfig: {InputType: CSV, CSVHeaderLocation: FIRST_ROW, CSVDelimiter: SEMICOLON}
            Parameters: {Path.$: $.path}
          ItemSelector: {price.$: $$.Map.Item.Value.price, id.$: $$.Map.Item.Value.id}
          ItemBatcher: {MaxItemsPerBatch: 50, BatchInput: {factor: 2}}
          ItemProcessor:
            ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}
            StartAt: Total
            States: {Total: {Type: Task, Resource: total, End: true}}
          ResultWriter:
            Resource: arn:aws:states:::sluice:writeFile
            Parameters: {Path: out/totals.jsonl}
            WriterConfig: {Transformation: COMPACT, OutputType: JSONL}
"#;

const TOTAL: &str = "
def total(batch):
    batch = batch.json()
    ids = [item['id'] for item in batch['Items']]
    if '777' in ids:
        raise ValueError('row 777')
    return {'rows': len(ids), 'total': sum(int(item['price']) for item in batch['Items']) * batch['BatchInput']['factor']}
";

fn table() -> String {
    let rows = (0..ROWS).map(|row| format!("{row};\"a \"\"good\"\"; one\";{}\n", row % 7));
    ["id;name;price\n".to_owned()].into_iter().chain(rows).collect()
}

#[test]
fn rows_of_a_file_in_batches() {
    let folder = Folder::with(&[
        ("app/sluice.yaml", BATCHES),
        ("app/app.py", TOTAL),
        ("app/data/orders.csv", &table()),
    ]);
    let run = folder.call(&["run", "app", "--json", "--input", r#"{"path": "data/orders.csv"}"#]);
    assert_eq!(run.exit, 0, "{} {}", run.stdout, run.stderr);
    let output = run.json()["outputs"]["main"].clone();
    assert!(output["MapRunArn"].as_str().unwrap().contains("/Orders:"), "{output}");
    let files = &output["ResultWriterDetails"]["ResultFiles"];
    assert_eq!(files["SUCCEEDED"]["Path"], "out/totals.jsonl", "{output}");
    let lines = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.path().join("app/out").join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let totals = lines("totals.jsonl");
    assert_eq!(totals.len(), ROWS / 50 - 1);
    assert!(totals.iter().all(|total| total["rows"] == 50));
    let sum: u64 = totals.iter().map(|total| total["total"].as_u64().unwrap()).sum();
    let expected: usize = (0..ROWS).filter(|row| row / 50 != 777 / 50).map(|row| row % 7 * 2).sum();
    assert_eq!(sum, expected as u64);
    let failed = lines("totals.failed.jsonl");
    let record = (&failed[0]["Status"], &failed[0]["Error"], failed.len());
    assert_eq!(record, (&json!("FAILED"), &json!("ValueError"), 1));
}

/// A distributed Map over what a reader gives, that hands back its items.
fn over(reader: &Value, writer: Option<&Value>) -> Value {
    let mut map = json!({
        "Type": "Map", "End": true, "ItemReader": reader,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": true}},
        },
    });
    if let Some(writer) = writer {
        map["ResultWriter"] = writer.clone();
    }
    json!({"StartAt": "All", "States": {"All": map}})
}

/// Starts an execution of a new state machine. Its ARN.
fn start(server: &Server, name: &str, definition: &Value, input: &Value) -> String {
    let machine = json!({"name": name, "definition": definition.to_string(), "roleArn": ROLE});
    let machine = act(&server.url, "CreateStateMachine", &machine).unwrap().json(200);
    again(server, machine["stateMachineArn"].as_str().unwrap(), input)
}

fn again(server: &Server, machine: &str, input: &Value) -> String {
    let execution = json!({"stateMachineArn": machine, "input": input.to_string()});
    let execution = act(&server.url, "StartExecution", &execution).unwrap().json(200);
    execution["executionArn"].as_str().unwrap().to_owned()
}

/// What became of an execution.
fn ended(server: &Server, execution: &str) -> Value {
    loop {
        let described = json!({"executionArn": execution});
        let described = act(&server.url, "DescribeExecution", &described).unwrap().json(200);
        if described["status"] != "RUNNING" {
            return described;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn output(server: &Server, execution: &str) -> Value {
    let described = ended(server, execution);
    let output = described["output"].as_str().unwrap_or_else(|| panic!("{described}"));
    serde_json::from_str(output).unwrap()
}

fn serve(folder: &Folder, more: &[&str]) -> Server {
    let arguments = [&["server", "--addr", "127.0.0.1:0", "--data", "data"], more].concat();
    Server::spawn(folder.command(&arguments))
}

#[test]
fn only_files_of_the_folder_are_read_and_written() {
    let folder = Folder::with(&[
        ("files/items.json", "[1, 2]"),
        ("files/twice.csv", "a,a\n1,2\n"),
        ("files/number.json", "7"),
        ("files/more/b.txt", "four"),
        ("secret.json", "[\"secret\"]"),
    ]);
    symlink("../secret.json", folder.path().join("files/link.json")).unwrap();
    symlink("..", folder.path().join("files/up")).unwrap();
    let server = serve(&folder, &["--files", "files"]);
    let reader = json!({"Resource": "arn:aws:states:::sluice:readFile", "Parameters": {"Path.$": "$.path"}});
    let writer = json!({"Resource": "arn:aws:states:::sluice:writeFile", "Parameters": {"Path.$": "$.to"}});
    let paths = |path: &str, to: &str| json!({"path": path, "to": to});
    let first = start(&server, "copy", &over(&reader, Some(&writer)), &paths("items.json", "out/copy.json"));
    let details = output(&server, &first)["ResultWriterDetails"].clone();
    let copy = std::fs::read(folder.path().join("files/out/copy.json")).unwrap();
    assert_eq!(details["ResultFiles"]["SUCCEEDED"], json!({"Path": "out/copy.json", "Size": copy.len()}));
    let records: Vec<Value> = serde_json::from_slice(&copy).unwrap();
    assert_eq!(records.iter().map(|it| &it["Output"]).collect::<Vec<_>>(), ["1", "2"]);
    let machine = first.replace(":execution:", ":stateMachine:");
    let machine = machine.rsplit_once(':').unwrap().0;
    let failure = |path: &str, to: &str| {
        let described = ended(&server, &again(&server, machine, &paths(path, to)));
        let text = |name: &str| described[name].as_str().unwrap_or_else(|| panic!("{described}")).to_owned();
        (text("error"), text("cause"))
    };
    let absolute = folder.path().join("secret.json");
    for path in ["missing.json", "../secret.json", "link.json", "up/secret.json", absolute.to_str().unwrap()]
    {
        let (error, cause) = failure(path, "x.json");
        assert_eq!(error, "States.ItemReaderFailed", "{path}: {cause}");
        assert!(cause.starts_with(path), "{cause}");
    }
    for to in ["../x.json", "up/x.json", "/x.json", "items.json/x"] {
        let (error, cause) = failure("items.json", to);
        assert_eq!(error, "States.ResultWriterFailed", "{to}: {cause}");
    }
    assert!(!folder.path().join("x.json").exists());
    assert_eq!(failure("twice.csv", "x.json").1, "CSV headers cannot contain duplicates.");
    assert_eq!(failure("number.json", "x.json").1, "Attempting to map over non-iterable node.");
    let reader =
        json!({"Resource": "arn:aws:states:::sluice:listFiles", "Parameters": {"Pattern": "**/*.{txt,csv}"}});
    let listed = output(&server, &start(&server, "list", &over(&reader, None), &json!({})));
    let listed = listed.as_array().unwrap().iter().map(|it| (&it["Path"], &it["Size"]));
    let expected = [(&json!("more/b.txt"), &json!(4)), (&json!("twice.csv"), &json!(8))];
    assert_eq!(listed.collect::<Vec<_>>(), expected);
}

#[test]
fn without_a_folder_no_file_is_read() {
    let folder = Folder::with(&[("items.json", "[1]")]);
    let server = Server::start(&folder);
    let reader =
        json!({"Resource": "arn:aws:states:::sluice:readFile", "Parameters": {"Path": "items.json"}});
    let described = ended(&server, &start(&server, "none", &over(&reader, None), &json!({})));
    assert_eq!(described["error"], "States.ItemReaderFailed");
    assert!(described["cause"].as_str().unwrap().contains("--files DIR"), "{described}");
    let refused = folder.call(&["server", "--data", "other", "--files", "items.json"]);
    assert_eq!(refused.exit, 2, "{}", refused.stderr);
}

/// An S3 of which each request is taken by hand.
struct Bucket(TcpListener);

/// A request to it that waits for its answer.
struct Asked {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Bucket {
    fn asked(&self) -> Asked {
        let mut stream = BufReader::new(self.0.accept().unwrap().0);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.to_ascii_lowercase());
        }
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        Asked { stream, line: lines.swap_remove(0), body }
    }
}

impl Asked {
    fn answer(mut self, body: &str) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
        self.body
    }
}

#[test]
fn a_crash_while_items_are_read_or_results_written_does_it_again() {
    let folder = Folder::with(&[]);
    let bucket = Bucket(TcpListener::bind("127.0.0.1:0").unwrap());
    let endpoint = format!("http://{}", bucket.0.local_addr().unwrap());
    let start_server = || {
        let mut command = folder.command(&["server", "--addr", "127.0.0.1:0", "--data", "data"]);
        command.env("AWS_ENDPOINT_URL_S3", &endpoint).env("no_proxy", "*");
        Server::spawn(command)
    };
    let server = start_server();
    let at = json!({"Bucket": "shop", "Key": "items.jsonl"});
    let reader = json!({"Resource": "arn:aws:states:::s3:getObject", "Parameters": at});
    let writer = json!({"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "shop", "Prefix": "out"}});
    let execution = start(&server, "copy", &over(&reader, Some(&writer)), &json!({}));
    let unanswered = bucket.asked();
    assert!(unanswered.line.starts_with("get /shop/items.jsonl "), "{}", unanswered.line);
    server.kill();
    drop(unanswered);
    let server = start_server();
    bucket.asked().answer("1\n2\n3\n");
    let unanswered = bucket.asked();
    assert!(unanswered.line.starts_with("put /shop/out/"), "{}", unanswered.line);
    let first = (unanswered.line.clone(), unanswered.body.clone());
    server.kill();
    drop(unanswered);
    let server = start_server();
    let second = bucket.asked();
    assert_eq!((&second.line, &second.body), (&first.0, &first.1), "the same is written to the same place");
    let records: Vec<Value> = serde_json::from_slice(&second.answer("")).unwrap();
    assert_eq!(records.iter().map(|it| &it["Output"]).collect::<Vec<_>>(), ["1", "2", "3"]);
    let manifest: Value = serde_json::from_slice(&bucket.asked().answer("")).unwrap();
    let output = output(&server, &execution);
    assert_eq!(manifest["MapRunArn"], output["MapRunArn"]);
    let key = output["ResultWriterDetails"]["Key"].as_str().unwrap();
    assert!(key.starts_with("out/") && key.ends_with("/manifest.json"), "{key}");
    let run = json!({"mapRunArn": output["MapRunArn"]});
    let run = act(&server.url, "DescribeMapRun", &run).unwrap().json(200);
    assert_eq!(
        (&run["executionCounts"]["total"], &run["itemCounts"]["resultsWritten"]),
        (&json!(3), &json!(3))
    );
    server.stop();
}

#[test]
fn s3_as_another_server_speaks_it() {
    let Some(python) = boto::python() else { return };
    let folder = Folder::with(&[]);
    let program = repository().join("crates/cli/tests/aws/items_client.py").canonicalize().unwrap();
    let sluice = folder.command(&[]).get_program().to_owned();
    let tests =
        Command::new(python).arg(program).env("SLUICE_BINARY", sluice).current_dir(folder.path()).output();
    let tests = tests.unwrap();
    let report = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success() && !report.contains("Ran 0 tests"), "{report}");
}
