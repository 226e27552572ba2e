//! AWS Lambda on the wire, as the real boto3 speaks it to the built binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use tool::Folder;
use tool::boto::check;
use tool::server::Server;

/// The program of the tests, beside this file.
const TESTS: &str = "lambda_client.py";

#[track_caller]
fn check_on_new_server(class: &str) {
    let folder = Folder::with(&[]);
    let server = Server::start(&folder);
    check(TESTS, class, &server, &folder);
    server.stop();
}

#[test]
fn functions() {
    check_on_new_server("Functions");
}

#[test]
fn versions_and_aliases() {
    check_on_new_server("Versions");
}

#[test]
fn invocations() {
    check_on_new_server("Invocations");
}

#[test]
fn runtimes_of_their_own() {
    check_on_new_server("Provided");
}

#[test]
fn a_signature_takes_the_place_of_the_token() {
    let folder = Folder::with(&[]);
    let mut command =
        folder.command(&["server", "--addr", "127.0.0.1:0", "--data", "data", "--token", "t0ken"]);
    command.args(["--aws-access-key-id", "AKID", "--aws-secret-access-key", "s3cret"]);
    let server = Server::spawn(command);
    check(TESTS, "Signatures", &server, &folder);
    let unsigned = server.ask("GET", "/2015-03-31/functions", b"");
    assert_eq!(unsigned.json(403)["__type"], "MissingAuthenticationTokenException");
    assert_eq!(server.ask("GET", "/v1/apps", b"").status, 401, "a signature opens nothing else");
}

#[test]
fn what_was_answered_survives_a_crash() {
    let folder = Folder::with(&[]);
    let server = Server::start(&folder);
    check(TESTS, "BeforeCrash", &server, &folder);
    server.kill();
    let server = Server::start(&folder);
    check(TESTS, "AfterCrash", &server, &folder);
}
