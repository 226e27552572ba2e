//! Where things stand in the text of a definition.

use super::node::{Content, Field, Node};
use super::place::Place;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// As AWS names it: `/States/A/Resource`.
    pub location: String,
    /// Line in the text, counted from 1.
    pub line: usize,
    /// Column in that line in characters, counted from 1.
    pub column: usize,
}

/// Where a field of a state stands, or the innermost part on the way to it that is there; `way` is
/// `["Parameters", "FunctionName"]`, for example. `None` if no state has that name.
pub fn field_of_state(text: &str, state: &str, way: &[&str]) -> Option<Spot> {
    let root = Node::parse(text).ok()?;
    let (mut node, mut place) = find_state(&root, Place::root(), state)?;
    for name in way {
        let Some(field) = field(node, name) else { break };
        (node, place) = (&field.value, place.field(name));
    }
    let (line, column) = position(text, node.at);
    Some(Spot { location: place.to_string(), line, column })
}

/// Names of states are unique in a definition, so the first `States` with that name is the one.
fn find_state<'n>(node: &'n Node, place: Place, state: &str) -> Option<(&'n Node, Place)> {
    match &node.content {
        Content::Scalar(_) => None,
        Content::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_state(item, place.item(index), state))
        }
        Content::Object(fields) => {
            let states = place.field("States");
            let own = field(node, "States").and_then(|states| field(&states.value, state));
            let own = own.map(|found| (&found.value, states.field(state)));
            own.or_else(|| {
                fields.iter().find_map(|field| find_state(&field.value, place.field(&field.name), state))
            })
        }
    }
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Field> {
    node.as_object()?.iter().find(|field| &*field.name == name)
}

/// Line and column, both from 1, of a byte of a text.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"StartAt": "P", "States": {
  "P": {"Type": "Parallel", "End": true, "Branches": [{"StartAt": "é", "States": {
    "é": {"Type": "Task", "Resource": "f",
          "Parameters": {"FunctionName": "g"}, "End": true}}}]}}}"#;

    #[test]
    fn fields_of_states_are_found_wherever_they_are() {
        let found = |state, way: &[&str]| {
            field_of_state(TEXT, state, way).map(|spot| (spot.location, spot.line, spot.column))
        };
        let inner = "/States/P/Branches[0]/States/é";
        assert_eq!(found("é", &["Resource"]), Some((format!("{inner}/Resource"), 3, 39)));
        let way = ["Parameters", "FunctionName"];
        assert_eq!(found("é", &way), Some((format!("{inner}/Parameters/FunctionName"), 4, 42)));
        assert_eq!(found("é", &["Arguments", "FunctionName"]), Some((inner.to_owned(), 3, 10)));
        assert_eq!(found("Q", &way), None);
    }
}
