//! One state.

use super::block::Names;
use super::fields::{Allowed, Fields, In};
use super::node::{Field, Node};
use super::query::Sees;
use super::{Parser, Place, SECONDS_MAX};
use crate::Template;
use crate::diagnostic::code;
use crate::machine::{Kind, Next, QueryLanguage, Setting, State, Wait};
use crate::timestamp::Timestamp;
use sluice_expression::path::Path;

/// Fields of every state.
const EVERY: &[Allowed] = &[("Type", In::Both), ("Comment", In::Both), ("QueryLanguage", In::Both)];
/// Fields of states that have input and output: all but `Fail`.
const DATA: &[Allowed] =
    &[("InputPath", In::JsonPath), ("OutputPath", In::JsonPath), ("Output", In::Jsonata)];
/// Fields of states that go on: all but `Choice`, `Succeed` and `Fail`.
const ONWARD: &[Allowed] = &[("Next", In::Both), ("End", In::Both), ("Assign", In::Both)];
/// Fields of states that have a result of their own: `Pass`, `Task`, `Parallel` and `Map`.
const RESULT: &[Allowed] = &[("Parameters", In::JsonPath), ("ResultPath", In::JsonPath)];
/// Fields of states that can fail: `Task`, `Parallel` and `Map`.
const FALLIBLE: &[Allowed] = &[("ResultSelector", In::JsonPath), ("Retry", In::Both), ("Catch", In::Both)];

const PASS: &[Allowed] = &[("Result", In::JsonPath)];
const ARGUMENTS: &[Allowed] = &[("Arguments", In::Jsonata)];
const TASK: &[Allowed] = &[
    ("Resource", In::Both),
    ("TimeoutSeconds", In::Both),
    ("TimeoutSecondsPath", In::JsonPath),
    ("HeartbeatSeconds", In::Both),
    ("HeartbeatSecondsPath", In::JsonPath),
    ("Credentials", In::Both),
];
const CHOICE: &[Allowed] = &[("Choices", In::Both), ("Default", In::Both), ("Assign", In::Both)];
const WAIT: &[Allowed] = &[
    ("Seconds", In::Both),
    ("SecondsPath", In::JsonPath),
    ("Timestamp", In::Both),
    ("TimestampPath", In::JsonPath),
];
const FAIL: &[Allowed] =
    &[("Error", In::Both), ("ErrorPath", In::JsonPath), ("Cause", In::Both), ("CausePath", In::JsonPath)];
const PARALLEL: &[Allowed] = &[("Branches", In::Both)];

/// All types, and the fields of their states.
const TYPES: [(&str, &[&[Allowed]]); 8] = [
    ("Pass", &[EVERY, DATA, ONWARD, RESULT, PASS]),
    ("Task", &[EVERY, DATA, ONWARD, RESULT, FALLIBLE, ARGUMENTS, TASK]),
    ("Choice", &[EVERY, DATA, CHOICE]),
    ("Wait", &[EVERY, DATA, ONWARD, WAIT]),
    ("Succeed", &[EVERY, DATA]),
    ("Fail", &[EVERY, FAIL]),
    ("Parallel", &[EVERY, DATA, ONWARD, RESULT, FALLIBLE, ARGUMENTS, PARALLEL]),
    ("Map", &[EVERY, DATA, ONWARD, RESULT, FALLIBLE, super::map::MAP]),
];

impl Parser<'_> {
    pub(super) fn state(&mut self, field: &Field, place: Place, names: &Names) -> Option<State> {
        let allowed = self.type_of(&field.value, &place)?;
        let declared = field.value.get("QueryLanguage").and_then(Node::as_str);
        let assumed = if declared == Some("JSONata") { QueryLanguage::Jsonata } else { self.language };
        let fields = self.fields(&field.value, place, allowed, assumed)?;
        let query = self.query_language(&fields, self.language);
        self.text(&fields, "Comment");
        let sees = if fields.has("Resource") || fields.has("Branches") || is_map(&fields) {
            Sees::RESULT
        } else {
            Sees::INPUT
        };
        let kind = self.kind(&fields, query, names);
        let state = State {
            name: field.name.clone(),
            query,
            next: self.next(&fields, names),
            input_path: self.whole_or_path(&fields, "InputPath"),
            arguments: self.arguments(&fields, query),
            result_selector: self.template(&fields, "ResultSelector", query, sees),
            result_path: self.result_path(&fields),
            output_path: self.whole_or_path(&fields, "OutputPath"),
            output: self.template(&fields, "Output", query, sees),
            assign: self.assign(&fields, query, sees),
            retry: self.retriers(&fields),
            catch: self.catchers(&fields, query, names),
            kind: kind?,
        };
        Some(state)
    }

    fn type_of(&mut self, node: &Node, place: &Place) -> Option<&'static [&'static [Allowed]]> {
        let allowed =
            |name: &str| TYPES.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed);
        if node.as_object().is_none() {
            self.schema(place, node.at, "A state must be an object".into());
            return None;
        }
        let Some(written) = node.get("Type") else {
            self.schema(place, node.at, "These fields are required: [Type]".into());
            return None;
        };
        let known = written.as_str().and_then(allowed);
        if known.is_none() {
            let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "The value for the field 'Type' must be one of [{}], not {}",
                names.join(", "),
                written.value()
            );
            self.schema(&place.field("Type"), written.at, message);
        }
        known
    }

    fn kind(&mut self, fields: &Fields<'_>, query: QueryLanguage, names: &Names) -> Option<Kind> {
        let kind = fields.get("Type")?.as_str()?;
        match kind {
            "Pass" => {
                self.warn_of_static_result(fields);
                Some(Kind::Pass { result: fields.get("Result").map(Node::value) })
            }
            "Task" => self.task(fields, query).map(Kind::Task),
            "Choice" => self.choice(fields, query, names),
            "Wait" => self.wait(fields, query).map(Kind::Wait),
            "Succeed" => Some(Kind::Succeed),
            "Fail" => Some(Kind::Fail {
                error: self.text_setting(fields, "Error", query),
                cause: self.text_setting(fields, "Cause", query),
            }),
            "Parallel" => self.parallel(fields),
            _ => self.map(fields, query).map(|map| Kind::Map(Box::new(map))),
        }
    }

    /// `Parameters` or `Arguments`; the `Parameters` of `Map` are its item selector.
    fn arguments(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Template> {
        match query {
            QueryLanguage::JsonPath if is_map(fields) => None,
            QueryLanguage::JsonPath => self.template(fields, "Parameters", query, Sees::INPUT),
            QueryLanguage::Jsonata => self.template(fields, "Arguments", query, Sees::INPUT),
        }
    }

    fn next(&mut self, fields: &Fields<'_>, names: &Names) -> Option<Next> {
        match fields.get("Type")?.as_str()? {
            "Succeed" | "Fail" => return Some(Next::End),
            "Choice" => return self.target(fields, "Default", names).map(Next::State),
            _ => {}
        }
        let ends = self.flag(fields, "End") == Some(true);
        if ends {
            return self.exclusive(fields, &["Next", "End"]).then_some(Next::End);
        }
        if !fields.has("Next") {
            let message =
                "These fields are required: [Next]; a state that ends the workflow has `\"End\": true`";
            self.schema(&fields.place, fields.at, message.into());
        }
        self.target(fields, "Next", names).map(Next::State)
    }

    /// A path; without the field `$`, and `None` for `null`.
    fn whole_or_path(&mut self, fields: &Fields<'_>, name: &str) -> Option<Path> {
        let whole = || Path::parse("$").expect("the root is a path");
        if fields.has(name) {
            self.path(fields, name).unwrap_or_else(|| Some(whole()))
        } else {
            Some(whole())
        }
    }

    fn wait(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Wait> {
        let names = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
        if !names.iter().any(|name| fields.has(name)) {
            let message = format!("One of these fields is required: [{}]", names.join(", "));
            self.schema(&fields.place, fields.at, message);
        }
        if !self.exclusive(fields, &names) {
            return None;
        }
        if fields.has("Seconds") || fields.has("SecondsPath") {
            return self.integer_setting(fields, "Seconds", 0..=SECONDS_MAX, query).map(Wait::Seconds);
        }
        let timestamp = self.text_setting(fields, "Timestamp", query)?;
        if let (Setting::Fixed(text), Some(node)) = (&timestamp, fields.get("Timestamp"))
            && Timestamp::parse(text).is_none()
        {
            self.mistyped(fields, "Timestamp", node, "a timestamp such as 2016-03-14T01:59:00Z");
        }
        Some(Wait::Timestamp(timestamp))
    }

    fn parallel(&mut self, fields: &Fields<'_>) -> Option<Kind> {
        const BRANCH: &[Allowed] = &[("Comment", In::Both), ("StartAt", In::Both), ("States", In::Both)];
        self.require(fields, &["Branches"]);
        let place = fields.place.field("Branches");
        let nodes = self.list(fields, "Branches");
        let mut branches = Vec::with_capacity(nodes.len());
        for (position, node) in nodes.iter().enumerate() {
            let branch = self.fields(node, place.item(position), &[BRANCH], self.language);
            branches.extend(branch.and_then(|branch| self.block(&branch)));
        }
        (branches.len() == nodes.len() && !nodes.is_empty()).then_some(Kind::Parallel { branches })
    }

    fn warn_of_static_result(&mut self, fields: &Fields<'_>) {
        let Some(result) = fields.get("Result") else { return };
        let looks_computed = match (result.as_str(), result.as_object()) {
            (Some(text), _) => text.starts_with("$.") || text.starts_with("$$."),
            (_, Some(fields)) => fields.iter().any(|field| field.name.ends_with(".$")),
            _ => false,
        };
        if looks_computed {
            let message =
                "The field 'Result' is passed on as it is; to compute it, use 'Parameters'".to_owned();
            self.warn(code::PASS_RESULT_IS_STATIC, &fields.place.field("Result"), result.at, message);
        }
    }
}

fn is_map(fields: &Fields<'_>) -> bool {
    fields.get("Type").and_then(Node::as_str) == Some("Map")
}
