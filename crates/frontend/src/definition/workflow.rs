//! Workflows: where their steps are written.

use super::dag::Dag;
use super::quantity::Millis;
use crate::node::{Node, Value};
use serde::Deserialize;
use std::sync::Arc;

/// A workflow, as it is written: `{file: F}`, `{asl: {StartAt: …, States: …}}`, `{file: F, asl: TEXT}` with the text of
/// the file, as it is sent to servers, `{code: FILE.py:FUNCTION}`, `{dag: {tasks: …}}`,
/// or `{file: F, scale: S}` for a recorded workflow, which is sent as `{file: F, wfformat: TEXT, scale: S}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Workflow {
    /// A state machine in the Amazon States Language.
    States(States),
    /// A Python function that says step by step what is to be done.
    Code(Code),
    /// Tasks that wait for one another.
    Dag(Dag),
    /// A recording that is run again.
    Recorded(Recorded),
}

/// A recorded workflow in WfFormat.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The file that it was read from, relative to the app's folder.
    pub file: Option<String>,
    /// Its text; `None` as long as nobody has read the file.
    pub text: Option<Arc<str>>,
    /// The factor of its times and sizes.
    pub scale: f64,
}

/// A state machine in the Amazon States Language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States {
    /// The file that holds it, relative to the app's folder; `None` for one that stands in the definition itself.
    pub file: Option<String>,
    /// Its text; `None` as long as nobody has read the file.
    pub asl: Option<Arc<str>>,
    /// Whether the limits that AWS documents for values and histories hold.
    pub aws_limits: bool,
}

/// A workflow written as code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// `FILE.py:NAME`.
    pub handler: String,
    /// Longest time of one turn.
    pub timeout: Option<Millis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a workflow such as {file: order.asl.json}")]
struct Written {
    file: Option<String>,
    asl: Option<Node>,
    aws_limits: Option<bool>,
    code: Option<String>,
    timeout: Option<Millis>,
    dag: Option<Dag>,
    wfformat: Option<String>,
    scale: Option<f64>,
}

impl TryFrom<Written> for Workflow {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { file, asl, aws_limits, code, timeout, dag, wfformat, scale } = written;
        if wfformat.is_some() || scale.is_some() {
            let others = asl.is_some() || aws_limits.is_some() || code.is_some() || timeout.is_some();
            return match wfformat.is_some() || file.is_some() {
                _ if others || dag.is_some() => {
                    Err("beside `scale` and `wfformat` goes `file` only; remove the others".to_owned())
                }
                true => {
                    let (text, scale) = (wfformat.map(Arc::from), scale.unwrap_or(1.0));
                    Ok(Self::Recorded(Recorded { file, text, scale }))
                }
                false => Err("`scale` is of a recorded workflow; add its `file`".to_owned()),
            };
        }
        if let Some(dag) = dag {
            let is_alone = file.is_none() && asl.is_none() && aws_limits.is_none() && code.is_none();
            return match is_alone && timeout.is_none() {
                true => Ok(Self::Dag(dag)),
                false => Err("`dag` stands alone; remove what is beside it".to_owned()),
            };
        }
        let Some(handler) = code else {
            return match timeout {
                None => Ok(Self::States(States::of(file, asl, aws_limits.unwrap_or(false))?)),
                Some(_) => {
                    Err("`timeout` belongs to `code`; a state machine has `TimeoutSeconds`".to_owned())
                }
            };
        };
        match file.is_none() && asl.is_none() && aws_limits.is_none() {
            true => Ok(Self::Code(Code { handler, timeout })),
            false => Err("`code` goes neither with `file` nor with `asl`; remove one of them".to_owned()),
        }
    }
}

impl States {
    fn of(file: Option<String>, asl: Option<Node>, aws_limits: bool) -> Result<Self, String> {
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
