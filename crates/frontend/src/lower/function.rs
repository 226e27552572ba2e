//! Functions: what executes them, and with what.

use super::Lowering;
use crate::definition::{Function, Retries, RetryDetails, RuntimeKind};
use crate::diagnostic::Diagnostic;
use sluice_types::{
    BucketIx, Code, Function as Lowered, Program, Resources, RetryPolicy, Runtime, Visibility, did_you_mean,
    limits,
};

/// Which of the keys that say what to run belongs to which runtime.
const CODE_KEYS: [(&str, &[RuntimeKind]); 6] = [
    ("handler", &[RuntimeKind::Python]),
    ("command", &[RuntimeKind::Exec, RuntimeKind::Process]),
    ("module", &[RuntimeKind::Wasm]),
    ("fresh", &[RuntimeKind::Wasm]),
    ("streams", &[RuntimeKind::Python]),
    ("workflow", &[RuntimeKind::Workflow]),
];

impl Lowering<'_> {
    /// Lowers a function; where a part of it is wrong, that is reported and a default stands in.
    pub(super) fn function(&mut self, name: &str, function: &Function) -> Lowered {
        let path = format!("functions.{name}");
        self.check_name(&path, name, "function");
        Lowered {
            into: self.put_targets(&path, function),
            timeout_ms: self.timeout_ms(&path, function),
            retry: match (function.runtime, &function.retries) {
                // It has retried what is worth it already.
                (RuntimeKind::Workflow, None) => RetryPolicy { attempts: 1, ..RetryPolicy::default() },
                (_, retries) => self.retry(&path, retries.as_ref()),
            },
            visibility: function.visibility,
            streams: function.streams.unwrap_or(false),
            resources: self.resources(&path, function),
            network: function.network.or(self.definition.network).unwrap_or_default(),
            env: self.env(&path, function),
            concurrency: function.concurrency.unwrap_or(0),
            warm: function.warm.unwrap_or(0),
            ..Lowered::new(name, self.runtime(&path, function))
        }
    }

    fn runtime(&mut self, path: &str, function: &Function) -> Runtime {
        self.check_code_keys(path, function);
        match function.runtime {
            RuntimeKind::Python => self.python(path, function),
            RuntimeKind::Exec => Runtime::Exec { command: self.command(path, function) },
            RuntimeKind::Process => Runtime::Process { command: self.command(path, function) },
            RuntimeKind::Wasm => self.wasm(path, function),
            RuntimeKind::Workflow => self.called_workflow(path, function),
            RuntimeKind::Container | RuntimeKind::Http => {
                let kind = if function.runtime == RuntimeKind::Http { "http" } else { "container" };
                let message = format!("the runtime `{kind}` is not supported by this version");
                let finding = Diagnostic::error(Code::APP_INVALID, format!("{path}.runtime"), message);
                self.report(finding.fix("use `python`, `exec`, `wasm`, `process` or `workflow`"));
                Runtime::Exec { command: Vec::new() }
            }
        }
    }

    fn check_code_keys(&mut self, path: &str, function: &Function) {
        let present = [
            function.handler.is_some(),
            function.command.is_some(),
            function.module.is_some(),
            function.fresh.is_some(),
            function.streams.is_some(),
            function.workflow.is_some(),
        ];
        for ((key, runtimes), _) in CODE_KEYS.iter().zip(present).filter(|(_, present)| *present) {
            let words: Vec<_> = runtimes.iter().map(|r| format!("{r:?}").to_lowercase()).collect();
            let belongs = runtimes.contains(&function.runtime);
            let message = || format!("`{key}` belongs to the runtime {}", words.join(" or "));
            self.require(belongs, &format!("{path}.{key}"), message, "remove it, or change `runtime`");
        }
    }

    fn python(&mut self, path: &str, function: &Function) -> Runtime {
        let (module, name) = self.handler(&format!("{path}.handler"), "handler", function.handler.as_deref());
        Runtime::Python { module, name }
    }

    /// File and name of a Python function, written `FILE.py:NAME` under `key`.
    pub(super) fn handler(&mut self, path: &str, key: &str, given: Option<&str>) -> (String, String) {
        let fix = format!("write `{key}: FILE.py:FUNCTION`, the file relative to the app's folder");
        let handler = given.unwrap_or("");
        let (module, name) = handler.rsplit_once(':').unwrap_or((handler, ""));
        let is_name = name.split('.').all(|part| {
            part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        if given.is_none() {
            self.require(false, path, || "a python function needs a handler".to_owned(), &fix);
        } else {
            let holds = is_name && module.ends_with(".py") && is_bundle_path(module);
            self.require(holds, path, || format!("`{handler}` is not a handler"), &fix);
        }
        (module.to_owned(), name.to_owned())
    }

    fn command(&mut self, path: &str, function: &Function) -> Vec<String> {
        const FIX: &str = "write `command: [PROGRAM, ARGUMENT, …]`";
        let command = function.command.as_ref().map(|c| c.0.clone()).unwrap_or_default();
        let holds = command.first().is_some_and(|program| !program.is_empty());
        self.require(holds, &format!("{path}.command"), || "there is no program to run".to_owned(), FIX);
        let has_nul = command.iter().any(|word| word.contains('\0'));
        self.require(
            !has_nul,
            &format!("{path}.command"),
            || "a word holds a NUL byte".to_owned(),
            "remove it",
        );
        command
    }

    fn wasm(&mut self, path: &str, function: &Function) -> Runtime {
        const FIX: &str = "write `module: FILE.wasm`, relative to the app's folder";
        let module = function.module.clone().unwrap_or_default();
        let holds = (module.ends_with(".wasm") || module.ends_with(".wat")) && is_bundle_path(&module);
        let message = || match &function.module {
            Some(module) => format!("`{module}` is not a .wasm or .wat file of the app's folder"),
            None => "a wasm function needs a module".to_owned(),
        };
        self.require(holds, &format!("{path}.module"), message, FIX);
        Runtime::Wasm { module, fresh: function.fresh.unwrap_or(false) }
    }

    fn called_workflow(&mut self, path: &str, function: &Function) -> Runtime {
        let names: Vec<&str> = self.definition.workflows.iter().map(|(name, _)| name.as_str()).collect();
        let workflow = function.workflow.clone().unwrap_or_default();
        if !names.contains(&workflow.as_str()) {
            let message = match &function.workflow {
                Some(workflow) => format!("there is no workflow `{workflow}`"),
                None => "a function of the runtime `workflow` needs a workflow".to_owned(),
            };
            let near = did_you_mean(&workflow, names);
            let fix = near.unwrap_or_else(|| "name one of the app's `workflows`".to_owned());
            let finding = Diagnostic::error(Code::UNKNOWN_NAME, format!("{path}.workflow"), message);
            self.report(finding.fix(fix));
        }
        self.check_sandbox_keys(path, function);
        Runtime::Run { workflow }
    }

    /// A workflow has no sandbox of its own.
    fn check_sandbox_keys(&mut self, path: &str, function: &Function) {
        let present = [
            ("timeout", function.timeout.is_some()),
            ("rerun_after", function.rerun_after.is_some()),
            ("memory", function.memory.is_some()),
            ("cpu", function.cpu.is_some()),
            ("network", function.network.is_some()),
            ("env", !function.env.is_empty()),
            ("visibility", function.visibility != Visibility::default()),
            ("concurrency", function.concurrency.is_some()),
            ("warm", function.warm.is_some()),
        ];
        for (key, _) in present.iter().filter(|(_, present)| *present) {
            let message = || format!("`{key}` is of no use to a workflow");
            let fix = "remove it; say it of the functions that the workflow calls";
            self.require(false, &format!("{path}.{key}"), message, fix);
        }
    }

    fn put_targets(&mut self, path: &str, function: &Function) -> Vec<BucketIx> {
        let path = format!("{path}.into");
        let mut buckets = Vec::new();
        for name in &function.into.0 {
            let Some(bucket) = self.bucket(&path, name) else { continue };
            let message = || "functions cannot put to `input`: it holds what a run starts with".to_owned();
            self.require(bucket != Program::INPUT, &path, message, "put to a bucket of the app");
            self.require(
                !buckets.contains(&bucket),
                &path,
                || format!("`{name}` is named twice"),
                "name it once",
            );
            buckets.push(bucket);
        }
        buckets
    }

    fn timeout_ms(&mut self, path: &str, function: &Function) -> u64 {
        let named = [("timeout", function.timeout), ("rerun_after", function.rerun_after)];
        let mut least = limits::TIMEOUT_MS_DEFAULT;
        for (i, (key, duration)) in named.into_iter().enumerate() {
            let Some(ms) = duration.map(|d| d.0) else { continue };
            let message = || format!("`{key}` must be between 1 ms and 366 days");
            let holds = (1..=limits::DURATION_MS_MAX).contains(&ms);
            self.require(holds, &format!("{path}.{key}"), message, "give a duration such as 30s");
            least = if i == 0 { ms } else { least.min(ms) };
        }
        least
    }

    /// What `retries` at a path says.
    pub(super) fn retry(&mut self, path: &str, retries: Option<&Retries>) -> RetryPolicy {
        let default = RetryPolicy::default();
        let Some(Retries(RetryDetails { max, initial, backoff, max_delay, jitter })) = retries else {
            return default;
        };
        let path = format!("{path}.retries");
        let attempts = max.map_or(default.attempts, |max| max.saturating_add(1));
        let most = limits::ATTEMPTS_MAX;
        let message = || format!("at most {} retries are possible", most - 1);
        self.require(attempts <= most, &path, message, "retry less often, or start a run again");
        let backoff = backoff.unwrap_or(f64::from(default.backoff_permille) / 1000.0);
        let message = || "`backoff` must be between 1 and 100".to_owned();
        self.require((1.0..=100.0).contains(&backoff), &path, message, "2 doubles the delay each time");
        let initial_ms = initial.map_or(default.initial_ms, |d| d.0);
        let max_ms = max_delay.map_or(default.max_ms.max(initial_ms), |d| d.0);
        let message = || "`initial` is longer than `max_delay`".to_owned();
        self.require(initial_ms <= max_ms, &path, message, "raise `max_delay`, or lower `initial`");
        let message = || "delays can be 366 days long at most".to_owned();
        self.require(max_ms <= limits::DURATION_MS_MAX, &path, message, "lower `max_delay`");
        RetryPolicy {
            attempts,
            initial_ms,
            backoff_permille: (backoff * 1000.0).round() as u32,
            max_ms,
            jitter: jitter.unwrap_or(default.jitter),
        }
    }

    fn resources(&mut self, path: &str, function: &Function) -> Resources {
        let default = Resources::default();
        let memory_bytes = function.memory.map_or(default.memory_bytes, |m| m.0);
        let holds = (limits::MEMORY_BYTES_MIN..=limits::MEMORY_BYTES_MAX).contains(&memory_bytes);
        let message = || "`memory` must be between 1 MiB and 16 TiB".to_owned();
        self.require(holds, &format!("{path}.memory"), message, "give bytes or a unit, for example 256MiB");
        let cpu_millis = function.cpu.map_or(0.0, |cores| (cores * 1000.0).round());
        let holds = function.cpu.is_none() || (1.0..=f64::from(limits::CPU_MILLIS_MAX)).contains(&cpu_millis);
        let message = || "`cpu` must be between 0.001 and 1024 cores".to_owned();
        self.require(
            holds,
            &format!("{path}.cpu"),
            message,
            "give a number of cores, or leave it out for no limit",
        );
        Resources { memory_bytes, cpu_millis: cpu_millis as u32 }
    }

    fn env(&mut self, path: &str, function: &Function) -> std::collections::BTreeMap<String, String> {
        for (name, value) in &function.env {
            let holds = !name.is_empty() && !name.contains(['=', '\0']) && !value.0.contains('\0');
            let message = || format!("`{name}` cannot be an environment variable");
            self.require(
                holds,
                &format!("{path}.env"),
                message,
                "names hold no `=`, and neither part a NUL byte",
            );
        }
        function.env.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()
    }
}

/// Whether a path stays inside the bundle: relative, `/` between its parts, no `.` or `..`.
pub(super) fn is_bundle_path(path: &str) -> bool {
    !path.contains(['\\', '\0']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
