//! The AWS command line, as it is published, against the built binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use tool::boto::python;
use tool::server::Server;
use tool::{Called, Folder, called};

const ROLE: &str = "arn:aws:iam::111111111111:role/any";
/// Fails until its input says that all is well, which a new revision does.
const MACHINE: &str = r#"{
  "StartAt": "Greet",
  "States": {
    "Greet": {"Type": "Pass", "Parameters": {"hi.$": "$.name"}, "Next": "Check"},
    "Check": {"Type": "Choice", "Choices": [{"Variable": "$.hi", "StringEquals": "nobody", "Next": "Nobody"}], "Default": "Done"},
    "Nobody": {"Type": "Fail", "Error": "NobodyThere", "Cause": "there is nobody to greet"},
    "Done": {"Type": "Succeed"}
  }
}"#;
const HANDLER: &str =
    "def handler(event, context):\n    print('seen', event)\n    return {'n': event['n'] + 1}\n";

/// `aws`, set up as the documentation says.
struct Aws {
    program: PathBuf,
    server: Server,
    folder: Folder,
}

impl Aws {
    /// With a server of its own; `None` where there is no `aws` and nobody insists.
    fn start(files: &[(&str, &str)]) -> Option<Self> {
        let program = python()?.with_file_name("aws");
        assert!(program.exists(), "there is no AWS command line; `.ci/python` installs it");
        let folder = Folder::with(files);
        let server = Server::start(&folder);
        Some(Self { program, server, folder })
    }

    fn try_call(&self, arguments: &[&str]) -> Called {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path());
        command.env("AWS_ENDPOINT_URL", &self.server.url).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any");
        for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(file, "/dev/null");
        }
        called(command.env("AWS_PAGER", "").env("NO_PROXY", "*").output().unwrap())
    }

    /// What a command answers; it has to succeed.
    #[track_caller]
    fn call(&self, arguments: &[&str]) -> Value {
        let called = self.try_call(arguments);
        assert_eq!(called.exit, 0, "{arguments:?}: {}", called.stderr);
        if called.stdout.trim().is_empty() { Value::Null } else { called.json() }
    }

    /// What an execution came to, once it has ended.
    fn ended(&self, execution: &str) -> Value {
        let parts: Vec<&str> = execution.split(':').collect();
        let run = format!("/v1/runs/{}~{}?wait=60s", parts[6], parts[7]);
        self.server.ask("GET", &run, b"").json(200);
        self.call(&["stepfunctions", "describe-execution", "--execution-arn", execution])
    }
}

#[test]
fn state_machines_are_created_started_read_and_taken_up_again() {
    let Some(aws) = Aws::start(&[("machine.json", MACHINE)]) else { return };
    let create = ["stepfunctions", "create-state-machine", "--name", "greet", "--role-arn", ROLE];
    let created = aws.call(&[&create[..], &["--definition", "file://machine.json"]].concat());
    let arn = created["stateMachineArn"].as_str().unwrap();
    let start = |input: &str| {
        let started =
            aws.call(&["stepfunctions", "start-execution", "--state-machine-arn", arn, "--input", input]);
        started["executionArn"].as_str().unwrap().to_owned()
    };
    let good = aws.ended(&start(r#"{"name": "ü"}"#));
    assert_eq!((&good["status"], &good["output"]), (&json!("SUCCEEDED"), &json!(r#"{"hi":"ü"}"#)));

    let bad = start(r#"{"name": "nobody"}"#);
    let failed = aws.ended(&bad);
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("NobodyThere")));
    aws.call(&["stepfunctions", "redrive-execution", "--execution-arn", &bad]);
    assert_eq!(aws.ended(&bad)["redriveCount"], 1);

    let history = ["stepfunctions", "get-execution-history", "--execution-arn", &bad];
    let pages = aws.call(&[&history[..], &["--page-size", "2"]].concat());
    let types: Vec<&str> =
        pages["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types.iter().filter(|kind| **kind == "ExecutionRedriven").count(), 1, "{types:?}");
    let newest = aws.call(&[&history[..], &["--reverse-order", "--max-items", "1"]].concat());
    assert_eq!(newest["events"][0]["executionFailedEventDetails"]["cause"], "there is nobody to greet");

    let list = ["stepfunctions", "list-executions", "--state-machine-arn", arn, "--status-filter", "FAILED"];
    assert_eq!(aws.call(&list)["executions"].as_array().unwrap().len(), 1);
    aws.call(&["stepfunctions", "delete-state-machine", "--state-machine-arn", arn]);
    let gone = aws.try_call(&["stepfunctions", "describe-state-machine", "--state-machine-arn", arn]);
    assert!(gone.exit != 0 && gone.stderr.contains("StateMachineDoesNotExist"), "{}", gone.stderr);
    aws.server.stop();
}

#[test]
fn what_is_wrong_with_a_definition_is_said() {
    let Some(aws) = Aws::start(&[("machine.json", &MACHINE.replace("\"Done\": {", "\"Don\": {"))]) else {
        return;
    };
    let validate =
        ["stepfunctions", "validate-state-machine-definition", "--definition", "file://machine.json"];
    let found = aws.call(&validate);
    assert_eq!(found["result"], "FAIL");
    assert_eq!(found["diagnostics"][0]["location"], "/States/Check/Default");
    aws.server.stop();
}

#[test]
fn functions_are_created_called_changed_and_deleted() {
    let Some(aws) = Aws::start(&[("app.py", HANDLER)]) else { return };
    let zip = |name: &str| {
        let code = format!("import zipfile; zipfile.ZipFile('{name}', 'w').write('app.py')");
        let made =
            Command::new(python().unwrap()).args(["-c", &code]).current_dir(aws.folder.path()).status();
        assert!(made.unwrap().success());
    };
    zip("one.zip");
    let create = ["lambda", "create-function", "--function-name", "count", "--runtime", "python3.13"];
    let code = ["--handler", "app.handler", "--role", ROLE, "--zip-file", "fileb://one.zip"];
    assert_eq!(aws.call(&[&create[..], &code].concat())["State"], "Active");
    let invoke = |more: &[&str]| {
        let call = ["lambda", "invoke", "--function-name", "count", "--payload", r#"{"n": 1}"#];
        let answer = aws.call(&[&call[..], more, &["out.json"]].concat());
        let out = std::fs::read(aws.folder.path().join("out.json")).unwrap();
        (answer, serde_json::from_slice::<Value>(&out).unwrap())
    };
    let (answer, out) = invoke(&["--log-type", "Tail", "--query", "{log: LogResult, status: StatusCode}"]);
    assert_eq!((&answer["status"], out), (&json!(200), json!({"n": 2})));
    assert!(answer["log"].as_str().unwrap().len() > 100, "{answer}");

    aws.folder.write("app.py", &HANDLER.replace("+ 1", "+ 10"));
    zip("two.zip");
    aws.call(&[
        "lambda",
        "update-function-code",
        "--function-name",
        "count",
        "--zip-file",
        "fileb://two.zip",
    ]);
    assert_eq!(invoke(&[]).1, json!({"n": 11}));
    aws.call(&["lambda", "delete-function", "--function-name", "count"]);
    let gone = aws.try_call(&["lambda", "get-function", "--function-name", "count"]);
    assert!(gone.exit != 0 && gone.stderr.contains("ResourceNotFoundException"), "{}", gone.stderr);
    aws.server.stop();
}
