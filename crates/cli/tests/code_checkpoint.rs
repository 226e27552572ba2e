//! Workflows written as code that take checkpoints: they go on from there, whatever is lost, and nobody reads what was before.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::path::Path;
use tool::Folder;
use tool::server::Server;

const HEAD: &str = "
import os
import sluicegate as sg

app = sg.App('flow')

@app.function()
def double(x: int):
    return x * 2
";

fn folder(body: &str) -> Folder {
    let body: String = body.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
    Folder::with(&[("app.py", &format!("{HEAD}\n@app.workflow\nasync def flow(ctx, input):\n{body}"))])
}

fn start(folder: &Folder) -> Server {
    let server = Server::start(folder);
    server.call(folder, &["deploy", "app.py"]);
    let body = json!({"id": "r", "workflow": "flow", "input": null}).to_string();
    server.ask("POST", "/v1/apps/flow/runs", body.as_bytes()).json(202);
    server
}

/// kill -9, and another one.
fn restarted(folder: &Folder, server: Server) -> Server {
    server.kill();
    Server::start(folder)
}

fn signal(server: &Server, folder: &Folder, name: &str, data: &Value) {
    server.call(folder, &["runs", "signal", "r", name, "--data", &data.to_string()]);
}

fn query(server: &Server, name: &str) -> Value {
    let answer = server.ask("POST", &format!("/v1/runs/r/queries/{name}"), b"{}");
    answer.json(200)["result"].clone()
}

/// Waits until a query has this answer.
fn until(server: &Server, name: &str, is: impl Fn(&Value) -> bool) {
    tool::until(name, || is(&query(server, name)));
}

fn output(server: &Server) -> Value {
    let run = server.ask("GET", "/v1/runs/r?wait=60s", b"").json(200);
    assert_eq!(run["status"], "succeeded", "{run}");
    run["outputs"]["flow"].clone()
}

/// A number of `/metrics`.
fn metric(server: &Server, name: &str) -> u64 {
    let text = String::from_utf8(server.ask("GET", "/metrics", b"").body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("sluice_{name} "))).unwrap();
    line.parse().unwrap()
}

/// The number of the last line of the run's history.
fn history_lines(server: &Server) -> u64 {
    let (mut last, mut after) = (0, 0);
    loop {
        let page = server.ask("GET", &format!("/v1/runs/r/history?limit=10000&after={after}"), b"").json(200);
        match page["events"].as_array().unwrap().last() {
            Some(line) if line["seq"].as_u64().unwrap() > last => last = line["seq"].as_u64().unwrap(),
            _ => return last,
        }
        after = last;
    }
}

#[test]
fn crashes_change_nothing_of_twenty_thousand_events() {
    let folder = folder(
        "
state = ctx.state or {'round': 0, 'total': 0}
ctx.on_query('round', lambda: state['round'])
while state['round'] < 20:
    # A thousand events: each of five hundred commands is wanted, and done.
    await ctx.gather(*(ctx.sleep(0) for _ in range(490)))
    doubled = await ctx.map(double, [state['round'] * 10 + n for n in range(10)])
    state['total'] += sum(doubled)
    state['round'] += 1
    await ctx.checkpoint(state)
await ctx.wait_event('go')
return [state, ctx.state == state]
",
    );
    let mut server = start(&folder);
    for crash in 1..=3 {
        until(&server, "round", |round| round.as_u64() >= Some(crash * 5));
        match crash {
            2 => server.kill_workers(),
            _ => server = restarted(&folder, server),
        }
    }
    until(&server, "round", |round| *round == 20);
    server = restarted(&folder, server);
    assert_eq!(query(&server, "round"), 20);
    signal(&server, &folder, "go", &json!(null));
    let total: u64 = (0..200).map(|n| n * 2).sum();
    assert_eq!(output(&server), json!([{"round": 20, "total": total}, true]));
    let (read, lines) = (metric(&server, "history_lines_read_total"), history_lines(&server));
    assert!(lines > 20_000, "{lines}");
    // The query and the turn were told what came since the checkpoint, each by a worker that knew nothing.
    assert!(0 < read && read < 2 * 1_500, "{read} of {lines} lines were read");
    server.stop();
}

#[test]
fn what_nobody_has_taken_at_a_checkpoint_is_there_after_it() {
    let folder = folder(
        "
done = ctx.state or []
ctx.on_query('done', lambda: done)
if not done:
    new = ctx.patched('new')
    await ctx.wait_event('begin')
    done = [await ctx.wait_event('n'), new, ctx.random.random()]
    await ctx.checkpoint(done)
ctx.on_update('late', lambda text: text + '!')
now, chance, new = str(ctx.now()), ctx.random.random(), ctx.patched('new')
await ctx.wait_event('go')
rest = [await ctx.wait_event('n') for _ in range(2)]
return [done[:2], rest, [now, chance, str(ctx.uuid4()), new], await ctx.call(double, len(str(chance)))]
",
    );
    let server = start(&folder);
    for n in 1..=3 {
        signal(&server, &folder, "n", &json!(n));
    }
    let update = json!({"id": "u", "value": "done"}).to_string();
    server.ask("POST", "/v1/runs/r/updates/late", update.as_bytes());
    signal(&server, &folder, "begin", &json!(null));
    until(&server, "done", |done| *done != json!([]));
    let server = restarted(&folder, server);
    let update = server.ask("POST", "/v1/runs/r/updates/late?wait=60s", update.as_bytes()).json(200);
    assert_eq!(update["result"], "done!", "{update}");
    signal(&server, &folder, "go", &json!(null));
    let output = output(&server);
    assert_eq!((&output[0], &output[1], &output[2][3]), (&json!([1, true]), &json!([2, 3]), &json!(true)));
    server.stop();
}

/// Sizes of the large files under a folder.
fn large(dir: &Path, sizes: &mut Vec<u64>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        match metadata.is_dir() {
            true => large(&entry.path(), sizes),
            false if (200_000..210_000).contains(&metadata.len()) => sizes.push(metadata.len()),
            false => {}
        }
    }
}

#[test]
fn large_states_go_with_the_next_checkpoint() {
    let folder = folder(
        "
state = ctx.state or {'round': 0, 'seen': b''}
ctx.on_query('round', lambda: state['round'])
while state['round'] < 10:
    blob = ctx.record('blob', lambda: os.urandom(200_000))
    await ctx.sleep(0)
    state = {'round': state['round'] + 1, 'seen': blob}
    await ctx.checkpoint(state)
await ctx.wait_event('go')
return [state['round'], len(state['seen']), ctx.state == state]
",
    );
    let server = start(&folder);
    until(&server, "round", |round| *round == 10);
    let server = restarted(&folder, server);
    assert_eq!(query(&server, "round"), 10);
    signal(&server, &folder, "go", &json!(null));
    assert_eq!(output(&server), json!([10, 200_000, true]));
    server.stop();
    let mut sizes = Vec::new();
    large(&folder.path().join("data"), &mut sizes);
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn a_deploy_is_checked_from_the_checkpoint_on() {
    let body = |before: &str, after: &str| {
        format!(
            "
ctx.on_query('state', lambda: ctx.state)
if ctx.state is None:
    await ctx.call(double, {before})
    await ctx.checkpoint(1)
await ctx.call(double, {after})
await ctx.wait_event('go')
"
        )
    };
    let folder = folder(&body("1", "2"));
    let server = start(&folder);
    until(&server, "state", |state| *state == 1);
    let write = |body: &str| {
        let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
        folder.write("app.py", &format!("{HEAD}\n@app.workflow\nasync def flow(ctx, input):\n{body}"));
    };
    write(&body("1", "3"));
    let error = server.try_call(&folder, &["deploy", "app.py", "--check"]).error(2);
    let told = "command 3: expected `call double`, the code wants `call double` with another value";
    assert!(error["message"].as_str().unwrap().contains(told), "{error}");
    // What was before the checkpoint is of no concern.
    write(&body("4", "2"));
    assert_eq!(server.call(&folder, &["deploy", "app.py", "--check"]).json()["version"], 2);
    server.stop();
}
