//! The iterations of a `Map`: which item is next, and what it becomes.

use super::Execution;
use super::data::View;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx, Item, Trail};
use super::history::{ExecutionStep, HistoryKind, JoinStep};
use super::join::Slot;
use super::turn::Turn;
use crate::Variables;
use crate::machine::{ItemBatcher, Map, Setting, State};
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// Most iterations of one `Map` at a time, whatever its `MaxConcurrency`.
pub const ITERATIONS_OPEN_MAX: u64 = 10_000;
/// Largest input of a batch, in bytes of JSON.
pub const BATCH_BYTES_MAX: u64 = 262_144;

/// The items of a `Map`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Iterations {
    /// `$` of `ItemSelector`.
    pub effective: Value,
    /// An array, or an object.
    pub items: Value,
    /// Where `$$.Map.Item.Source` says they come from; of a distributed `Map`.
    pub source: Option<Arc<str>>,
    /// Position of the next one.
    pub next: u32,
    /// 0 is no limit.
    pub max_concurrency: u64,
    /// Number of the map run, of a distributed `Map`.
    pub run: Option<u32>,
    /// Of an `ItemBatcher`.
    pub batch: Option<Batch>,
}

/// What the `ItemBatcher` of a `Map` comes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Batch {
    pub max_items: Option<u64>,
    pub max_bytes: u64,
    pub input: Option<Value>,
}

impl Iterations {
    /// Number of the items.
    pub fn length(&self) -> u32 {
        let length = match &self.items {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        length as u32
    }

    /// Whether no item is left.
    pub fn is_exhausted(&self) -> bool {
        self.next >= self.length()
    }

    fn limit(&self) -> u64 {
        match self.max_concurrency {
            0 => ITERATIONS_OPEN_MAX,
            most => most.min(ITERATIONS_OPEN_MAX),
        }
    }

    /// The items that are left, as they are.
    pub fn pending(&self) -> impl Iterator<Item = &Value> {
        (self.next..self.length()).map(|index| self.at(index).0)
    }

    /// An item, and its name if it is a field.
    fn at(&self, index: u32) -> (&Value, Option<&Arc<str>>) {
        match &self.items {
            Value::Array(items) => (&items[index as usize], None),
            Value::Object(fields) => {
                let (key, value) = fields.get_index(index as usize).expect("there is such an item");
                (value, Some(key))
            }
            _ => unreachable!("items are an array or an object"),
        }
    }

    /// The item at the next position.
    fn item(&self) -> Arc<Item> {
        let (value, key) = self.at(self.next);
        let (value, key) = (value.clone(), key.cloned());
        Arc::new(Item { index: self.next, value, key, source: self.source.clone() })
    }
}

impl Frame {
    /// Variables of a branch or iteration within this frame.
    pub fn inner_variables(&self) -> Variables {
        if self.variables.is_empty() { Variables::default() } else { self.variables.inner() }
    }

    fn iterations(&mut self) -> Option<(&mut Iterations, u32)> {
        let Doing::Joining(join) = &mut self.doing else { return None };
        let open = join.open;
        Some((join.iterations.as_deref_mut()?, open))
    }
}

impl Execution {
    /// Starts iterations as far as concurrency allows.
    pub(super) fn start_iterations(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        map: &Map,
        turn: &mut Turn<'_>,
    ) -> Result<(), Failure> {
        while let Some((iterations, open)) = frame.iterations() {
            if iterations.is_exhausted() || u64::from(open) >= iterations.limit() {
                break;
            }
            if turn.steps == 0 {
                self.ready.push_back(ix);
                break;
            }
            turn.steps -= 1;
            self.start_iteration(frame, ix, state, map, turn)?;
        }
        Ok(())
    }

    fn start_iteration(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        map: &Map,
        turn: &mut Turn<'_>,
    ) -> Result<(), Failure> {
        let (iterations, _) = frame.iterations().expect("a Map has iterations");
        let (run, first) = (iterations.run, iterations.next);
        let (item, input) = match iterations.batch.clone() {
            None => self.next_item(frame, state, map, turn)?,
            Some(batch) => self.next_batch(frame, state, map, &batch, turn)?,
        };
        let (iterations, _) = frame.iterations().expect("a Map has iterations");
        let items = iterations.next - first;
        let join = frame.join().expect("a Map at work joins its iterations");
        let index = join.slots.len() as u32;
        let child = Frame { parent: Some(ix), index, ..Frame::at(map.processor.start, input, turn.now_ms) };
        let child = match run {
            Some(run) => self.child_execution(child, run, items, turn),
            None => self.inline_iteration(child, frame, state, item, turn),
        };
        let child = self.frames.insert(child);
        self.ready.push_back(child);
        let join = frame.join().expect("a Map at work joins its iterations");
        join.slots.push(Slot::Open(child));
        join.open += 1;
        Ok(())
    }

    fn inline_iteration(
        &mut self,
        child: Frame,
        frame: &mut Frame,
        state: &State,
        item: Arc<Item>,
        turn: &mut Turn<'_>,
    ) -> Frame {
        let follows = frame.join().map_or(0, |join| join.follows);
        let started = self.note(frame, follows, turn, || HistoryKind::Iteration {
            step: JoinStep::Started { length: None },
            name: state.name.clone(),
            index: u64::from(child.index),
        });
        let (trail, variables) = (Trail::after(started), frame.inner_variables());
        Frame { ledger: frame.ledger, item: Some(item), trail, variables, ..child }
    }

    fn child_execution(&mut self, child: Frame, run: u32, items: u32, turn: &mut Turn<'_>) -> Frame {
        let ledger = self.open_child(run, child.index, items, &child.input, turn);
        let child = Frame { ledger, ..child };
        let (input, role) = (child.input.clone(), self.settings.role.clone());
        self.note(&child, 0, turn, || HistoryKind::Execution(ExecutionStep::Started { input, role }));
        child
    }

    /// The next item, and the input that `ItemSelector` makes of it.
    pub(super) fn next_item(
        &mut self,
        frame: &mut Frame,
        state: &State,
        map: &Map,
        turn: &mut Turn<'_>,
    ) -> Result<(Arc<Item>, Value), Failure> {
        let (iterations, _) = frame.iterations().expect("a Map has iterations");
        let item = iterations.item();
        iterations.next += 1;
        let Some(selector) = &map.item_selector else {
            let input = item.value.clone();
            return Ok((item, input));
        };
        let effective = iterations.effective.clone();
        let outer = frame.item.replace(item.clone());
        let input = self.evaluate(frame, state, selector, "ItemSelector", View::of(&effective), turn);
        frame.item = outer;
        let input = input?;
        self.hold(&input, state)?;
        self.pay(turn);
        Ok((item, input))
    }

    /// As many of the next items as make up a batch, at least one.
    fn next_batch(
        &mut self,
        frame: &mut Frame,
        state: &State,
        map: &Map,
        batch: &Batch,
        turn: &mut Turn<'_>,
    ) -> Result<(Arc<Item>, Value), Failure> {
        let mut bytes = batch.input.as_ref().map_or(0, Value::json_bytes) as u64;
        let (first, input) = self.next_item(frame, state, map, turn)?;
        bytes += input.json_bytes() as u64;
        let mut items = vec![input];
        while batch.max_items.is_none_or(|most| (items.len() as u64) < most) {
            let (iterations, _) = frame.iterations().expect("a Map has iterations");
            if iterations.is_exhausted() {
                break;
            }
            turn.steps = turn.steps.saturating_sub(1);
            let (_, input) = self.next_item(frame, state, map, turn)?;
            bytes += input.json_bytes() as u64;
            if bytes > batch.max_bytes {
                let (iterations, _) = frame.iterations().expect("a Map has iterations");
                iterations.next -= 1;
                break;
            }
            items.push(input);
        }
        let mut input = sluice_expression::Map::default();
        if let Some(given) = &batch.input {
            input.insert("BatchInput".into(), given.clone());
        }
        input.insert("Items".into(), Value::array(items));
        let input = Value::object(input);
        self.hold(&input, state)?;
        Ok((first, input))
    }

    /// What the `ItemBatcher` of a `Map` comes to.
    pub(super) fn batch(
        &mut self,
        frame: &Frame,
        state: &State,
        batcher: &ItemBatcher,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Batch, Failure> {
        let (max_items, max_bytes) = self.see(frame, state, view, turn, |scope| {
            let items = Setting::optional(&batcher.max_items, scope, "MaxItemsPerBatch")?;
            Ok((items, Setting::optional(&batcher.max_bytes, scope, "MaxInputBytesPerBatch")?))
        })?;
        let input = batcher.input.as_ref();
        let input = input.map(|it| self.evaluate(frame, state, it, "BatchInput", view, turn)).transpose()?;
        input.iter().try_for_each(|input| self.hold(input, state))?;
        Ok(Batch { max_items, max_bytes: max_bytes.unwrap_or(BATCH_BYTES_MAX), input })
    }
}
