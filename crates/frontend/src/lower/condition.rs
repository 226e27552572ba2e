//! Conditions: names to indices, numbers in range, expressions that parse.

use super::Lowering;
use crate::cel::{self, Subject};
use crate::cron;
use crate::definition::{Condition, EventPattern, From, Millis, Watched};
use crate::diagnostic::Diagnostic;
use sluice_types::pattern::Glob;
use sluice_types::{Code, Condition as Lowered, Expr, FunctionIx, Gathering, Program, Scope, Source, limits};
use std::sync::Arc;

const OBJECTS_MAX: i64 = limits::CONDITION_OBJECTS_MAX as i64;

impl Lowering<'_> {
    /// Lowers a condition; nothing when a name in it is unknown, which is then reported.
    pub(super) fn condition(&mut self, path: &str, on: &Condition, scope: Scope) -> Option<Lowered> {
        Some(match on {
            Condition::Each(from) => Lowered::Each(self.source(path, "each", from)?),
            Condition::Name(from, glob) => {
                self.check_glob(&format!("{path}.glob"), glob);
                Lowered::Name { from: self.source(path, "name", from)?, glob: glob.as_str().into() }
            }
            Condition::Set(from, keys) => {
                let keys = self.keys(&format!("{path}.keys"), keys);
                Lowered::Set { from: self.source(path, "set", from)?, keys }
            }
            Condition::Batch(watched, n, within) => {
                let n = self.count(&format!("{path}.n"), *n);
                let within_ms = within.map(|d| self.duration(&format!("{path}.within"), d));
                self.gathering(path, "batch", watched, Gathering::Batch { n, within_ms })?
            }
            Condition::Window(watched, size, slide, by) => {
                let subject = match watched {
                    Watched::Bucket(_) => Subject::Object,
                    Watched::Events(_) => Subject::Event,
                };
                let window = self.window(path, *size, *slide, by.as_deref(), subject);
                self.gathering(path, "window", watched, window)?
            }
            Condition::First(watched, k, n) => {
                let (k, n) = (self.count(&format!("{path}.k"), *k), self.count(&format!("{path}.of"), *n));
                let message = || format!("the first {k} of {n} objects will never arrive");
                self.require(k <= n, &format!("{path}.k"), message, "`k` can be `of` at most");
                self.gathering(path, "first", watched, Gathering::First { k, n })?
            }
            Condition::Join(from, of) => {
                let (from, of) = self.joined(path, "join", from, of, scope)?;
                Lowered::Join { from, of }
            }
            Condition::Group(from, of, by) => {
                let by = by.as_deref().and_then(|by| self.expr(&format!("{path}.by"), by, Subject::Object));
                let (from, of) = self.joined(path, "group", from, of, scope)?;
                Lowered::Group { from, of, by }
            }
            Condition::Event(pattern) => Lowered::Event(self.pattern(&format!("{path}.event"), pattern)),
            Condition::Cron(expr, tz) => self.cron(path, expr, tz.as_deref()),
            Condition::All(list) => Lowered::All(self.list(path, "all", list, scope)?),
            Condition::Any(list) => Lowered::Any(self.list(path, "any", list, scope)?),
        })
    }

    fn list(&mut self, path: &str, kind: &str, list: &[Condition], scope: Scope) -> Option<Vec<Lowered>> {
        let path = format!("{path}.{kind}");
        self.require(
            !list.is_empty(),
            &path,
            || format!("`{kind}` of nothing never fires"),
            "add conditions",
        );
        let lowered = list.iter().enumerate().map(|(i, c)| self.condition(&format!("{path}.{i}"), c, scope));
        // Collected before the first `None` ends it: every condition is to be checked.
        lowered.collect::<Vec<_>>().into_iter().collect()
    }

    fn source(&mut self, path: &str, kind: &str, from: &From) -> Option<Source> {
        let when = from.when.as_deref().and_then(|w| self.expr(&format!("{path}.when"), w, Subject::Object));
        let bucket = self.bucket(&format!("{path}.{kind}"), &from.bucket)?;
        Some(Source { bucket, when })
    }

    /// Bucket and function of a join or a group, which must be able to meet.
    fn joined(
        &mut self,
        path: &str,
        kind: &str,
        from: &From,
        of: &str,
        scope: Scope,
    ) -> Option<(Source, FunctionIx)> {
        let message =
            || format!("`{kind}` waits for the functions of a run, so it cannot have the scope of the app");
        let fix = "remove `scope: app`, or use `batch` or `window`";
        self.require(scope == Scope::Run, &format!("{path}.{kind}"), message, fix);
        let source = self.source(path, kind, from);
        let of_path = format!("{path}.of");
        let function = self.function_named(&of_path, of)?;
        let source = source?;
        let into = &self.definition.functions[function.index()].1.into.0;
        if source.bucket != Program::OUTPUT && !into.contains(&from.bucket) {
            let message = format!("`{of}` cannot put to `{}`, so there is nothing to wait for", from.bucket);
            let fix =
                format!("add `{}` to `into` of `{of}`, or name the function that puts there", from.bucket);
            self.report(Diagnostic::error(Code::APP_INVALID, of_path, message).fix(fix));
        }
        Some((source, function))
    }

    /// A condition that gathers objects or events.
    fn gathering(
        &mut self,
        path: &str,
        kind: &str,
        watched: &Watched,
        gathering: Gathering,
    ) -> Option<Lowered> {
        let from = match watched {
            Watched::Events(pattern) => {
                let from = self.pattern(&format!("{path}.{kind}.event"), pattern);
                return Some(Lowered::Events { from, gathering });
            }
            Watched::Bucket(from) => self.source(path, kind, from)?,
        };
        Some(match gathering {
            Gathering::Batch { n, within_ms } => Lowered::Batch { from, n, within_ms },
            Gathering::Window { size_ms, slide_ms, by } => Lowered::Window { from, size_ms, slide_ms, by },
            Gathering::First { k, n } => Lowered::First { from, k, n },
        })
    }

    fn window(
        &mut self,
        path: &str,
        size: Millis,
        slide: Option<Millis>,
        by: Option<&str>,
        subject: Subject,
    ) -> Gathering {
        let size_ms = self.duration(&format!("{path}.seconds"), size);
        let slide_ms = slide.map_or(size_ms, |d| self.duration(&format!("{path}.slide"), d));
        let message =
            || "`slide` is longer than the window: objects between two windows would be lost".to_owned();
        self.require(slide_ms <= size_ms, &format!("{path}.slide"), message, "lower `slide`");
        let overlapping = size_ms / slide_ms.max(1);
        let most = limits::WINDOWS_OVERLAPPING_MAX;
        let message =
            || format!("every object would fall into {overlapping} windows; at most {most} may overlap");
        self.require(overlapping <= most, &format!("{path}.slide"), message, "raise `slide`");
        let by = by.and_then(|by| self.expr(&format!("{path}.by"), by, subject));
        Gathering::Window { size_ms, slide_ms, by }
    }

    fn keys(&mut self, path: &str, keys: &[String]) -> Vec<Arc<str>> {
        self.require(!keys.is_empty(), path, || "a set of no keys never fires".to_owned(), "name the keys");
        let holds = keys.len() as i64 <= OBJECTS_MAX;
        self.require(holds, path, || format!("at most {OBJECTS_MAX} keys"), "use `batch` or `join`");
        let mut seen = std::collections::BTreeSet::new();
        for key in keys {
            self.require(
                seen.insert(key),
                path,
                || format!("the key `{key}` is named twice"),
                "name it once",
            );
            let holds = (1..=limits::KEY_BYTES_MAX).contains(&key.len());
            let message = || format!("a key has 1 to {} bytes", limits::KEY_BYTES_MAX);
            self.require(holds, path, message, "shorten the key");
        }
        keys.iter().map(|key| key.as_str().into()).collect()
    }

    fn count(&mut self, path: &str, count: i64) -> u32 {
        let message = || format!("{count} is not between 1 and {OBJECTS_MAX}");
        self.require((1..=OBJECTS_MAX).contains(&count), path, message, "give a number of objects");
        u32::try_from(count).unwrap_or(1)
    }

    fn duration(&mut self, path: &str, Millis(ms): Millis) -> u64 {
        let holds = (1..=limits::DURATION_MS_MAX).contains(&ms);
        self.require(holds, path, || "this must be between 1 ms and 366 days".to_owned(), "for example 5s");
        ms
    }

    fn check_glob(&mut self, path: &str, glob: &str) {
        if let Err(error) = Glob::new(glob) {
            let finding =
                Diagnostic::error(Code::EXPRESSION_INVALID, path, format!("`{glob}` is not a glob: {error}"));
            self.report(
                finding.fix("`*`, `**`, `?`, `[a-z]` and `{a,b}` are special; `\\` makes them literal"),
            );
        }
    }

    fn expr(&mut self, path: &str, text: &str, subject: Subject) -> Option<Expr> {
        match cel::check(text, subject) {
            Ok(()) => Some(Expr(text.into())),
            Err(reason) => {
                let message = format!("`{text}` is not a CEL expression: {reason}");
                let finding = Diagnostic::error(Code::EXPRESSION_INVALID, path, message);
                self.report(finding.fix(subject.example()));
                None
            }
        }
    }

    fn pattern(&mut self, path: &str, pattern: &EventPattern) -> sluice_types::EventPattern {
        let shared = |text: &Option<String>| text.as_deref().map(Into::into);
        let when =
            pattern.when.as_deref().and_then(|w| self.expr(&format!("{path}.when"), w, Subject::Event));
        sluice_types::EventPattern {
            r#type: shared(&pattern.r#type),
            source: shared(&pattern.source),
            subject: shared(&pattern.subject),
            when,
        }
    }

    fn cron(&mut self, path: &str, expr: &str, tz: Option<&str>) -> Lowered {
        let tz = tz.unwrap_or("UTC");
        self.check_cron(path, expr, tz);
        Lowered::Cron { expr: expr.into(), tz: tz.into() }
    }

    /// Reports what keeps points in time from being computed.
    pub(super) fn check_cron(&mut self, path: &str, expr: &str, tz: &str) {
        if let Err(error) = cron::check(expr, tz) {
            let (key, fix) = match &error {
                cron::CronError::TimeZone(_) => ("tz", "use an IANA name such as `Europe/Berlin` or `UTC`"),
                _ => {
                    ("cron", "five fields: minute hour day-of-month month day-of-week; six put seconds first")
                }
            };
            self.report(
                Diagnostic::error(Code::EXPRESSION_INVALID, format!("{path}.{key}"), error.to_string())
                    .fix(fix),
            );
        }
    }
}
