//! `Map`: a block for every item.

use super::data::View;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, JoinStep, StateType};
use super::iterations::Iterations;
use super::join::Join;
use super::task::Purpose;
use super::trial::Stage;
use super::turn::{Flow, Turn};
use super::{Execution, Work};
use crate::Template;
use crate::machine::{ItemReader, Items, Kind, Map, MapMode, QueryLanguage, State};
use sluice_expression::Value;
use std::sync::Arc;

/// `Source` of items that are part of the state's data.
const STATE_DATA: &str = "STATE_DATA";

impl Execution {
    /// Begins a `Map`.
    pub(super) fn start_map(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        map: &Map,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        if let Some(reader) = &map.reader {
            return self.read_items(frame, ix, state, map, reader, &effective, turn);
        }
        self.hold(&effective, state)?;
        let view = View::of(&effective);
        let items = self.items(frame, state, map, &effective, turn)?;
        self.hold(&items, state)?;
        let tolerance = match map.mode {
            MapMode::Inline => None,
            MapMode::Distributed { .. } => Some(self.tolerance(frame, state, map, view, turn)?),
        };
        let source = tolerance.is_some().then(|| STATE_DATA.into());
        let mut iterations = self.iterations(frame, state, map, effective, items, source, turn)?;
        self.map_started(frame, u64::from(iterations.length()), turn);
        iterations.run = tolerance.map(|tolerance| self.start_map_run(frame, map, tolerance, turn));
        Ok(self.iterate(frame, ix, iterations, turn))
    }

    fn map_started(&mut self, frame: &mut Frame, length: u64, turn: &mut Turn<'_>) {
        let step = JoinStep::Started { length: Some(length) };
        self.follow(frame, turn, || HistoryKind::Children { kind: StateType::Map, step });
    }

    fn iterate(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        iterations: Iterations,
        turn: &mut Turn<'_>,
    ) -> Flow {
        if let Some(run) = iterations.run {
            self.count_items(run, iterations.length());
            self.map_runs[run as usize].max_concurrency = iterations.max_concurrency;
        }
        let iterations = Some(Box::new(iterations));
        let follows = frame.trail.last;
        frame.doing = Doing::Joining(Box::new(Join { slots: Vec::new(), open: 0, follows, iterations }));
        self.fill(frame, ix, turn)
    }

    fn items(
        &mut self,
        frame: &Frame,
        state: &State,
        map: &Map,
        effective: &Value,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        let view = View::of(effective);
        let items = match &map.items {
            None => effective.clone(),
            Some(Items::Path(path)) => self.see(frame, state, view, turn, |scope| scope.find(path))?,
            Some(Items::Template(template)) => self.evaluate(frame, state, template, "Items", view, turn)?,
        };
        match &items {
            Value::Array(_) => Ok(items),
            Value::Object(_) if state.query == QueryLanguage::Jsonata || map.mode != MapMode::Inline => {
                Ok(items)
            }
            _ => Err(no_items(state, map, &items)),
        }
    }

    fn iterations(
        &mut self,
        frame: &Frame,
        state: &State,
        map: &Map,
        effective: Value,
        items: Value,
        source: Option<Arc<str>>,
        turn: &Turn<'_>,
    ) -> Result<Iterations, Failure> {
        let view = View::of(&effective);
        let max_concurrency =
            self.see(frame, state, view, turn, |scope| map.max_concurrency.value(scope, "MaxConcurrency"))?;
        let batch = map.batcher.as_ref();
        let batch = batch.map(|batcher| self.batch(frame, state, batcher, view, turn)).transpose()?;
        Ok(Iterations { items, source, next: 0, max_concurrency, run: None, batch, effective })
    }

    /// Shows the items of a `Map` that is only tried, and what its selector makes of the first.
    pub(super) fn preview_map(
        &mut self,
        frame: &mut Frame,
        state: &State,
        map: &Map,
        effective: Value,
        turn: &mut Turn<'_>,
    ) -> Result<(), Failure> {
        if map.reader.is_some() {
            return Ok(());
        }
        let items = self.items(frame, state, map, &effective, turn)?;
        self.show(Stage::ItemsPath, &items);
        let iterations = self.iterations(frame, state, map, effective, items, None, turn)?;
        if !iterations.is_exhausted() && map.item_selector.is_some() {
            let follows = frame.trail.last;
            let iterations = Some(Box::new(iterations));
            frame.doing = Doing::Joining(Box::new(Join { slots: Vec::new(), open: 0, follows, iterations }));
            let selected = self.next_item(frame, state, map, turn);
            frame.doing = Doing::Ready;
            self.show(Stage::ItemSelector, &selected?.1);
        }
        Ok(())
    }

    /// Has the items of a distributed `Map` read.
    fn read_items(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        map: &Map,
        reader: &ItemReader,
        effective: &Value,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let view = View::of(effective);
        let arguments = self.map_arguments(frame, state, reader.arguments.as_ref(), view, turn)?;
        let mut config = reader.config.as_object().cloned().unwrap_or_default();
        if let Some(input_type) = &reader.input_type {
            config.insert("InputType".into(), Value::String(input_type.clone()));
        }
        if let Some(max_items) = &reader.max_items {
            let max_items = self.see(frame, state, view, turn, |scope| max_items.value(scope, "MaxItems"))?;
            config.insert("MaxItems".into(), Value::Int(max_items as i64));
        }
        let tolerance = self.tolerance(frame, state, map, view, turn)?;
        self.map_started(frame, 0, turn);
        let run = self.start_map_run(frame, map, tolerance, turn);
        let work =
            Work::ReadItems { resource: reader.resource.clone(), config: Value::object(config), arguments };
        self.request_work(frame, ix, work, Purpose::Items { run }, turn);
        Ok(Flow::Wait)
    }

    /// What an `ItemReader` or a `ResultWriter` is given: an object, empty if nothing is said.
    pub(super) fn map_arguments(
        &mut self,
        frame: &Frame,
        state: &State,
        template: Option<&Template>,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        let field = match state.query {
            QueryLanguage::JsonPath => "Parameters",
            QueryLanguage::Jsonata => "Arguments",
        };
        let arguments = match template {
            Some(template) => self.evaluate(frame, state, template, field, view, turn)?,
            None => Value::object(Default::default()),
        };
        self.hold(&arguments, state)?;
        Ok(arguments)
    }

    /// The items of a distributed `Map` have been read.
    pub(super) fn items_read(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        (run, items): (u32, Value),
        turn: &mut Turn<'_>,
    ) -> Flow {
        let state = self.state_of(frame, turn.machine);
        let Kind::Map(map) = &state.kind else { unreachable!("items belong to a Map") };
        let flow = self.effective_input(frame, state, turn).and_then(|effective| {
            self.hold(&items, state)?;
            let source = map.reader.as_ref().map(|reader| reader.resource.clone());
            let mut iterations = self.iterations(frame, state, map, effective, items, source, turn)?;
            iterations.run = Some(run);
            Ok(self.iterate(frame, ix, iterations, turn))
        });
        flow.unwrap_or_else(|failure| self.fail_map(frame, ix, state, failure, turn))
    }
}

/// The items are neither an array nor, where that is allowed, an object.
fn no_items(state: &State, map: &Map, items: &Value) -> Failure {
    match (&map.items, state.query) {
        (Some(Items::Template(Template::Computed(expression))), QueryLanguage::Jsonata) => {
            let source = expression.source();
            let cause = format!(
                "The JSONata expression '{source}' specified for the field 'Items' returned an unexpected result type. \
                 Expected 'array' or 'object', but was '{}' for value: {items}",
                items.type_name(),
            );
            Failure::query("Items", cause)
        }
        (_, QueryLanguage::Jsonata) => {
            let cause =
                format!("The field 'Items' must be an array or an object, but was '{}'", items.type_name());
            Failure::query("Items", cause)
        }
        (items, QueryLanguage::JsonPath) => {
            let path = match items {
                Some(Items::Path(path)) => path.source(),
                _ => "$",
            };
            let cause = format!("Reference path \"{path}\" must point to array.");
            Failure::runtime(cause)
        }
    }
}
