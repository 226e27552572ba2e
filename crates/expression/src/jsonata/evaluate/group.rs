//! Objects: constructed from one context, or grouped over many.

use super::super::ast::Pairs;
use super::super::error::{Outcome, raise};
use super::super::frame::FrameId;
use super::super::item::{Fields, Item, Tuple};
use super::Evaluator;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// What has the same key: from which pair, and from which items.
struct Entry {
    pair: usize,
    tuples: Vec<Tuple>,
}

type Entries = IndexMap<Arc<str>, Entry, FxBuildHasher>;

impl Evaluator<'_> {
    /// An object of the pairs for each key that the input gives.
    #[inline(never)]
    pub fn group(&mut self, pairs: &Pairs, input: &Item, frame: FrameId) -> Outcome {
        match input {
            Item::Tuples(tuples) => self.groups(pairs, tuples, frame),
            input if input.is_array() && input.len() > 0 => {
                let tuples = input.items().map(|item| Tuple { item, bindings: Vec::new() });
                self.groups(pairs, &tuples.collect::<Vec<_>>(), frame)
            }
            input if input.is_array() => self.single(pairs, &Item::Nothing, frame),
            input => self.single(pairs, input, frame),
        }
    }

    fn single(&mut self, pairs: &Pairs, input: &Item, frame: FrameId) -> Outcome {
        let mut fields = Fields::with_capacity_and_hasher(pairs.pairs.len(), FxBuildHasher);
        for (key, value) in &pairs.pairs {
            let key = self.evaluate(key, input, frame)?;
            let Some(key) = key_of(&key, pairs)? else { continue };
            // A field of nothing holds the key until the end.
            let value = self.evaluate(value, input, frame)?;
            if fields.insert(key.clone(), value).is_some() {
                return Err(duplicate(&key, pairs));
            }
        }
        self.finished(fields)
    }

    fn finished(&mut self, mut fields: Fields) -> Outcome {
        fields.retain(|_, value| !value.is_nothing());
        self.budget.bytes(fields.len() * std::mem::size_of::<(Arc<str>, Item)>())?;
        Item::object(fields).bounded()
    }

    fn groups(&mut self, pairs: &Pairs, tuples: &[Tuple], frame: FrameId) -> Outcome {
        let mut entries = Entries::default();
        for tuple in tuples {
            for (pair, (key, _)) in pairs.pairs.iter().enumerate() {
                let key = self.in_tuple(key, tuple, frame)?;
                let Some(key) = key_of(&key, pairs)? else { continue };
                let entry = entries.entry(key.clone()).or_insert_with(|| Entry { pair, tuples: Vec::new() });
                if entry.pair != pair {
                    return Err(duplicate(&key, pairs));
                }
                entry.tuples.push(tuple.clone());
            }
        }
        let mut fields = Fields::with_capacity_and_hasher(entries.len(), FxBuildHasher);
        for (key, entry) in entries {
            let value = &pairs.pairs[entry.pair].1;
            fields.insert(key, self.in_tuple(value, &together(entry.tuples), frame)?);
        }
        self.finished(fields)
    }
}

fn key_of(key: &Item, pairs: &Pairs) -> Outcome<Option<Arc<str>>> {
    match (key, key.as_text()) {
        (_, Some(text)) => Ok(Some(text.clone())),
        (Item::Nothing, _) => Ok(None),
        _ => Err(raise("T1003").at(pairs.position).value(key)),
    }
}

fn duplicate(key: &str, pairs: &Pairs) -> Box<super::super::error::Raised> {
    raise("D1009").at(pairs.position).text(key)
}

/// Tuples as one: of each of their values one by itself, many as an array.
fn together(mut tuples: Vec<Tuple>) -> Tuple {
    if tuples.len() == 1 {
        return tuples.swap_remove(0);
    }
    let mut item = Vec::new();
    let mut bindings: IndexMap<Arc<str>, Vec<Item>, FxBuildHasher> = IndexMap::default();
    for tuple in tuples {
        tuple.item.move_items(&mut item);
        for (name, value) in tuple.bindings {
            value.move_items(bindings.entry(name).or_default());
        }
    }
    let bindings = bindings.into_iter().map(|(name, values)| (name, Item::sequence(values)));
    Tuple { item: Item::sequence(item), bindings: bindings.collect() }
}
