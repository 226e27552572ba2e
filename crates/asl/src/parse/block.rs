//! Blocks: states that refer to each other by name.

use super::fields::Fields;
use super::node::{Field, Node};
use super::{Parser, Place};
use crate::diagnostic::code;
use crate::machine::{Block, StateIx};
use sluice_types::did_you_mean;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Deepest nesting of states in `Map` and `Parallel` states.
pub const STATE_NESTING_MAX: usize = 24;
/// Longest name of a state, in characters: AWS's limit.
pub const STATE_NAME_CHARS_MAX: usize = 80;

/// Positions of the states of a block, by name.
pub(super) type Names = HashMap<Arc<str>, StateIx>;

impl Parser<'_> {
    /// A block: `StartAt` and `States`.
    pub(super) fn block(&mut self, fields: &Fields<'_>) -> Option<Block> {
        self.require(fields, &["States", "StartAt"]);
        let states = self.states(fields)?;
        let place = fields.place.field("States");
        if self.assigned.len() >= STATE_NESTING_MAX {
            let message = format!("States are nested deeper than {STATE_NESTING_MAX}");
            self.error(code::TOO_DEEPLY_NESTED, Some(&place), fields.at, message);
            return None;
        }
        let names = self.names(states, &place);
        self.assigned.push(states.iter().flat_map(|state| assigned_names(&state.value)).collect());
        let outer = self.state.take();
        let mut compiled = Vec::with_capacity(states.len());
        for field in states {
            self.state = Some(field.name.clone());
            compiled.extend(self.state(field, place.field(&field.name), &names));
        }
        self.state = outer;
        self.assigned.pop();
        let start = self.target(fields, "StartAt", &names);
        self.check_ways(states, start, &names, &place);
        // A state that did not compile has been reported, and the positions of the others would be wrong.
        (compiled.len() == states.len()).then_some(Block { start: start?, states: compiled })
    }

    fn states<'n>(&mut self, fields: &Fields<'n>) -> Option<&'n [Field]> {
        let node = fields.get("States")?;
        let states = node.as_object().filter(|states| !states.is_empty());
        if states.is_none() {
            self.mistyped(fields, "States", node, "an object that is not empty");
        }
        states
    }

    fn names(&mut self, states: &[Field], place: &Place) -> Names {
        let mut names = Names::with_capacity(states.len());
        for (position, field) in states.iter().enumerate() {
            let name = &field.name;
            let place = place.field(name);
            let length = name.chars().count();
            if length == 0 || length > STATE_NAME_CHARS_MAX {
                let message = format!(
                    "A state name has 1 to {STATE_NAME_CHARS_MAX} characters, not {length}: '{name}'"
                );
                self.error(code::INVALID_STATE_NAME, Some(&place), field.at, message);
            }
            if !self.state_names.insert(name.clone()) {
                let message = format!("Duplicate State name: {name}");
                self.error(code::DUPLICATE_STATE_NAME, Some(&place), field.at, message);
            }
            names.insert(name.clone(), StateIx(position as u32));
        }
        names
    }

    /// The state of this block that a field names.
    pub(super) fn target(&mut self, fields: &Fields<'_>, field: &str, names: &Names) -> Option<StateIx> {
        let name = &*self.text(fields, field)?;
        let target = names.get(name).copied();
        if target.is_none() {
            let hint = match self.state_names.contains(name) {
                true => {
                    Some("that state is in another block, and a transition cannot leave its block".into())
                }
                false => did_you_mean(name, names.keys().map(|name| &**name)),
            };
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = format!("Missing 'Next' target: {name}{hint}");
            let place = fields.place.field(field);
            self.error(code::MISSING_TRANSITION_TARGET, Some(&place), fields.at(field), message);
        }
        target
    }

    /// Some state must end the block, and every state must be reached.
    fn check_ways(&mut self, states: &[Field], start: Option<StateIx>, names: &Names, place: &Place) {
        if !states.iter().any(|state| is_terminal(&state.value)) {
            let at = states.first().map_or(0, |state| state.at);
            self.error(code::MISSING_END_STATE, None, at, "Workflow has no terminal state".into());
            return;
        }
        let Some(start) = start else { return };
        let mut reached = vec![false; states.len()];
        let mut open = vec![start];
        while let Some(StateIx(position)) = open.pop() {
            if !std::mem::replace(&mut reached[position as usize], true) {
                let targets = targets(&states[position as usize].value);
                open.extend(targets.into_iter().filter_map(|name| names.get(name)).copied());
            }
        }
        for (state, _) in states.iter().zip(reached).filter(|(_, reached)| !reached) {
            let message = format!("State \"{}\" is not reachable.", state.name);
            let place = place.field(&state.name);
            self.error(code::MISSING_TRANSITION_TARGET, Some(&place), state.at, message);
        }
    }
}

fn items<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    node.get(name).and_then(Node::as_array).unwrap_or_default()
}

fn is_terminal(state: &Node) -> bool {
    let ends = state.get("End").is_some_and(|end| end.value().as_bool() == Some(true));
    ends || matches!(state.get("Type").and_then(Node::as_str), Some("Succeed" | "Fail"))
}

/// Names of the states that a state may lead to.
fn targets(state: &Node) -> Vec<&str> {
    let choices = items(state, "Choices").iter().chain(items(state, "Catch"));
    let choices = choices.filter_map(|choice| choice.get("Next"));
    let own = ["Next", "Default"].into_iter().filter_map(|name| state.get(name));
    own.chain(choices).filter_map(Node::as_str).collect()
}

/// Names of the variables that a state, its rules and its catchers assign.
fn assigned_names(state: &Node) -> BTreeSet<Arc<str>> {
    let parts = items(state, "Choices").iter().chain(items(state, "Catch"));
    let assigns = std::iter::once(state).chain(parts).filter_map(|part| part.get("Assign"));
    let fields = assigns.filter_map(Node::as_object).flatten();
    fields.map(|field| field.name.strip_suffix(".$").unwrap_or(&field.name).into()).collect()
}
