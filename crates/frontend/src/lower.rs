//! From a [`Definition`] to the trigger program: names become indices, defaults are filled in, and everything
//! that cannot be is reported, all at once.

mod condition;
mod cycle;
mod dag;
mod function;
mod name;
mod recorded;
mod trigger;
mod warning;
mod workflow;

pub use warning::warnings;

use crate::definition::Definition;
use crate::diagnostic::Diagnostic;
use name::Names;
use sluice_types::did_you_mean;
use sluice_types::{Bucket, BucketIx, Code, FunctionIx, Program, limits};

/// Names of the buckets that every app has.
pub(crate) const INPUT: &str = "input";
pub(crate) const OUTPUT: &str = "output";

/// Lowers a definition, or says everything that is wrong with it.
///
/// What is merely doubtful about the result is told by [`warnings`].
pub fn lower(definition: &Definition) -> Result<Program, Vec<Diagnostic>> {
    let mut lowering = Lowering::new(definition);
    let program = lowering.program();
    if lowering.findings.is_empty() {
        lowering.findings.extend(cycle::cycles_of_joins(&program));
    }
    if lowering.findings.is_empty() {
        return Ok(program);
    }
    let mut findings: Vec<_> = lowering.findings.into_iter().map(|d| d.located(&definition.places)).collect();
    findings.sort_by(|a, b| (&a.file, a.at).cmp(&(&b.file, b.at)));
    Err(findings)
}

/// The work in progress: what the names mean, and what was found wrong so far.
struct Lowering<'a> {
    definition: &'a Definition,
    buckets: Names<'a>,
    functions: Names<'a>,
    findings: Vec<Diagnostic>,
}

impl<'a> Lowering<'a> {
    fn new(definition: &'a Definition) -> Self {
        let declared = definition.buckets.iter().map(|(name, _)| name.as_str());
        let buckets = Names::new([INPUT, OUTPUT].into_iter().chain(declared));
        let functions = Names::new(definition.functions.iter().map(|(name, _)| name.as_str()));
        Self { definition, buckets, functions, findings: Vec::new() }
    }

    fn program(&mut self) -> Program {
        let definition = self.definition;
        self.check_name("app", &definition.app, "app");
        self.check_count("buckets", definition.buckets.len());
        self.check_count("functions", definition.functions.len());
        self.check_count("workflows", definition.workflows.len());
        let buckets = self.lower_buckets();
        let mut functions = definition.functions.iter().map(|(name, f)| self.function(name, f)).collect();
        let (triggers, workflows) = (self.triggers(), self.workflows(&mut functions));
        let (app, durability) = (definition.app.as_str().into(), definition.durability);
        Program { app, durability, buckets, functions, triggers, workflows }
    }

    fn lower_buckets(&mut self) -> Vec<Bucket> {
        let mut buckets: Vec<_> = [INPUT, OUTPUT].map(|name| Bucket { name: name.into(), keep: true }).into();
        for (i, (name, bucket)) in self.definition.buckets.iter().enumerate() {
            let path = format!("buckets.{name}");
            self.check_name(&path, name, "bucket");
            if name == INPUT || name == OUTPUT {
                let finding =
                    Diagnostic::error(Code::APP_INVALID, path, format!("`{name}` is a reserved bucket"));
                self.report(finding.fix("remove it here: every app has it, and it is always kept"));
            } else if self.definition.buckets[..i].iter().any(|(other, _)| other == name) {
                let finding =
                    Diagnostic::error(Code::APP_INVALID, path, format!("two buckets are named `{name}`"));
                self.report(finding.fix("declare it once"));
            }
            buckets.push(Bucket { name: name.as_str().into(), keep: bucket.keep });
        }
        buckets
    }

    fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// Reports that something is not as it must be, unless it is.
    fn require(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String, fix: &str) {
        if !holds {
            self.report(Diagnostic::error(Code::APP_INVALID, path, message()).fix(fix));
        }
    }

    fn check_count(&mut self, path: &str, count: usize) {
        if count > limits::PROGRAM_ITEMS_MAX {
            let message = format!("{count} {path}; at most {} fit in one app", limits::PROGRAM_ITEMS_MAX);
            let finding = Diagnostic::error(Code::LIMIT_EXCEEDED, path, message);
            self.report(finding.fix("split the app, or use keys or groups instead of one item per value"));
        }
    }

    fn check_name(&mut self, path: &str, name: &str, kind: &str) {
        if let Err(reason) = name::check(name) {
            let finding = Diagnostic::error(
                Code::APP_INVALID,
                path,
                format!("`{name}` cannot name this {kind}: {reason}"),
            );
            self.report(
                finding.fix("start with a letter or `_`; go on with letters, digits, `_`, `.` or `-`"),
            );
        }
    }

    fn bucket(&mut self, path: &str, name: &str) -> Option<BucketIx> {
        let found = self.buckets.find(name).map(BucketIx);
        if found.is_none() {
            let near = did_you_mean(name, self.buckets.all());
            let fix = near.unwrap_or_else(|| {
                format!("declare it under `buckets`, for example `buckets: {{{name}: {{}}}}`")
            });
            let message = format!("there is no bucket `{name}`");
            self.report(Diagnostic::error(Code::UNKNOWN_NAME, path, message).fix(fix));
        }
        found
    }

    fn function_named(&mut self, path: &str, name: &str) -> Option<FunctionIx> {
        let found = self.functions.find(name).map(FunctionIx);
        if found.is_none() {
            let near = did_you_mean(name, self.functions.all());
            let fix = near.unwrap_or_else(|| "name one of the app's `functions`".to_owned());
            let message = format!("there is no function `{name}`");
            self.report(Diagnostic::error(Code::UNKNOWN_NAME, path, message).fix(fix));
        }
        found
    }
}
