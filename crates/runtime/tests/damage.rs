//! A real node over a store in which the state of one run cannot be read: that run is set aside, all others go on.

use bytes::Bytes;
use sluice_engine::Status;
use sluice_runtime::api::{DeployRequest, ListRequest, NewObject, StartRequest};
use sluice_runtime::{Node, NodeConfig, NodeHandle};
use sluice_storage::RunStore;
use sluice_storage::disk::RealDisk;
use sluice_storage::store::{RunIndex, StoreOptions};
use sluice_types::{
    Action, Bucket, BucketIx, Code, Condition, ContentType, Durability, Function, FunctionIx, Program,
    RunKey, Runtime, Scope, Source, Trigger,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const TRAP: &str = r#"(module (memory (export "memory") 1) (func (export "run") unreachable))"#;

/// texts -each-> trap, which fails twice, the second time a moment after the first.
fn app() -> DeployRequest {
    let bucket = |name: &str| Bucket { name: name.into(), keep: false };
    let mut trap = Function::new("trap", Runtime::Wasm { module: "trap.wat".into(), fresh: false });
    (trap.retry.attempts, trap.retry.initial_ms, trap.retry.jitter) = (2, 300, false);
    let trigger = Trigger {
        name: "trap".into(),
        scope: Scope::Run,
        condition: Condition::Each(Source { bucket: BucketIx(2), when: None }),
        actions: vec![Action::Invoke(FunctionIx(0))],
        optional: false,
    };
    let program = Program {
        app: "app".into(),
        durability: Durability::Durable,
        buckets: ["input", "output", "texts"].map(bucket).into(),
        functions: vec![trap],
        triggers: vec![trigger],
        workflows: Vec::new(),
    };
    DeployRequest {
        program: Arc::new(program),
        definition: Bytes::new(),
        files: [("trap.wat".to_owned(), Bytes::from_static(TRAP.as_bytes()))].into(),
        reset_triggers: Vec::new(),
    }
}

fn node(dir: &Path, checkpoint_bytes: u64) -> Node {
    let config = NodeConfig { checkpoint_bytes, ..NodeConfig::new(dir, dir, "/nonexistent") };
    Node::start(config).expect("the node starts")
}

async fn begin(node: &NodeHandle, id: &str, text: bool) {
    let object = NewObject {
        bucket: "texts".into(),
        key: "0".into(),
        content_type: ContentType::Text,
        bytes: Bytes::from_static(b"x"),
    };
    let request = StartRequest {
        app: "app".into(),
        id: Some(id.into()),
        objects: text.then_some(object).into_iter().collect(),
        ..StartRequest::default()
    };
    node.start(request).await.expect("the run starts");
}

async fn key(node: &NodeHandle, id: &str) -> RunKey {
    node.run(id).await.expect("the run is known").key
}

/// Overwrites the states of runs.
fn damage(dir: &Path, runs: &[RunKey]) {
    let store = RunStore::open(&RealDisk, &dir.join("store.redb"), &StoreOptions::default());
    let store = store.expect("the store is whole");
    let mut batch = store.begin();
    for run in runs {
        let id = ["bad", "idle"].into_iter().map(|id| sluice_engine::Engine::fingerprint("default", id));
        let id_fingerprint = id.into_iter().find(|id| store.find(*id).expect("an index") == Some(*run));
        let id_fingerprint = id_fingerprint.expect("one of these");
        let (app, status) = (sluice_types::AppKey(1), Status::Running as u8);
        batch.put_run(*run, b"\xff\xff\xff", &RunIndex { app, status, id_fingerprint });
    }
    batch.commit(store.checkpoint_lsn().expect("it is there")).expect("there is a disk");
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_set_aside_and_the_timers_of_others_fire() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let first = node(dir.path(), u64::MAX);
    let handle = first.handle();
    handle.deploy(app()).await.expect("the app deploys");
    // One waits for its second attempt, or still for the first; the other for objects.
    begin(&handle, "bad", true).await;
    begin(&handle, "idle", false).await;
    begin(&handle, "good", true).await;
    let bad = [key(&handle, "bad").await, key(&handle, "idle").await];
    first.stop().expect("the node stops");
    damage(dir.path(), &bad);

    for checkpoint_bytes in [1, u64::MAX] {
        let node = node(dir.path(), checkpoint_bytes);
        let handle = node.handle();
        let good = handle.wait("good", Duration::from_secs(20)).await.expect("the run is known");
        assert_eq!(good.error.map(|error| error.code), Some(Code::FUNCTION_FAILED));
        for id in ["bad", "idle"] {
            assert_eq!(handle.run(id).await.expect_err("it is damaged").code, Code::DATA_CORRUPT);
            assert_eq!(handle.cancel(id, "").await.expect_err("it is damaged").code, Code::DATA_CORRUPT);
        }
        let list = handle.list(ListRequest { limit: 10, ..ListRequest::default() }).await;
        let list: Vec<_> = list.expect("a list").into_iter().map(|run| run.run.to_string()).collect();
        assert_eq!(list, ["good"]);
        node.stop().expect("the node stops");
    }
}
