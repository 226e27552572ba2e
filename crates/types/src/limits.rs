//! Every limit has a name, a unit and one place: here.

/// Largest payload that rides in a log record, in bytes; larger ones are stored beside the log.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Longest object key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest run id, in bytes.
pub const RUN_ID_BYTES_MAX: usize = 128;
/// Longest name of an app, bucket, function or trigger, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Most functions, buckets or triggers in one program, each.
pub const PROGRAM_ITEMS_MAX: usize = 10_000;
/// Most objects that one request may carry.
pub const REQUEST_OBJECTS_MAX: usize = 100_000;
/// Largest HTTP request body, in bytes. Larger objects go up one by one, streamed.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most documents that front ends keep about one app.
pub const APP_DOCUMENTS_MAX: usize = 10_000;
/// Largest document about an app, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest chain of workflows that call one another and wait.
pub const WORKFLOW_CALLS_DEEP_MAX: u32 = 100;
/// Default of the longest time that a workflow's code takes at a time, in milliseconds (10 seconds).
pub const TURN_MS_DEFAULT: u64 = 10_000;
/// Longest time that a workflow sleeps at a time, in milliseconds (100 years).
pub const WORKFLOW_SLEEP_MS_MAX: u64 = 100 * 366 * 24 * 3600 * 1000;
/// Most moves of a run to other versions of its app.
pub const RUN_MOVES_MAX: usize = 1_000;
/// Most commands that a forked run wants once more in its first turn: calls under way, and puts.
pub const FORK_AGAIN_MAX: usize = 10_000;
/// Most values beside the log that the past of a forked run may name.
pub const FORK_VALUES_MAX: usize = 10_000;
/// Most bytes that are copied for a forked run: the journal of its past, the values beside the log that this names, and inputs.
pub const FORK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most tasks of one DAG.
pub const DAG_TASKS_MAX: usize = 1_000_000;
/// Most pools of one DAG.
pub const DAG_POOLS_MAX: usize = 100;
/// Most calls of one mapped task of a DAG.
pub const DAG_MAPPED_MAX: usize = 100_000;
/// Most runs of a scheduled workflow that are made up for at once, the latest ones.
pub const CATCHUP_RUNS_MAX: usize = 1_000;
/// Default time from one call of a sensor to the next, in milliseconds (a minute).
pub const SENSOR_INTERVAL_MS_DEFAULT: u64 = 60_000;
/// Default of the longest time that a sensor waits, in milliseconds (7 days).
pub const SENSOR_TIMEOUT_MS_DEFAULT: u64 = 7 * 24 * 3600 * 1000;
/// Largest value that a task hands to a workflow, in bytes of JSON.
pub const WORKFLOW_VALUE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most events in one batch.
pub const EVENT_BATCH_MAX: usize = 1_000;
/// Most live objects in one run.
pub const RUN_OBJECTS_MAX: usize = 10_000_000;
/// Most invocations in one run.
pub const RUN_INVOCATIONS_MAX: u32 = 100_000_000;
/// Most lives of an express run after its first: one that has not ended by then may be what ends the process.
pub const EXPRESS_RESTARTS_MAX: u32 = 100;
/// Default attempts of an invocation, the first included.
pub const ATTEMPTS_DEFAULT: u32 = 3;
/// Most attempts of an invocation.
pub const ATTEMPTS_MAX: u32 = 1_000;
/// Default timeout of an attempt, in milliseconds (15 minutes).
pub const TIMEOUT_MS_DEFAULT: u64 = 15 * 60 * 1000;
/// Grace between asking an attempt to stop and killing it, in milliseconds.
pub const CANCEL_GRACE_MS: u64 = 5_000;
/// Default memory of an attempt, in bytes.
pub const MEMORY_BYTES_DEFAULT: u64 = 512 * 1024 * 1024;
/// Captured stdout and stderr of one attempt, in bytes; the rest is counted and dropped.
pub const CAPTURED_OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// How long an ended run is kept, in milliseconds (30 days).
pub const RETENTION_MS_DEFAULT: u64 = 30 * 24 * 3600 * 1000;
/// Keys named in a message before the rest is counted.
pub const KEYS_NAMED_MAX: usize = 10;
/// Longest key glob, in bytes.
pub const GLOB_BYTES_MAX: usize = 1024;
/// Deepest alternatives within alternatives in a key glob.
pub const GLOB_NESTING_MAX: usize = 16;
/// Most values (scalars, lists, maps) in the definition of one app, aliases expanded.
pub const DEFINITION_NODES_MAX: usize = 2_000_000;
/// Deepest nesting of values in the definition of an app.
pub const DEFINITION_NESTING_MAX: usize = 64;
/// Longest duration that a definition may name, in milliseconds (366 days).
pub const DURATION_MS_MAX: u64 = 366 * 24 * 3600 * 1000;
/// Most objects that one `set`, `batch` or `first` may ask for.
pub const CONDITION_OBJECTS_MAX: u32 = 10_000_000;
/// Most sliding windows that one object may fall into.
pub const WINDOWS_OVERLAPPING_MAX: u64 = 1_000;
/// Largest memory of an attempt, in bytes (16 TiB).
pub const MEMORY_BYTES_MAX: u64 = 16 << 40;
/// Smallest memory of an attempt, in bytes (1 MiB).
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// Most cpu of an attempt, in thousandths of a core.
pub const CPU_MILLIS_MAX: u32 = 1_024_000;
/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 2048;
/// Most levels of the syntax tree of an expression.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// Most compiled expressions that one evaluator keeps.
pub const EXPRESSIONS_COMPILED_MAX: usize = 10_000;
/// Deepest chain of events that cause one another within one step of a run (a trigger that emits an event which fires a
/// trigger that emits); past it the run fails.
pub const EMIT_NESTING_MAX: u32 = 64;
