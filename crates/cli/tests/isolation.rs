//! What a hostile Python function of one app can reach: nothing of another app, of the server or of the host.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::Value;
use std::net::TcpListener;
use tool::server::Server;
use tool::{Folder, called};

/// The victim holds an object in shared memory while the attacker runs.
const VICTIM: &str = "
import sluicegate as sg, time
app = sg.App('victim')
items, kept = app.bucket('items'), app.bucket('kept', keep=True)

@app.function(on=items.each(), into=kept)
def hold(item, ctx):
    ctx.put(kept, 'large', b'THE-VICTIMS-SECRET' * 20_000)
    secret = bytes(item.data)
    while not ctx.cancelled:
        time.sleep(0.01)
";

/// Each attempt gives None, or what it got.
const ATTACKER: &str = r#"
import glob, json, os, socket, sys
import sluicegate as sg

app = sg.App('attacker', network='none')
NEEDLES = [b'THE-VICTIMS-SECRET', b'THE-SERVERS-TOKEN']

def tried(attack, *arguments):
    try:
        return attack(*arguments)
    except Exception as refused:
        return None

def read(path):
    with open(path, 'rb') as file:
        return file.read(1 << 24)

def write(path):
    with open(path, 'ab') as file:
        file.write(b'x')
    return 'written'

def connect(address):
    with socket.create_connection(address, timeout=5):
        return 'connected'

def search(paths):
    """Files that hold somebody else's secret."""
    found = []
    for path in paths:
        data = tried(read, path)
        if data and any(needle in data for needle in NEEDLES):
            found.append(path)
    return found or None

def files(root):
    """Files below a folder, but for the app's own, the SDK's and Python's: the folders above those are seen, empty."""
    own = tuple(os.path.dirname(os.path.abspath(file)) for file in (__file__, sg.__file__)) + (sys.base_prefix,)
    below = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    return [path for path in below if not path.startswith(own)] or None

def memory():
    """The secret in this process's shared memory, or in any descriptor it has."""
    found = []
    for fd in os.listdir('/proc/self/fd'):
        try:
            size = os.fstat(int(fd)).st_size
            data = os.pread(int(fd), min(size, 1 << 28), 0)
        except OSError:
            continue
        if any(needle in data for needle in NEEDLES):
            found.append(fd)
    return found or None

def foreign_processes():
    """Processes that do not belong to this app."""
    lines = [tried(read, f'/proc/{pid}/cmdline') or b'' for pid in os.listdir('/proc') if pid.isdigit()]
    return [line.decode() for line in lines if b'\0server\0' in line] or None

@app.function(on=app.input.each(), retries=0)
def attack(given):
    paths, port = given.value['paths'], given.value['port']
    here = os.path.abspath(__file__)
    return {
        'runs': 'yes',
        'shadow': tried(lambda: read('/etc/shadow').decode()),
        'root': files('/root'),
        'home': files('/home'),
        'paths': [path for path in paths if files(path) or tried(read, path)] or None,
        'bundle': tried(write, here),
        'beside': tried(write, os.path.join(os.path.dirname(here), 'new.py')),
        'replaced': tried(lambda: os.unlink(here) or 'removed'),
        'sdk': tried(write, sg.__file__),
        'processes': foreign_processes(),
        'environment': search(glob.glob('/proc/[0-9]*/environ')) if not any(n in str(os.environ).encode() for n in NEEDLES) else 'own',
        'descriptors': search(glob.glob('/proc/[0-9]*/fd/*')),
        'memory': memory(),
        'mem': search(glob.glob('/proc/[0-9]*/root/proc/1/environ')),
        'network': tried(connect, ('127.0.0.1', port)),
        'network6': tried(connect, ('::1', port)),
        'packet': tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) and 'made'),
        'signal': tried(lambda: os.kill(given.value['pid'], 0) or 'sent'),
        'setuid': tried(lambda: os.setuid(0) or os.getuid()),
        'mount': tried(lambda: os.system('mount -t tmpfs none /mnt 2>/dev/null') == 0 or None),
    }
"#;

#[test]
fn a_hostile_function_reaches_nothing_that_is_not_its_own() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "full isolation needs root");
        eprintln!("skipped: full isolation needs root");
        return;
    }
    let folder = Folder::with(&[
        ("victim/app.py", VICTIM),
        ("attacker/app.py", ATTACKER),
        ("secret", "THE-VICTIMS-SECRET"),
    ]);
    let mut command = folder.command(&["server", "--addr", "127.0.0.1:0", "--data", "data"]);
    command.env("SLUICE_TOKEN", "THE-SERVERS-TOKEN");
    let server = Server::spawn(command);
    let call = |arguments: &[&str]| {
        server.call(&folder, &[arguments, &["--token", "THE-SERVERS-TOKEN"]].concat()).json()
    };
    call(&["deploy", "victim"]);
    call(&["start", "victim", "--id", "v", "--put", "items=secret"]);
    wait_for_large(&call);
    // The attacker is told where to look.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let data = folder.path().join("data");
    let paths: Vec<_> = ["", "log", "store.redb", "../secret"].iter().map(|name| data.join(name)).collect();
    let input = serde_json::json!({"paths": paths, "port": listener.local_addr().unwrap().port(), "pid": server.pid()});
    call(&["deploy", "attacker"]);
    let run = call(&["start", "attacker", "--input", &input.to_string(), "--wait"]);
    let got = run["outputs"]["input"].as_object().unwrap_or_else(|| panic!("{run}"));
    assert_eq!(got["runs"], "yes");
    let reached: Vec<_> = got.iter().filter(|(what, got)| *what != "runs" && !got.is_null()).collect();
    assert!(reached.is_empty(), "{reached:#?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "a connection came through");
}

/// Until the victim's large object is there: it lies in shared memory while the victim still runs.
fn wait_for_large(call: &dyn Fn(&[&str]) -> Value) {
    let is_there = || {
        let events = call(&["runs", "history", "v"])["events"].clone();
        events.as_array().unwrap().iter().any(|event| event["key"] == "large")
    };
    let began = std::time::Instant::now();
    while !is_there() {
        assert!(began.elapsed().as_secs() < 60, "the victim does not start");
    }
}

#[test]
fn the_same_attempts_succeed_where_they_may() {
    // Otherwise the test above could pass because its attempts are wrong.
    let app = ATTACKER.replace(", network='none'", "");
    let folder = Folder::with(&[("app.py", &app)]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let input = serde_json::json!({"paths": ["/usr/share"], "port": port, "pid": 1}).to_string();
    let called = folder.call(&["run", "app.py", "--json", "--input", &input]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let got = &called.json()["outputs"]["input"];
    assert_eq!((&got["network"], &got["packet"]), (&"connected".into(), &"made".into()), "{got}");
    assert_eq!(got["paths"], serde_json::json!(["/usr/share"]));
}

#[test]
fn what_whoever_starts_sluice_left_open_reaches_no_function_and_stands_in_no_way() {
    let app = "
import os, sluicegate as sg
app = sg.App('descriptors')

@app.function(on=app.input)
def own(_):
    return sorted({os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')})
";
    let folder = Folder::with(&[("app.py", app), ("secret.txt", "of the caller")]);
    let sluice = folder.command(&["run", "app.py", "--json", "--input", "1"]);
    let mut shell = std::process::Command::new("bash");
    let opened = (3..10).map(|fd| format!("{fd}<secret.txt ")).collect::<String>();
    shell.args(["-c", &format!("exec {opened}; exec \"$0\" \"$@\"")]);
    shell.arg(sluice.get_program()).args(sluice.get_args()).current_dir(folder.path());
    let called = called(shell.output().unwrap());
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let open = called.json()["outputs"]["input"].to_string();
    assert!(open.contains("socket") && !open.contains("secret.txt"), "{open}");
}
