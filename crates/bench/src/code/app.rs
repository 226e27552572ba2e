//! The workflows of the benchmarks.

use bytes::Bytes;
use serde_json::json;
use sluice_runtime::api::{DeployRequest, StartRequest, WorkflowRequest};
use sluice_types::{
    Bucket, Durability, Function, FunctionIx, Program, RetryPolicy, Runtime, Steps, Visibility, Workflow,
    limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the app.
pub(super) const APP: &str = "workflow";

const CODE: &str = r#"
from time import monotonic_ns

def nothing(item):
    return None

async def steps(ctx, count):
    "The nanoseconds that each step took, as the code sees them."
    took = []
    for _ in range(count):
        began = monotonic_ns()
        await ctx.call("nothing")
        took.append(monotonic_ns() - began)
    return took

async def sleep(ctx, seconds):
    await ctx.sleep(seconds)

async def replayed(ctx, thousands):
    await rounds(ctx, thousands, False)

async def checkpointed(ctx, thousands):
    await rounds(ctx, thousands, True)

async def rounds(ctx, thousands, checkpoints):
    "A thousand events each: of five hundred commands is wanted, and done."
    done = ctx.state or 0
    ctx.on_query("done", lambda: done)
    while done < thousands:
        await ctx.gather(*(ctx.sleep(0) for _ in range(500)))
        done += 1
        if checkpoints:
            await ctx.checkpoint(done)
    await ctx.wait_event("never")
"#;

/// Names of the workflows.
pub(super) const STEPS: &str = "steps";
pub(super) const SLEEP: &str = "sleep";
pub(super) const REPLAYED: &str = "replayed";
pub(super) const CHECKPOINTED: &str = "checkpointed";

const NAMES: [&str; 4] = [STEPS, SLEEP, REPLAYED, CHECKPOINTED];

/// The app, as its definition would be lowered.
pub(super) fn app() -> DeployRequest {
    let module = || "code.py".to_owned();
    let workflow = |name: &str| Function {
        timeout_ms: limits::TURN_MS_DEFAULT,
        visibility: Visibility::Commit,
        concurrency: 1,
        retry: RetryPolicy { initial_ms: 500, max_ms: 60_000, ..RetryPolicy::default() },
        ..Function::new(name, Runtime::Workflow { module: module(), name: name.to_owned() })
    };
    let nothing = Function::new("nothing", Runtime::Python { module: module(), name: "nothing".to_owned() });
    let steps = |name: &str, function| Workflow {
        name: name.into(),
        steps: Steps::Code { function: FunctionIx(function) },
    };
    let program = Program {
        app: APP.into(),
        durability: Durability::Durable,
        buckets: ["input", "output"].map(|name| Bucket { name: name.into(), keep: false }).into(),
        functions: [vec![nothing], NAMES.map(workflow).into()].concat(),
        triggers: Vec::new(),
        workflows: NAMES.into_iter().zip(1..).map(|(name, function)| steps(name, function)).collect(),
    };
    DeployRequest {
        program: Arc::new(program),
        definition: Bytes::new(),
        files: BTreeMap::from([(module(), Bytes::from_static(CODE.as_bytes()))]),
        reset_triggers: Vec::new(),
    }
}

/// A start of one of its workflows.
pub(super) fn start(workflow: &str, input: f64) -> StartRequest {
    let input = Some(Bytes::from(match input.fract() == 0.0 {
        true => json!(input as u64).to_string(),
        false => json!(input).to_string(),
    }));
    let workflow = Some(WorkflowRequest { name: workflow.to_owned(), input, execution: None });
    StartRequest { app: APP.into(), workflow, seal: true, ..StartRequest::default() }
}
