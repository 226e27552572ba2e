//! What expressions of a state see.

use crate::{Fault, Variables};
use sluice_expression::path::{Path, Root};
use sluice_expression::{Value, World};

/// A context object; one that is built when it is asked for costs nothing until then.
pub trait Context {
    /// The object, the same at each call.
    fn value(&self) -> &Value;
}

impl Context for Value {
    fn value(&self) -> &Value {
        self
    }
}

/// What expressions of a state see.
pub struct Scope<'a> {
    /// `$`, or `$states.input`.
    pub input: &'a Value,
    /// `$$`, or `$states.context`.
    pub context: &'a dyn Context,
    /// `$name`.
    pub variables: &'a Variables,
    /// `$states.result`, where the state has one.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`, in a catcher.
    pub error_output: Option<&'a Value>,
    /// Whether intrinsic functions keep AWS's limits.
    pub aws_limits: bool,
    /// Time and randomness.
    pub world: &'a mut dyn World,
}

impl<'a> Scope<'a> {
    /// What a path of an `InputPath`, `OutputPath` or another `…Path` field finds; without it, `States.Runtime`.
    pub fn find(&self, path: &Path) -> Result<Value, Fault> {
        let invalid =
            |why: &dyn std::fmt::Display| Fault::runtime(format!("Invalid path '{}' : {why}", path.source()));
        let root = self.root(path.root()).ok_or_else(|| {
            invalid(&format_args!("The variable '{}' is not defined", variable_name(path.root())))
        })?;
        path.find(root).map_err(|missing| invalid(&missing))
    }

    /// What a path finds, if anything.
    pub fn select(&self, path: &Path) -> Option<Value> {
        path.select(self.root(path.root())?)
    }

    /// What a path starts from; `None` for a variable that is not set.
    pub fn root(&self, root: &Root) -> Option<&'a Value> {
        match root {
            Root::Data => Some(self.input),
            Root::Context => Some(self.context.value()),
            Root::Variable(name) => self.variables.get(name),
        }
    }
}

fn variable_name(root: &Root) -> &str {
    match root {
        Root::Variable(name) => name,
        Root::Data => "$",
        Root::Context => "$$",
    }
}
