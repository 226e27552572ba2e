//! Arithmetic, comparison, concatenation, ranges.

use super::super::ast::{Node, Operator};
use super::super::error::{Outcome, raise};
use super::super::frame::FrameId;
use super::super::item::Item;
use super::super::{number, text};
use super::Evaluator;
use crate::Value;
use std::cmp::Ordering;

/// Items that a range may have.
const RANGE_MAX: f64 = 1e7;

impl Evaluator<'_> {
    /// Two operands, of which the second may not matter.
    pub fn binary(
        &mut self,
        operator: Operator,
        left: &Node,
        right: &Node,
        input: &Item,
        frame: FrameId,
    ) -> Outcome {
        let left = self.evaluate(left, input, frame)?;
        match operator {
            Operator::And if !left.truth() => return Ok(Item::bool(false)),
            Operator::Or if left.truth() => return Ok(Item::bool(true)),
            _ => {}
        }
        let right = self.evaluate(right, input, frame)?;
        self.operate(operator, &left, &right).map_err(|error| error.token(operator.symbol()))
    }

    fn operate(&mut self, operator: Operator, left: &Item, right: &Item) -> Outcome {
        match operator {
            Operator::And | Operator::Or => Ok(Item::bool(right.truth())),
            Operator::Equal | Operator::NotEqual => {
                let defined = !left.is_nothing() && !right.is_nothing();
                let equal = defined && left.equals(right, &mut self.budget)?;
                Ok(Item::bool(defined && equal == (operator == Operator::Equal)))
            }
            Operator::In => self.includes(left, right),
            Operator::Concatenate => self.concatenate(left, right),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                compare(operator, left, right)
            }
            _ => compute(operator, left, right),
        }
    }

    fn includes(&mut self, left: &Item, right: &Item) -> Outcome {
        if left.is_nothing() {
            return Ok(Item::bool(false));
        }
        for item in right.items() {
            if left.equals(&item, &mut self.budget)? {
                return Ok(Item::bool(true));
            }
        }
        Ok(Item::bool(false))
    }

    fn concatenate(&mut self, left: &Item, right: &Item) -> Outcome {
        let left = text::of(left, &mut self.budget)?;
        let right = text::of(right, &mut self.budget)?;
        self.budget.bytes(left.len() + right.len())?;
        Ok(Item::text([&*left, &*right].concat()))
    }

    /// The integers from one to another.
    pub fn range(&mut self, left: &Item, right: &Item) -> Outcome {
        let from = integer(left).map_err(|_| raise("T2003").value(left))?;
        let to = integer(right).map_err(|_| raise("T2004").value(right))?;
        let (Some(from), Some(to)) = (from, to) else { return Ok(Item::Nothing) };
        if from > to {
            return Ok(Item::Nothing);
        }
        let size = to - from + 1.0;
        if size > RANGE_MAX {
            return Err(raise("D2014").value(&Item::number(size)));
        }
        self.budget.steps(size as usize / 16)?;
        self.budget.bytes(size as usize * std::mem::size_of::<Item>())?;
        let items = (0..size as u32).map(|offset| Item::number(from + f64::from(offset)));
        Ok(Item::sequence(items.collect()))
    }
}

/// A whole number, or nothing.
fn integer(item: &Item) -> Result<Option<f64>, ()> {
    match item {
        Item::Nothing => Ok(None),
        item => item.as_f64().filter(|number| number.fract() == 0.0).map(Some).ok_or(()),
    }
}

/// A number that can be computed with, or nothing.
fn operand(item: &Item, code: &'static str) -> Outcome<Option<f64>> {
    match item {
        Item::Nothing => Ok(None),
        item => match item.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            Some(number) if number.is_infinite() => Err(raise("D1001").value(item)),
            _ => Err(raise(code).value(item)),
        },
    }
}

fn compute(operator: Operator, left: &Item, right: &Item) -> Outcome {
    let (left, right) = (operand(left, "T2001")?, operand(right, "T2002")?);
    let (Some(left), Some(right)) = (left, right) else { return Ok(Item::Nothing) };
    Ok(Item::number(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => left % right,
    }))
}

/// The number with the other sign.
pub fn negate(item: Item) -> Outcome {
    match operand(&item, "D1002")? {
        Some(number) => Ok(Item::number(-number)),
        None => Ok(Item::Nothing),
    }
}

fn compare(operator: Operator, left: &Item, right: &Item) -> Outcome {
    let comparable = |item: &Item| matches!(item.type_name(), None | Some("string" | "number"));
    for item in [left, right] {
        if !comparable(item) {
            return Err(raise("T2010").value(item));
        }
    }
    if left.is_nothing() || right.is_nothing() {
        return Ok(Item::Nothing);
    }
    if left.type_name() != right.type_name() {
        return Err(raise("T2009").value(left).other(right));
    }
    let order = order(left, right);
    Ok(Item::bool(match operator {
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

/// How two strings or two numbers compare.
pub fn order(left: &Item, right: &Item) -> Option<Ordering> {
    match (left, right) {
        (Item::Value(Value::String(left)), Item::Value(Value::String(right))) => {
            Some(text::order(left, right))
        }
        _ => number::order(left.as_f64()?, right.as_f64()?),
    }
}
