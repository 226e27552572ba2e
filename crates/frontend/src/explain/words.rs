//! Conditions, actions and quantities in words.

use sluice_types::{Action, Condition, EventPattern, Gathering, Program, Runtime, Source, limits};

/// When a condition fires.
pub(super) fn condition(program: &Program, condition: &Condition) -> String {
    match condition {
        Condition::Each(from) => format!("each object in {}", source(program, from)),
        Condition::Name { from, glob } => {
            format!("each object in {} whose key matches `{glob}`", source(program, from))
        }
        Condition::Set { from, keys } => {
            format!("once the keys {} are all in {}", list(keys.iter().map(|k| &**k)), source(program, from))
        }
        Condition::Batch { from, n, within_ms } => {
            let within = within_ms.map_or(String::new(), |ms| format!(", or fewer after {}", amount_ms(ms)));
            format!("every {n} objects in {}{within}", source(program, from))
        }
        Condition::Window { from, size_ms, slide_ms, by } => {
            let every =
                if slide_ms == size_ms { String::new() } else { format!(" every {}", amount_ms(*slide_ms)) };
            let by = by.as_ref().map_or(String::new(), |by| format!(", separately by `{}`", by.0));
            format!("the objects of {} in {}{every}{by}", amount_ms(*size_ms), source(program, from))
        }
        Condition::First { from, k, n } => {
            format!("once {k} of {n} objects are in {}", source(program, from))
        }
        Condition::Join { from, of } => {
            let of = &program.functions[of.index()].name;
            format!("once every call of {of} is done: all it put to {}", source(program, from))
        }
        Condition::Group { from, of, by } => {
            let of = &program.functions[of.index()].name;
            let by = by.as_ref().map_or("its group".to_owned(), |by| format!("`{}`", by.0));
            format!("once every call of {of} is done: what it put to {}, by {by}", source(program, from))
        }
        Condition::Event(pattern) => format!("each event{}", matching(pattern)),
        Condition::Events { from, gathering } => events(from, gathering),
        Condition::Cron { expr, tz } => format!("at `{expr}` in {tz}"),
        Condition::All(parts) => format!("once all of: {}", parts_of(program, parts)),
        Condition::Any(parts) => format!("whenever one of: {}", parts_of(program, parts)),
    }
}

fn parts_of(program: &Program, parts: &[Condition]) -> String {
    parts.iter().map(|part| format!("({})", condition(program, part))).collect::<Vec<_>>().join(", ")
}

fn source(program: &Program, source: &Source) -> String {
    let name = &program.buckets[source.bucket.index()].name;
    source.when.as_ref().map_or(name.to_string(), |when| format!("{name} where `{}`", when.0))
}

fn events(from: &EventPattern, gathering: &Gathering) -> String {
    let of = matching(from);
    match gathering {
        Gathering::Batch { n, within_ms } => {
            let within = within_ms.map_or(String::new(), |ms| format!(", or fewer after {}", amount_ms(ms)));
            format!("every {n} events{of}{within}")
        }
        Gathering::Window { size_ms, slide_ms, by } => {
            let every =
                if slide_ms == size_ms { String::new() } else { format!(" every {}", amount_ms(*slide_ms)) };
            let by = by.as_ref().map_or(String::new(), |by| format!(", separately by `{}`", by.0));
            format!("the events of {}{of}{every}{by}", amount_ms(*size_ms))
        }
        Gathering::First { k, n } => format!("once {k} of {n} events{of} arrived"),
    }
}

/// Which events are meant.
fn matching(pattern: &EventPattern) -> String {
    let attributes = [("type", &pattern.r#type), ("source", &pattern.source), ("subject", &pattern.subject)];
    let given =
        attributes.into_iter().filter_map(|(name, value)| Some(format!("{name} `{}`", value.as_ref()?)));
    let given = given.collect::<Vec<_>>().join(", ");
    let of = if given.is_empty() { String::new() } else { format!(" of {given}") };
    let when = pattern.when.as_ref().map_or(String::new(), |when| format!(" where `{}`", when.0));
    format!("{of}{when}")
}

/// What a trigger does.
pub(super) fn action(program: &Program, action: &Action) -> String {
    match action {
        Action::Invoke(function) => format!("call {}", program.functions[function.index()].name),
        Action::Emit { r#type, subject } => {
            let subject = subject.as_ref().map_or(String::new(), |s| format!(" with subject `{s}`"));
            format!("emit an event of type `{type}`{subject}")
        }
    }
}

/// What executes a function.
pub(super) fn runtime(runtime: &Runtime) -> String {
    match runtime {
        Runtime::Python { module, name } => format!("python {module}:{name}"),
        Runtime::Workflow { module, name } => {
            format!("python {module}:{name}")
        }
        Runtime::Run { workflow } => format!("a run of workflow {workflow}"),
        Runtime::Exec { command } => format!("exec {}", words(command)),
        Runtime::Process { command } => format!("process {}", words(command)),
        Runtime::Lambda { provided: true, .. } => "AWS Lambda function, own runtime".to_owned(),
        Runtime::Lambda { handler, .. } => format!("AWS Lambda function, python {handler}"),
        Runtime::Wasm { module, fresh: false } => format!("wasm {module}"),
        Runtime::Wasm { module, fresh: true } => format!("wasm {module}, a fresh instance per call"),
    }
}

/// A command as a shell would read it.
fn words(command: &[String]) -> String {
    shlex::try_join(command.iter().map(String::as_str)).unwrap_or_else(|_| format!("{command:?}"))
}

/// `a, b and c`, or the first few and how many more.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.len() > limits::KEYS_NAMED_MAX {
        let (named, rest) = names.split_at(limits::KEYS_NAMED_MAX);
        return format!("{} and {} more", named.join(", "), rest.len());
    }
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A duration in the largest unit in which it is whole.
pub(super) fn amount_ms(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", ms / unit),
        None => format!("{ms} ms"),
    }
}

/// A size in the largest binary unit in which it is whole.
pub(super) fn size_bytes(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _): &(u64, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}
