//! Strings: how values look as text, and how texts compare.

use super::budget::Budget;
use super::error::{Outcome, raise};
use super::item::Item;
use super::number;
use crate::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// A value as a string: nothing and functions are empty, arrays and objects JSON.
pub fn of(item: &Item, budget: &mut Budget) -> Outcome<Arc<str>> {
    match item {
        Item::Value(Value::String(text)) => Ok(text.clone()),
        item => string(item, false, budget),
    }
}

/// As [`of`]; `pretty` breaks and indents JSON.
pub fn string(item: &Item, pretty: bool, budget: &mut Budget) -> Outcome<Arc<str>> {
    match item {
        Item::Nothing | Item::Function(_) => Ok("".into()),
        Item::Value(Value::String(text)) => Ok(text.clone()),
        Item::Value(Value::Float(number)) if !number.is_finite() => Err(raise("D3001").value(item)),
        Item::List(list) if list.outer => string(&list.items[0], pretty, budget),
        item => {
            let mut writer = Writer { text: String::new(), pretty, indent: 0, budget };
            writer.item(item)?;
            Ok(writer.text.into())
        }
    }
}

/// Writes JSON as JavaScript does, with numbers of 15 digits.
struct Writer<'a> {
    text: String,
    pretty: bool,
    indent: usize,
    budget: &'a mut Budget,
}

impl Writer<'_> {
    fn item(&mut self, item: &Item) -> Outcome<()> {
        let before = self.text.len();
        match item {
            Item::Function(_) => self.text.push_str("\"\""),
            item if item.is_array() => return self.array(item),
            item if item.is_object() => return self.object(item),
            Item::Value(Value::Int(int)) => self.text.push_str(&int.to_string()),
            Item::Value(value) => match value.as_f64() {
                Some(number) if !number.is_finite() => return Err(raise("D1001").value(item)),
                Some(number) => self.text.push_str(&number::to_text(number::rounded(number))),
                None => self.text.push_str(&value.to_json()),
            },
            _ => self.text.push_str("null"),
        }
        self.budget.bytes(self.text.len() - before)
    }

    fn array(&mut self, array: &Item) -> Outcome<()> {
        self.begin('[');
        for (index, item) in array.items().enumerate() {
            self.separate(index > 0)?;
            self.item(&item)?;
        }
        self.end(']', array.len() > 0);
        Ok(())
    }

    fn object(&mut self, object: &Item) -> Outcome<()> {
        self.begin('{');
        let mut written = 0;
        for (name, item) in object.fields() {
            if item.is_nothing() {
                continue;
            }
            self.separate(written > 0)?;
            written += 1;
            self.text.push_str(&Value::String(name.clone()).to_json());
            self.text.push_str(if self.pretty { ": " } else { ":" });
            self.item(&item)?;
        }
        self.end('}', written > 0);
        Ok(())
    }

    fn begin(&mut self, bracket: char) {
        self.text.push(bracket);
        self.indent += 1;
    }

    fn separate(&mut self, comma: bool) -> Outcome<()> {
        let before = self.text.len();
        if comma {
            self.text.push(',');
        }
        self.line();
        self.budget.bytes(self.text.len() - before)
    }

    fn end(&mut self, bracket: char, filled: bool) {
        self.indent -= 1;
        if filled {
            self.line();
        }
        self.text.push(bracket);
    }

    fn line(&mut self) {
        if self.pretty {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("  ", self.indent));
        }
    }
}

/// The character, of the last private plane, that stands for a surrogate without its other half.
pub fn stand_in(surrogate: u16) -> char {
    char::from_u32(0x10_0000 + u32::from(surrogate))
        .expect("the plane has all 16-bit positions but the last two")
}

/// Whether a character is a [`stand_in`].
pub fn is_stand_in(char: char) -> bool {
    (0x10_D800..=0x10_DFFF).contains(&(char as u32))
}

/// How two texts compare in JavaScript: by UTF-16 units.
pub fn order(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    match left.iter().zip(right).find(|(a, b)| a != b) {
        None => left.len().cmp(&right.len()),
        // Units of a surrogate pair (UTF-8 from F0 on) come before U+E000 to U+FFFF (UTF-8 from EE on).
        Some((a, b)) if *a >= 0xEE && *b >= 0xEE && (*a >= 0xF0) != (*b >= 0xF0) => b.cmp(a),
        Some((a, b)) => a.cmp(b),
    }
}
