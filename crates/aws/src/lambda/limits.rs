//! Limits of the Lambda API, which are AWS's where AWS documents one.

use std::time::Duration;

/// Largest request body, in bytes: a zip of 50 MB in base64, and what stands around it.
pub const REQUEST_BYTES_MAX: usize = 70_167_211;
/// Largest event of a synchronous invocation, in bytes.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Largest event of an asynchronous invocation, in bytes.
pub const ASYNC_EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest client context of an invocation, in bytes of base64.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3583;
/// Largest zip of code, in bytes.
pub const ZIP_BYTES_MAX: usize = 50 * 1024 * 1024;
/// Largest code when unpacked, in bytes.
pub const UNPACKED_BYTES_MAX: u64 = 262_144_000;
/// Most files in a zip.
pub const ZIP_FILES_MAX: usize = 20_000;
/// Longest name of a function, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest name of an alias, in bytes.
pub const ALIAS_BYTES_MAX: usize = 128;
/// Longest handler, in bytes.
pub const HANDLER_BYTES_MAX: usize = 128;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 256;
/// Longest timeout of a function, in seconds.
pub const TIMEOUT_S_MAX: u64 = 900;
/// Timeout of a function that names none, in seconds.
pub const TIMEOUT_S_DEFAULT: u64 = 3;
/// Memory of a function, in MiB: least (and what one gets that names none), and most.
pub const MEMORY_MIB: (u64, u64) = (128, 10_240);
/// Ephemeral storage of a function, in MiB: least (and what one gets that names none), and most.
pub const STORAGE_MIB: (u64, u64) = (512, 10_240);
/// Environment variables of a function in JSON, in bytes.
pub const ENVIRONMENT_BYTES_MAX: usize = 4096;
/// Most tags of a function.
pub const TAGS_MAX: usize = 50;
/// Longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Most published versions of a function. AWS bounds their size only.
pub const VERSIONS_MAX: usize = 1_000;
/// Most aliases of a function. AWS bounds none.
pub const ALIASES_MAX: usize = 1_000;
/// Most items on a page of a listing, and how many there are unless the client says.
pub const PAGE_MAX: usize = 50;
/// Concurrent invocations of the account, as `GetAccountSettings` tells; the node queues what it cannot run.
pub const CONCURRENCY_MAX: u32 = 1_000;
/// The end of the log that an invocation answers with, in bytes.
pub const LOG_TAIL_BYTES_MAX: usize = 4 * 1024;
/// How long a synchronous invocation may wait for a sandbox, beyond its timeout.
pub const QUEUE_PATIENCE: Duration = Duration::from_secs(300);
/// Tries of an asynchronous invocation, the first included.
pub const ASYNC_ATTEMPTS: u32 = 3;
/// Delay before the second try of an asynchronous invocation, in milliseconds; before the third it is twice as long.
pub const ASYNC_RETRY_MS: u64 = 60_000;
