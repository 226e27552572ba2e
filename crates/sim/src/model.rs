//! A naive model of a run: iterate "which calls do the objects there are give, and which objects do those calls give?"
//! from scratch until nothing changes. No incremental state, no closing, no order.
//!
//! It covers run-scoped programs without conditions that depend on time. Which objects are in which batch or first is a
//! matter of order, so it is exact only for functions that look no further than the length of their list.

use crate::behaviour::{Call, Reaction};
use bytes::Bytes;
use sluice_types::{Action, Attempt, Condition, Program, Scope, Trigger, pattern};
use std::collections::{BTreeMap, BTreeSet};

/// Bucket name and key to bytes and the function that put them.
pub type Objects = BTreeMap<(String, String), (Bytes, Option<String>)>;

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Whether nothing fails it.
    pub succeeds: bool,
    /// Every object that there ever is.
    pub objects: Objects,
}

/// Predicts a run that starts, sealed, with these objects.
pub fn predict(
    program: &Program,
    inputs: &[(String, String, String)],
    react: &dyn Fn(&Call) -> Reaction,
) -> Prediction {
    let given =
        inputs.iter().map(|(bucket, key, text)| ((bucket.clone(), key.clone()), (text.clone().into(), None)));
    let given: Objects = given.collect();
    let mut objects = given.clone();
    for _ in 0..1000 {
        let (next, failures) = round(program, &given, &objects, react);
        if next == objects {
            let succeeds = !is_fatal(program, &failures)
                && program.triggers.iter().all(|t| completes(program, t, &objects));
            return Prediction { succeeds, objects };
        }
        objects = next;
    }
    panic!("the program computes without end");
}

/// What the inputs and one round of calls give, and the functions of which a call failed.
fn round(
    program: &Program,
    given: &Objects,
    objects: &Objects,
    react: &dyn Fn(&Call) -> Reaction,
) -> (Objects, BTreeSet<String>) {
    let (mut next, mut failures) = (given.clone(), BTreeSet::new());
    for trigger in program.triggers.iter().filter(|trigger| trigger.scope == Scope::Run) {
        for (ordinal, firing) in firings(program, &trigger.condition, objects).into_iter().enumerate() {
            for action in &trigger.actions {
                let Action::Invoke(function) = action else { continue };
                let function = &program.functions[function.index()];
                let key = firing.return_key(&function.name, ordinal);
                let call = firing.call(&function.name);
                let reaction = react(&call);
                if reaction.fails.is_some() {
                    failures.insert(function.name.to_string());
                    continue;
                }
                let bucket = program.buckets[function.returns_into().index()].name.to_string();
                let value = reaction.value.map(|bytes| (bucket, key, bytes));
                let puts = reaction
                    .early
                    .into_iter()
                    .chain(reaction.late)
                    .map(|(bucket, key, bytes, _)| (bucket, key, bytes));
                for (bucket, key, bytes) in puts.chain(value) {
                    next.insert((bucket, key), (bytes, Some(function.name.to_string())));
                }
            }
        }
    }
    (next, failures)
}

/// A failure is fatal unless only optional joins and groups wait for the function.
fn is_fatal(program: &Program, failures: &BTreeSet<String>) -> bool {
    failures.iter().any(|failed| {
        let waits = |trigger: &&Trigger| {
            let mut found = false;
            trigger.condition.each_leaf(&mut |leaf| {
                if let Condition::Join { of, .. } | Condition::Group { of, .. } = leaf {
                    found |= *program.functions[of.index()].name == **failed;
                }
            });
            found
        };
        let waiting: Vec<&Trigger> = program.triggers.iter().filter(waits).collect();
        waiting.is_empty() || waiting.iter().any(|trigger| !trigger.optional)
    })
}

/// Whether a condition got all that it must have by the end.
fn completes(program: &Program, trigger: &Trigger, objects: &Objects) -> bool {
    let needs =
        matches!(trigger.condition, Condition::Set { .. } | Condition::First { .. } | Condition::All(_));
    trigger.optional || !needs || !firings(program, &trigger.condition, objects).is_empty()
}

#[derive(Clone, Debug)]
struct Firing {
    objects: Vec<(String, Bytes)>,
    single: bool,
    numbered: bool,
    group: Option<String>,
}

impl Firing {
    fn list(objects: Vec<(String, Bytes)>) -> Self {
        Self { objects, single: false, numbered: false, group: None }
    }

    fn return_key(&self, function: &str, ordinal: usize) -> String {
        match (&self.group, self.single, self.numbered) {
            (_, true, _) => self.objects[0].0.clone(),
            (_, _, true) => format!("{function}-{ordinal}"),
            (Some(group), ..) => group.clone(),
            (None, ..) => function.to_owned(),
        }
    }

    fn call(&self, function: &str) -> Call {
        Call {
            run: String::new(),
            function: function.to_owned(),
            attempt: Attempt(1),
            objects: self.objects.clone(),
            single: self.single,
            event: None,
            group: self.group.clone(),
        }
    }
}

/// All firings that a condition ever gives if these are all the objects there ever are.
fn firings(program: &Program, condition: &Condition, objects: &Objects) -> Vec<Firing> {
    let bucket = condition.source().map(|source| &*program.buckets[source.bucket.index()].name);
    let seen = objects.iter().filter(|((of, _), _)| Some(of.as_str()) == bucket);
    let seen: Vec<_> =
        seen.map(|((_, key), (bytes, from))| (key.clone(), bytes.clone(), from.clone())).collect();
    let all: Vec<(String, Bytes)> = seen.iter().map(|(key, bytes, _)| (key.clone(), bytes.clone())).collect();
    let put_by = |of: &sluice_types::FunctionIx| {
        let name = &*program.functions[of.index()].name;
        let from = seen.iter().filter(move |(_, _, from)| from.as_deref() == Some(name));
        from.map(|(key, bytes, _)| (key.clone(), bytes.clone())).collect::<Vec<_>>()
    };
    let single = |object: (String, Bytes)| Firing { single: true, ..Firing::list(vec![object]) };
    match condition {
        Condition::Each(_) => all.into_iter().map(single).collect(),
        Condition::Name { glob, .. } => {
            all.into_iter().filter(|(key, _)| pattern::glob_matches(glob, key)).map(single).collect()
        }
        Condition::Set { keys, .. } => {
            let found = keys.iter().map(|key| all.iter().find(|(of, _)| **of == **key).cloned());
            found.collect::<Option<Vec<_>>>().map(Firing::list).into_iter().collect()
        }
        Condition::Batch { n, .. } => all
            .chunks(*n as usize)
            .map(|chunk| Firing { numbered: true, ..Firing::list(chunk.to_vec()) })
            .collect(),
        Condition::First { k, .. } => {
            all.get(..*k as usize).map(|first| Firing::list(first.to_vec())).into_iter().collect()
        }
        Condition::Join { of, .. } => vec![Firing::list(put_by(of))],
        Condition::Group { of, by, .. } => groups(put_by(of), by.is_some()),
        Condition::All(parts) => {
            let first = parts.iter().map(|part| firings(program, part, objects).into_iter().next());
            let parts: Option<Vec<Firing>> = first.collect();
            let list =
                parts.map(|parts| Firing::list(parts.into_iter().flat_map(|part| part.objects).collect()));
            list.into_iter().collect()
        }
        Condition::Any(parts) => parts.iter().flat_map(|part| firings(program, part, objects)).collect(),
        Condition::Event(_)
        | Condition::Events { .. }
        | Condition::Cron { .. }
        | Condition::Window { .. } => Vec::new(),
    }
}

/// By the prefix of the key, or by the group of the put, which random programs give to objects that hold `x`.
fn groups(objects: Vec<(String, Bytes)>, by_prefix: bool) -> Vec<Firing> {
    if objects.is_empty() {
        return vec![Firing::list(Vec::new())];
    }
    let mut groups: BTreeMap<String, Vec<(String, Bytes)>> = BTreeMap::new();
    for (key, bytes) in objects {
        let group = match (by_prefix, &bytes[..] == b"x") {
            (true, _) => key.split('/').next().unwrap_or_default().to_owned(),
            (false, true) => "left".to_owned(),
            (false, false) => key.clone(),
        };
        groups.entry(group).or_default().push((key, bytes));
    }
    groups.into_iter().map(|(group, list)| Firing { group: Some(group), ..Firing::list(list) }).collect()
}
