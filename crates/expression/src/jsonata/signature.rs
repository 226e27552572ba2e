//! What a function takes: the notation `<s-nn?:s>`, and arguments checked against it.

use super::error::{Outcome, raise};
use super::item::Item;
use smallvec::SmallVec;

/// Arguments of a call.
pub type Arguments = SmallVec<[Item; 4]>;

/// The letters of a signature, one bit each.
const LETTERS: [u8; 8] = *b"asnblofm";
const ARRAY: u8 = 1;
const FUNCTION: u8 = 1 << 6;
const MISSING: u8 = 1 << 7;

fn bit(letter: u8) -> u8 {
    LETTERS.iter().position(|own| *own == letter).map_or(0, |index| 1 << index)
}

/// The types that a function takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Vec<Parameter>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parameter {
    /// Which types fit.
    types: u8,
    optional: bool,
    many: bool,
    /// Taken from the context if it is not given.
    context: bool,
    /// Any other value becomes an array of one.
    array: bool,
    /// What the array holds, as a letter.
    of: Option<u8>,
}

impl Signature {
    /// Reads a signature with its angle brackets.
    pub fn parse(text: &str) -> Outcome<Self> {
        let text = text.as_bytes();
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut at = 1;
        while at < text.len() && !matches!(text[at], b':' | b'>') {
            match (text[at], parameters.last_mut()) {
                (b'-', Some(last)) => (last.context, last.optional) = (true, true),
                (b'?', Some(last)) => last.optional = true,
                (b'+', Some(last)) => last.many = true,
                (b'(', _) => {
                    let end = closing(text, at, b'(', b')');
                    let choice = &text[at + 1..end];
                    if choice.contains(&b'<') {
                        return Err(raise("S0402"));
                    }
                    let types = choice.iter().fold(MISSING, |types, letter| types | bit(*letter));
                    parameters.push(Parameter { types, ..Parameter::default() });
                    at = end;
                }
                (b'<', last) => {
                    let last = last.filter(|last| last.array || last.types == FUNCTION);
                    last.ok_or_else(|| raise("S0401"))?.of = text.get(at + 1).copied();
                    at = closing(text, at, b'<', b'>');
                }
                (letter, _) => parameters.push(Parameter::of(letter)),
            }
            at += 1;
        }
        Ok(Self(parameters))
    }

    /// The arguments as the function takes them: from the context where they are left out, as arrays where arrays are
    /// asked for.
    pub fn check(&self, arguments: Arguments, context: &Item) -> Outcome<Arguments> {
        let types: SmallVec<[u8; 4]> = arguments.iter().map(type_of).collect();
        let Some(lengths) = self.fit(&types) else {
            return Err(self.misfit(&arguments, &types));
        };
        let mut checked = Arguments::new();
        let mut given = arguments.into_iter();
        for (parameter, length) in self.0.iter().zip(lengths) {
            let index = checked.len() + 1;
            match length {
                0 if parameter.context => checked.push(parameter.absent(context, index)?),
                // As in the reference, what does not fit a parameter that may be left out takes its place.
                0 => checked.push(given.next().unwrap_or_default()),
                _ => {}
            }
            for argument in given.by_ref().take(length) {
                checked.push(parameter.present(argument, index)?);
            }
        }
        Ok(checked)
    }

    /// How many arguments each parameter takes, the first ones as many as possible.
    fn fit(&self, types: &[u8]) -> Option<SmallVec<[usize; 4]>> {
        // fits[p][a]: the parameters from p on can take exactly the arguments from a on.
        let (parameters, arguments) = (self.0.len(), types.len());
        let mut fits: SmallVec<[bool; 32]> = SmallVec::from_elem(false, (parameters + 1) * (arguments + 1));
        let place = |parameter: usize, argument: usize| parameter * (arguments + 1) + argument;
        fits[place(parameters, arguments)] = true;
        for (index, parameter) in self.0.iter().enumerate().rev() {
            for argument in 0..=arguments {
                let range = parameter.takes(&types[argument..]);
                fits[place(index, argument)] =
                    range.into_iter().any(|n| fits[place(index + 1, argument + n)]);
            }
        }
        if !fits[0] {
            return None;
        }
        let mut argument = 0;
        let lengths = self.0.iter().enumerate().map(|(index, parameter)| {
            let mut range = parameter.takes(&types[argument..]).rev();
            let length = range.find(|n| fits[place(index + 1, argument + n)]).expect("it fits");
            argument += length;
            length
        });
        Some(lengths.collect())
    }

    /// Which argument is the first that does not fit.
    fn misfit(&self, arguments: &[Item], types: &[u8]) -> Box<super::error::Raised> {
        let mut good = 0;
        for parameter in &self.0 {
            let range = parameter.takes(&types[good..]);
            if range.is_empty() {
                break;
            }
            good += range.end();
        }
        let error = raise("T0410").index(good + 1);
        match arguments.get(good) {
            Some(argument) => error.value(argument),
            None => error,
        }
    }
}

impl Parameter {
    fn of(letter: u8) -> Self {
        let types = match letter {
            b'a' | b'x' => u8::MAX,
            b'j' => !FUNCTION,
            b'f' => FUNCTION,
            letter => bit(letter) | MISSING,
        };
        Self { types, array: letter == b'a', ..Self::default() }
    }

    /// How many of the arguments that come next it can take.
    fn takes(&self, types: &[u8]) -> std::ops::RangeInclusive<usize> {
        let most = if self.many { types.len() } else { 1 };
        let most = types.iter().take(most).take_while(|kind| self.types & **kind != 0).count();
        usize::from(!self.optional)..=most
    }

    /// What the context gives for it.
    fn absent(&self, context: &Item, index: usize) -> Outcome<Item> {
        match self.types & type_of(context) {
            0 => Err(raise("T0411").value(context).index(index)),
            _ => Ok(context.clone()),
        }
    }

    fn present(&self, argument: Item, index: usize) -> Outcome<Item> {
        if !self.array || argument.is_nothing() {
            return Ok(argument);
        }
        if let Some(of) = self.of
            && !holds(&argument, bit(of))
        {
            let name = subtype_name(of);
            return Err(raise("T0412").index(index).value(&argument).other(&Item::text(name)));
        }
        Ok(if argument.is_array() { argument } else { Item::array(vec![argument]) })
    }
}

/// Whether an array holds nothing but items of a type, or a value that is to become one does.
fn holds(argument: &Item, kind: u8) -> bool {
    match argument.is_array() {
        true => argument.items().all(|item| type_of(&item) == kind),
        false => type_of(argument) == kind,
    }
}

fn subtype_name(letter: u8) -> &'static str {
    match letter {
        b'a' => "arrays",
        b'b' => "booleans",
        b'f' => "functions",
        b'n' => "numbers",
        b'o' => "objects",
        b's' => "strings",
        _ => "values",
    }
}

fn type_of(item: &Item) -> u8 {
    bit(match item.type_name() {
        None => b'm',
        Some("array") => return ARRAY,
        Some("string") => b's',
        Some("number") => b'n',
        Some("boolean") => b'b',
        Some("null") => b'l',
        Some("function") => b'f',
        Some(_) => b'o',
    })
}

fn closing(text: &[u8], open_at: usize, open: u8, close: u8) -> usize {
    let mut depth = 0;
    for (at, byte) in text.iter().enumerate().skip(open_at) {
        depth += i32::from(*byte == open) - i32::from(*byte == close);
        if depth == 0 {
            return at;
        }
    }
    text.len() - 1
}
