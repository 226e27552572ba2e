//! Workflows: where their steps are written.

use crate::node::{Node, Value};
use serde::Deserialize;
use std::sync::Arc;

/// A state machine in the Amazon States Language.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Workflow {
    /// The file that holds it, relative to the app's folder; `None` for one that stands in the definition itself.
    pub file: Option<String>,
    /// Its text; `None` as long as nobody has read the file.
    pub asl: Option<Arc<str>>,
    /// Whether the limits that AWS documents for values and histories hold.
    pub aws_limits: bool,
}

/// A workflow as it is written: `{file: F}`, `{asl: {StartAt: …, States: …}}`, or `{file: F, asl: TEXT}` with the text
/// of the file, as it is sent to servers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a workflow such as {file: order.asl.json}")]
struct Written {
    file: Option<String>,
    asl: Option<Node>,
    #[serde(default)]
    aws_limits: bool,
}

impl TryFrom<Written> for Workflow {
    type Error = String;

    fn try_from(Written { file, asl, aws_limits }: Written) -> Result<Self, String> {
        const FIX: &str = "write `file: FILE.asl.json`, or `asl: {StartAt: STATE, States: {…}}`";
        let asl = match asl.as_ref().map(|node| (node, &node.value)) {
            None if file.is_none() => return Err(format!("this workflow has no steps; {FIX}")),
            None => None,
            Some((_, Value::Text(text))) => Some(text.as_str().into()),
            Some((_, Value::Map(_))) if file.is_some() => {
                return Err("`file` and `asl` both say what the steps are; remove one of them".to_owned());
            }
            Some((node, Value::Map(_))) => {
                Some(serde_json::to_string(node).expect("a node has text for keys").into())
            }
            Some(_) => return Err(format!("`asl` is neither a mapping nor a text; {FIX}")),
        };
        Ok(Self { file, asl, aws_limits })
    }
}
