//! A real node, end to end, with functions in Wasm: what it accepts is done, once, and survives a restart.

use bytes::Bytes;
use sluice_engine::Status;
use sluice_runtime::api::{DeployRequest, NewObject, RunView, StartRequest};
use sluice_runtime::shard::UNNAMED;
use sluice_runtime::{Node, NodeConfig, NodeHandle};
use sluice_storage::RunStore;
use sluice_storage::disk::RealDisk;
use sluice_storage::store::StoreOptions;
use sluice_types::{
    Action, Bucket, BucketIx, Code, Condition, ContentType, Durability, Function, FunctionIx, ObjectId,
    Program, Runtime, Scope, Source, Trigger,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Returns its input.
const ECHO: &str = r#"(module
  (import "sluice" "input_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "sluice" "input_len" (func $len (param i32) (result i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 16)
  (func (export "run")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 0) (call $len (i32.const 0))))
    (call $ret (i32.const 0) (call $len (i32.const 0)) (i32.const 2))))"#;

/// Returns how many inputs it has, as one digit.
const COUNT: &str = r#"(module
  (import "sluice" "input_count" (func $count (result i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "run")
    (i32.store8 (i32.const 0) (i32.add (i32.const 48) (call $count)))
    (call $ret (i32.const 0) (i32.const 1) (i32.const 2))))"#;

const TRAP: &str = r#"(module (memory (export "memory") 1) (func (export "run") unreachable))"#;

fn trigger(name: &str, condition: Condition, function: u16) -> Trigger {
    Trigger {
        name: name.into(),
        scope: Scope::Run,
        condition,
        actions: vec![Action::Invoke(FunctionIx(function))],
        optional: false,
    }
}

/// texts -each-> echo -> parts -join-> count -> output
fn app(first: &str, durability: Durability) -> DeployRequest {
    let bucket = |name: &str| Bucket { name: name.into(), keep: false };
    let from = |bucket: u16| Source { bucket: BucketIx(bucket), when: None };
    let wasm =
        |name: &str| Function::new(name, Runtime::Wasm { module: format!("{name}.wat"), fresh: false });
    let mut echo = wasm("echo");
    echo.into = vec![BucketIx(3)];
    echo.retry.initial_ms = 1;
    let program = Program {
        app: "app".into(),
        durability,
        buckets: ["input", "output", "texts", "parts"].map(bucket).into(),
        functions: vec![echo, wasm("count")],
        triggers: vec![
            trigger("echo", Condition::Each(from(2)), 0),
            trigger("count", Condition::Join { from: from(3), of: FunctionIx(0) }, 1),
        ],
        workflows: Vec::new(),
    };
    let files = [("echo.wat", first), ("count.wat", COUNT)];
    DeployRequest {
        program: Arc::new(program),
        definition: Bytes::new(),
        files: files.map(|(name, text)| (name.to_owned(), Bytes::copy_from_slice(text.as_bytes()))).into(),
        reset_triggers: Vec::new(),
    }
}

fn start(dir: &Path) -> Node {
    Node::start(NodeConfig::new(dir, dir, "/nonexistent")).expect("the node starts")
}

fn texts(count: usize) -> Vec<NewObject> {
    let object = |i: usize| NewObject {
        bucket: "texts".into(),
        key: format!("{i}.txt"),
        content_type: ContentType::Text,
        bytes: Bytes::from(format!("text {i}")),
    };
    (0..count).map(object).collect()
}

async fn run(node: &NodeHandle, id: &str, objects: Vec<NewObject>) -> RunView {
    let request = StartRequest {
        app: "app".into(),
        id: Some(id.into()),
        objects,
        seal: true,
        ..StartRequest::default()
    };
    let started = node.start(request).await.expect("the run starts");
    node.wait(&started.run, Duration::from_secs(20)).await.expect("the run is known")
}

fn outputs(view: &RunView) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    view.outputs.iter().map(|output| (output.key.to_string(), text(&output.bytes))).collect()
}

#[tokio::test]
async fn a_join_sees_every_object_once_durable_and_express() {
    for durability in [Durability::Durable, Durability::Express] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let node = start(dir.path());
        let handle = node.handle();
        handle.deploy(app(ECHO, durability)).await.expect("the app deploys");
        let view = run(&handle, "a", texts(7)).await;
        assert_eq!(view.status, Status::Succeeded, "{:?}", view.error);
        assert_eq!(outputs(&view), BTreeMap::from([("count".into(), "7".into())]));
        assert_eq!(view.functions[0].tally.succeeded, 7);
        let empty = run(&handle, "b", Vec::new()).await;
        assert_eq!(outputs(&empty), BTreeMap::from([("count".into(), "0".into())]));
        node.stop().expect("the node stops");
    }
}

#[tokio::test]
async fn ids_are_idempotent_and_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    node.handle().deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
    let first = run(&node.handle(), "same", texts(3)).await;
    node.stop().expect("the node stops");

    let node = start(dir.path());
    let handle = node.handle();
    let request = |count| StartRequest {
        app: "app".into(),
        id: Some("same".into()),
        objects: texts(count),
        seal: true,
        ..StartRequest::default()
    };
    assert!(handle.start(request(3)).await.expect("the same request").existing);
    let conflict = handle.start(request(4)).await.expect_err("another request");
    assert_eq!(conflict.code, Code::RUN_ID_CONFLICT);
    let again = handle.run("same").await.expect("the run is kept");
    assert_eq!((again.status, outputs(&again)), (Status::Succeeded, outputs(&first)));
    let same_deploy = handle.deploy(app(ECHO, Durability::Durable)).await.expect("the same app");
    assert!(!same_deploy.changed);
    assert_eq!(
        handle.history("same", 0, 100).await.expect("a history").last().expect("lines").r#type,
        "RunEnded"
    );
}

#[tokio::test]
async fn a_join_that_lost_its_source_names_the_keys() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    let handle = node.handle();
    handle.deploy(app(TRAP, Durability::Durable)).await.expect("the app deploys");
    let view = run(&handle, "a", texts(2)).await;
    assert_eq!(view.status, Status::Failed);
    let error = view.error.expect("a reason");
    assert_eq!(error.code, Code::JOIN_CANNOT_COMPLETE);
    assert!(error.message.contains("\"count\"") && error.message.contains("\"0.txt\", \"1.txt\""), "{error}");
    assert_eq!(view.functions[0].tally.retried, 4, "two invocations, three attempts each");
}

#[tokio::test]
async fn an_unsealed_run_waits_for_its_objects() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    let handle = node.handle();
    handle.deploy(app(ECHO, Durability::Express)).await.expect("the app deploys");
    let request = StartRequest { app: "app".into(), id: Some("open".into()), ..StartRequest::default() };
    handle.start(request).await.expect("the run starts");
    for object in texts(4) {
        handle.put("app", Some("open"), object).await.expect("the put is taken");
    }
    let running = handle.run("open").await.expect("the run is known");
    assert_eq!(running.status, Status::Running);
    handle.seal("open").await.expect("the seal is taken");
    let view = handle.wait("open", Duration::from_secs(20)).await.expect("the run is known");
    assert_eq!(outputs(&view), BTreeMap::from([("count".into(), "4".into())]));
    let late = texts(5).pop().expect("an object");
    assert_eq!(handle.put("app", Some("open"), late).await.expect_err("too late").code, Code::RUN_ENDED);
}

#[tokio::test]
async fn large_objects_are_passed_on_and_survive() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    let handle = node.handle();
    handle.deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
    let large = NewObject { bytes: Bytes::from(vec![b'x'; 300_000]), ..texts(1).remove(0) };
    let request = StartRequest {
        app: "app".into(),
        id: Some("large".into()),
        objects: vec![large.clone()],
        seal: true,
        ..StartRequest::default()
    };
    handle.start(request).await.expect("the run starts");
    let view = handle.wait("large", Duration::from_secs(20)).await.expect("the run is known");
    assert_eq!(view.status, Status::Succeeded, "{:?}", view.error);
    node.stop().expect("the node stops");
    let node = start(dir.path());
    let kept = node.handle().object("app", Some("large"), "texts", "0.txt").await.expect("inputs are kept");
    assert_eq!(kept.bytes, large.bytes);
    let gone =
        node.handle().object("app", Some("large"), "parts", "0.txt").await.expect_err("intermediates go");
    assert_eq!(gone.code, Code::OBJECT_RELEASED);
}

/// Every file below a folder, relative to it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it has a name").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir).expect("it lies below").to_owned());
            }
        }
    }
    found
}

/// What a crash leaves: the disk as it is while the node lives, without a checkpoint.
fn image(dir: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().expect("a temporary folder");
    for file in files(dir) {
        let to = image.path().join(&file);
        std::fs::create_dir_all(to.parent().expect("it has a folder")).expect("the folder can be made");
        std::fs::copy(dir.join(file), to).expect("the file can be copied");
    }
    image
}

/// Files of objects.
fn objects(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|file| file.starts_with("objects")).collect()
}

#[tokio::test]
async fn what_waited_at_a_checkpoint_is_removed_unless_a_later_record_names_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    node.handle().deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
    let large = || vec![NewObject { bytes: Bytes::from(vec![b'x'; 300_000]), ..texts(1).remove(0) }];
    run(&node.handle(), "before", large()).await;
    node.stop().expect("the node stops");
    let before = objects(dir.path());
    let node = start(dir.path());
    run(&node.handle(), "after", large()).await;
    let image = image(dir.path());
    node.stop().expect("the node stops");
    let named = objects(image.path());
    let id = |file: &Path| {
        let name = file.file_name().expect("a name").to_string_lossy();
        ObjectId(u64::from_str_radix(&name, 16).expect("an id"))
    };
    let after = named.iter().find(|file| !before.contains(file)).expect("both inputs are kept");
    let orphan = ObjectId(id(&before[0]).0 - 1);
    let orphan_file = image.path().join(format!("objects/objects/{:02x}/{:016x}", orphan.0 as u8, orphan.0));
    std::fs::create_dir_all(orphan_file.parent().expect("it has a folder")).expect("the folder can be made");
    std::fs::write(&orphan_file, [b'x'; 300_000]).expect("the file can be written");
    let store = RunStore::open(&RealDisk, &image.path().join("store.redb"), &StoreOptions::default());
    let store = store.expect("the store is whole");
    let mut batch = store.begin();
    batch.put_meta(UNNAMED, &postcard::to_stdvec(&[orphan, id(after)].to_vec()).expect("ids are plain data"));
    batch.commit(store.checkpoint_lsn().expect("it is there")).expect("there is a disk");
    drop(store);
    let node = start(image.path());
    assert_eq!(objects(image.path()), named);
    node.stop().expect("the node stops");
}

#[tokio::test]
async fn what_no_record_names_is_swept_after_a_crash_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let node = start(dir.path());
    let handle = node.handle();
    handle.deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
    let large = |byte| NewObject { bytes: Bytes::from(vec![byte; 300_000]), ..texts(1).remove(0) };
    run(&handle, "before", vec![large(b'x')]).await;
    let image = image(dir.path());
    node.stop().expect("the node stops");
    let [named] = &*objects(image.path()) else { panic!("only the input is left") };
    let orphan = named.with_file_name(format!("{}0", named.file_name().expect("a name").display()));
    let spilled = named.with_added_extension("new");
    for file in [&orphan, &spilled] {
        std::fs::write(image.path().join(file), [b'x'; 300_000]).expect("the file can be written");
    }
    let node = start(image.path());
    assert_eq!(&objects(image.path()), std::slice::from_ref(named));
    let kept = node.handle().object("app", Some("before"), "texts", "0.txt").await.expect("inputs are kept");
    assert_eq!(kept.bytes, large(b'x').bytes);
    run(&node.handle(), "after", vec![large(b'y')]).await;
    node.stop().expect("the node stops");
    let node = start(image.path());
    for (id, byte) in [("before", b'x'), ("after", b'y')] {
        let kept = node.handle().object("app", Some(id), "texts", "0.txt").await.expect("inputs are kept");
        assert_eq!(kept.bytes, large(byte).bytes, "named before the checkpoint");
    }
}

#[tokio::test]
async fn a_history_is_the_same_in_memory_in_the_store_and_after_a_restart() {
    let (mut told, dir) = (Vec::new(), tempfile::tempdir().expect("a temporary folder"));
    for checkpoint_bytes in [u64::MAX, 1] {
        let dir = dir.path().join(checkpoint_bytes.to_string());
        let config = NodeConfig { checkpoint_bytes, ..NodeConfig::new(&dir, &dir, "/nonexistent") };
        let node = Node::start(config.clone()).expect("the node starts");
        let handle = node.handle();
        handle.deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
        let open = StartRequest {
            app: "app".into(),
            id: Some("h".into()),
            objects: texts(300),
            seal: false,
            ..StartRequest::default()
        };
        handle.start(open).await.expect("the run starts");
        for number in 300..320 {
            let object = texts(number + 1).pop().expect("one");
            handle.put("app", Some("h"), object).await.expect("the object is taken");
        }
        handle.seal("h").await.expect("the run is sealed");
        handle.wait("h", Duration::from_secs(20)).await.expect("the run ends");
        told.push(pages(&handle).await);
        node.stop().expect("the node stops");
        let node = Node::start(config).expect("the node starts");
        told.push(pages(&node.handle()).await);
        node.stop().expect("the node stops");
    }
    assert_eq!(told[0].len(), 1 + 320 * 5 + 1 + 4 + 1, "{:?}", told[0].last());
    let kinds = |lines: &Vec<(u64, String)>| {
        let mut kinds: Vec<String> = lines.iter().map(|(_, kind)| kind.clone()).collect();
        kinds.sort_unstable();
        kinds
    };
    for lines in &told {
        assert!(lines.iter().map(|(seq, _)| *seq).eq(1..=lines.len() as u64), "numbered without gaps");
        assert_eq!(kinds(lines), kinds(&told[0]));
    }
    assert_eq!((&told[0], &told[2]), (&told[1], &told[3]), "as before the restart");
}

/// A history, read in pages of odd sizes.
async fn pages(node: &NodeHandle) -> Vec<(u64, String)> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |(seq, _)| *seq);
        let page = node.history("h", after, 77).await.expect("a page");
        if page.is_empty() {
            return lines;
        }
        lines.extend(page.into_iter().map(|line| (line.seq, line.r#type)));
    }
}

#[tokio::test]
async fn ended_runs_are_forgotten_when_their_time_is_over_and_others_stay() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = |retention_ms| NodeConfig {
        retention_ms,
        checkpoint_bytes: 1,
        ..NodeConfig::new(dir.path(), dir.path(), "/nonexistent")
    };
    let node = Node::start(config(None)).expect("the node starts");
    let handle = node.handle();
    handle.deploy(app(ECHO, Durability::Durable)).await.expect("the app deploys");
    run(&handle, "over", texts(3)).await;
    let open =
        StartRequest { app: "app".into(), id: Some("open".into()), seal: false, ..StartRequest::default() };
    handle.start(open).await.expect("the run starts");
    node.stop().expect("the node stops");

    let node = Node::start(config(Some(0))).expect("the node starts");
    let handle = node.handle();
    let mut known = handle.run("over").await;
    while known.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        known = handle.run("over").await;
    }
    assert_eq!(known.expect_err("it is forgotten").code, Code::UNKNOWN_RUN);
    assert_eq!(handle.run("open").await.expect("it has not ended").status, Status::Running);
    assert!(!run(&handle, "over", texts(1)).await.run.is_empty(), "its id is free again");
    node.stop().expect("the node stops");
}
