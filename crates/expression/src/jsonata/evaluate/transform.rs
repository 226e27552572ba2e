//! `|pattern|update, delete|`: a copy of a value with the matched objects changed.

use super::super::ast::Transform;
use super::super::error::{Outcome, raise};
use super::super::frame::FrameId;
use super::super::item::Item;
use super::super::signature::Arguments;
use super::Evaluator;
use crate::{Map, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Objects of the copy, by where they are, as they are to be.
type Edits = FxHashMap<*const Map, Map>;

impl Evaluator<'_> {
    /// Applies a transform to an object or an array of objects.
    #[inline(never)]
    pub fn transform(&mut self, transform: &Transform, subject: &Item, frame: FrameId) -> Outcome {
        if subject.is_nothing() {
            return Ok(Item::Nothing);
        }
        if !subject.is_object() && !subject.is_array() {
            return Err(raise("T0410").at(transform.position).index(1).value(subject));
        }
        let subject = self.cloned(subject, transform, frame)?;
        let Some(value) = subject.into_value(&mut self.budget)? else { return Ok(Item::Nothing) };
        let copy = self.unshared(&value)?;
        let matches = self.evaluate(&transform.pattern, &Item::Value(copy.clone()), frame)?;
        let mut edits = Edits::default();
        for found in matches.items() {
            self.edit(transform, &found, frame, &mut edits)?;
        }
        Ok(Item::Value(self.edited(&copy, &mut edits)?))
    }

    /// A copy by the function that a variable `$clone` is bound to, if there is one.
    fn cloned(&mut self, subject: &Item, transform: &Transform, frame: FrameId) -> Outcome {
        match self.variable("clone", frame) {
            None => Ok(subject.clone()),
            Some(clone @ Item::Function(_)) => {
                self.apply(&clone, Arguments::from_iter([subject.clone()]), &Item::Nothing, frame)
            }
            Some(_) => Err(raise("T2013").at(transform.position)),
        }
    }

    fn edit(
        &mut self,
        transform: &Transform,
        found: &Item,
        frame: FrameId,
        edits: &mut Edits,
    ) -> Outcome<()> {
        let place = match found {
            Item::Value(Value::Object(fields)) => Some(Arc::as_ptr(fields)),
            _ => None,
        };
        let earlier = place.and_then(|place| edits.get(&place));
        let context =
            earlier.map_or_else(|| found.clone(), |fields| Item::Value(Value::object(fields.clone())));
        let update = self.evaluate(&transform.update, &context, frame)?;
        if !update.is_nothing() && !update.is_object() {
            return Err(raise("T2011").at(transform.position).value(&update));
        }
        let deleted = match &transform.delete {
            Some(delete) => self.evaluate(delete, &context, frame)?,
            None => Item::Nothing,
        };
        if !deleted.items().all(|name| name.as_str().is_some()) {
            return Err(raise("T2012").at(transform.position).value(&deleted));
        }
        let (Some(place), Item::Value(Value::Object(fields))) = (place, context) else { return Ok(()) };
        let mut fields = (*fields).clone();
        for (name, item) in update.fields() {
            if let Some(value) = item.into_value(&mut self.budget)? {
                fields.insert(name.clone(), value);
            }
        }
        for name in deleted.items() {
            fields.shift_remove(name.as_str().unwrap_or_default());
        }
        edits.insert(place, fields);
        Ok(())
    }

    /// A copy in which no two objects are the same in memory, so that each can be changed by itself.
    fn unshared(&mut self, value: &Value) -> Outcome<Value> {
        self.rebuilt(value, &mut |_| None)
    }

    /// The copy with the edits made.
    fn edited(&mut self, value: &Value, edits: &mut Edits) -> Outcome<Value> {
        // Taken out when it is reached: an update may put the object that it changes into itself.
        self.rebuilt(value, &mut |fields| edits.remove(&Arc::as_ptr(fields)))
    }

    fn rebuilt(&mut self, value: &Value, edit: &mut dyn FnMut(&Arc<Map>) -> Option<Map>) -> Outcome<Value> {
        self.budget.bytes(std::mem::size_of::<Value>())?;
        Ok(match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.rebuilt(item, edit));
                Value::array(items.collect::<Outcome<_>>()?)
            }
            Value::Object(fields) => {
                let edited = edit(fields);
                let fields = edited.as_ref().unwrap_or(fields).iter();
                let fields = fields.map(|(name, value)| Ok((name.clone(), self.rebuilt(value, edit)?)));
                Value::object(fields.collect::<Outcome<_>>()?)
            }
            scalar => scalar.clone(),
        })
    }
}
