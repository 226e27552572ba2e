//! The library of functions.

mod array;
mod coding;
mod eval;
mod higher;
mod matching;
mod numeric;
mod object;
mod states;
mod string;
mod time;

use super::Dialect;
use super::error::Outcome;
use super::evaluate::Evaluator;
use super::frame::FrameId;
use super::item::Item;
use super::signature::Signature;
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::LazyLock;

pub use matching::next_match;

/// A function of the library.
pub struct Builtin {
    pub name: &'static str,
    pub signature: Signature,
    /// How many arguments it is given by functions that call functions.
    pub arity: usize,
    pub run: Run,
}

/// What a function does with arguments that fit its signature.
pub type Run = fn(&mut Evaluator<'_>, &Args<'_>) -> Outcome;

/// Name, signature, arity, and what it does.
type Entry = (&'static str, &'static str, usize, Run);

/// The arguments of a call, and where it happens.
pub struct Args<'a> {
    pub items: &'a [Item],
    /// The context of the caller.
    pub input: &'a Item,
    /// The scope of the caller.
    pub frame: FrameId,
}

/// A string that a function made.
fn made(evaluator: &mut Evaluator<'_>, text: String) -> Outcome {
    evaluator.budget.bytes(text.len())?;
    Ok(Item::text(text))
}

impl Args<'_> {
    /// An argument; nothing if it is missing.
    pub fn get(&self, index: usize) -> &Item {
        self.items.get(index).unwrap_or(&Item::Nothing)
    }

    /// An argument that is a number, if it is given.
    pub fn number(&self, index: usize) -> Option<f64> {
        self.get(index).as_f64()
    }

    /// An argument that is a string, if it is given.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.get(index).as_str()
    }
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.name)
    }
}

type Library = FxHashMap<&'static str, Builtin>;

/// The function of a name, without `$`.
pub fn find(name: &str, dialect: Dialect) -> Option<&'static Builtin> {
    static REFERENCE: LazyLock<Library> = LazyLock::new(|| {
        let mut library = shared();
        add(&mut library, eval::FUNCTIONS);
        library
    });
    static STATES: LazyLock<Library> = LazyLock::new(|| {
        let mut library = shared();
        add(&mut library, states::FUNCTIONS);
        library
    });
    match dialect {
        Dialect::Reference => REFERENCE.get(name),
        Dialect::States => STATES.get(name),
    }
}

fn shared() -> Library {
    let mut library = Library::default();
    let themes: [&[Entry]; 8] = [
        array::FUNCTIONS,
        coding::FUNCTIONS,
        higher::FUNCTIONS,
        matching::FUNCTIONS,
        numeric::FUNCTIONS,
        object::FUNCTIONS,
        string::FUNCTIONS,
        time::FUNCTIONS,
    ];
    themes.into_iter().for_each(|theme| add(&mut library, theme));
    library
}

fn add(library: &mut Library, entries: &[Entry]) {
    for (name, signature, arity, run) in entries {
        let signature = Signature::parse(signature).expect("the signatures of the library are valid");
        library.insert(name, Builtin { name, signature, arity: *arity, run: *run });
    }
}
