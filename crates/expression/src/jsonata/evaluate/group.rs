//! Objects: constructed from one context, or grouped over many.

use super::super::ast::Pairs;
use super::super::error::{Outcome, raise};
use super::super::frame::FrameId;
use super::super::item::{Fields, Item, Tuple};
use super::Evaluator;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

/// What has the same key: from which pair, and the items.
struct Entry {
    pair: usize,
    items: Vec<Item>,
    tuple: Option<Tuple>,
}

type Entries = indexmap::IndexMap<Arc<str>, Entry, FxBuildHasher>;

impl Evaluator<'_> {
    /// An object of the pairs for each key that the input gives.
    #[inline(never)]
    pub fn group(&mut self, pairs: &Pairs, input: &Item, frame: FrameId) -> Outcome {
        match input {
            Item::Tuples(tuples) => self.group_tuples(pairs, tuples, frame),
            input if input.is_array() && input.len() > 0 => self.group_items(pairs, input, frame),
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

    fn group_items(&mut self, pairs: &Pairs, input: &Item, frame: FrameId) -> Outcome {
        let mut entries = Entries::default();
        for item in input.items() {
            for (pair, (key, _)) in pairs.pairs.iter().enumerate() {
                let key = self.evaluate(key, &item, frame)?;
                let Some(key) = key_of(&key, pairs)? else { continue };
                let entry = entry(&mut entries, key, pair, pairs)?;
                entry.items.push(item.clone());
            }
        }
        let mut fields = Fields::with_capacity_and_hasher(entries.len(), FxBuildHasher);
        for (key, entry) in entries {
            let value = self.evaluate(&pairs.pairs[entry.pair].1, &together(entry.items), frame)?;
            fields.insert(key, value);
        }
        self.finished(fields)
    }

    fn group_tuples(&mut self, pairs: &Pairs, tuples: &[Tuple], frame: FrameId) -> Outcome {
        let mut entries = Entries::default();
        for tuple in tuples {
            for (pair, (key, _)) in pairs.pairs.iter().enumerate() {
                let key = self.in_tuple(key, tuple, frame)?;
                let Some(key) = key_of(&key, pairs)? else { continue };
                let entry = entry(&mut entries, key, pair, pairs)?;
                match &mut entry.tuple {
                    None => entry.tuple = Some(tuple.clone()),
                    Some(all) => all.absorb(tuple),
                }
            }
        }
        let mut fields = Fields::with_capacity_and_hasher(entries.len(), FxBuildHasher);
        for (key, entry) in entries {
            let tuple = entry.tuple.expect("an entry begins with a tuple");
            let value = self.in_tuple(&pairs.pairs[entry.pair].1, &tuple, frame)?;
            fields.insert(key, value);
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

fn entry<'a>(entries: &'a mut Entries, key: Arc<str>, pair: usize, pairs: &Pairs) -> Outcome<&'a mut Entry> {
    if entries.get(&key).is_some_and(|entry| entry.pair != pair) {
        return Err(duplicate(&key, pairs));
    }
    Ok(entries.entry(key).or_insert_with(|| Entry { pair, items: Vec::new(), tuple: None }))
}

/// One item as itself, many as an array; arrays among many are flattened.
fn together(mut items: Vec<Item>) -> Item {
    match items.len() {
        1 => items.swap_remove(0),
        _ => Item::sequence(items.iter().flat_map(Item::items).collect()),
    }
}

impl Tuple {
    /// Takes the item and the variables of another with the same key.
    fn absorb(&mut self, other: &Tuple) {
        self.item = appended(&self.item, &other.item);
        for (name, item) in &other.bindings {
            match self.bindings.iter_mut().find(|(own, _)| own == name) {
                Some((_, own)) => *own = appended(own, item),
                None => self.bindings.push((name.clone(), item.clone())),
            }
        }
    }
}

/// Both as one array.
pub fn appended(first: &Item, second: &Item) -> Item {
    match (first, second) {
        (Item::Nothing, item) | (item, Item::Nothing) => item.clone(),
        _ => Item::array(first.items().chain(second.items()).collect()),
    }
}
