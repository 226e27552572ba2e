//! Paths, templates and expressions of a definition.

use super::fields::Fields;
use super::node::{Content, Node};
use super::{Parser, Place};
use crate::diagnostic::code;
use crate::intrinsic::Intrinsic;
use crate::machine::QueryLanguage;
use crate::{Expression, Template};
use sluice_expression::Value;
use sluice_expression::path::{Path, ReferencePath, Root};
use std::sync::Arc;

/// Which parts of `$states` an expression sees besides `input` and `context`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sees {
    pub(super) result: bool,
    pub(super) error_output: bool,
}

impl Sees {
    /// Neither.
    pub(super) const INPUT: Self = Self { result: false, error_output: false };
    pub(super) const RESULT: Self = Self { result: true, error_output: false };
    pub(super) const ERROR: Self = Self { result: false, error_output: true };
}

/// What stands between `{%` and `%}`, if the text is of that form.
pub(super) fn jsonata_source(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

impl Parser<'_> {
    /// A field that takes a path. `Some(None)` is `null`.
    pub(super) fn path(&mut self, fields: &Fields<'_>, name: &str) -> Option<Option<Path>> {
        let node = fields.get(name)?;
        if node.is_null() {
            return Some(None);
        }
        match node.as_str().map(Path::parse) {
            Some(Ok(path)) => {
                self.refer(&path, &fields.place.field(name), node.at);
                Some(Some(path))
            }
            Some(Err(error)) => {
                self.mistyped(fields, name, node, &format!("a valid JSONPath ({error})"));
                None
            }
            None => {
                self.mistyped(fields, name, node, "a valid JSONPath");
                None
            }
        }
    }

    /// As [`Parser::path`], where `null` is not allowed.
    pub(super) fn some_path(&mut self, fields: &Fields<'_>, name: &str) -> Option<Path> {
        let path = self.path(fields, name)?;
        if let (None, Some(node)) = (&path, fields.get(name)) {
            self.mistyped(fields, name, node, "a valid JSONPath");
        }
        path
    }

    /// A field that takes a path to one place.
    pub(super) fn reference(&mut self, fields: &Fields<'_>, name: &str) -> Option<Path> {
        let path = self.some_path(fields, name)?;
        if let (Err(error), Some(node)) = (ReferencePath::parse(path.source()), fields.get(name)) {
            self.mistyped(fields, name, node, &format!("a Reference Path ({})", error.message));
        }
        Some(path)
    }

    /// `ResultPath`; without the field `$`, and `None` for `null`.
    pub(super) fn result_path(&mut self, fields: &Fields<'_>) -> Option<ReferencePath> {
        let whole = || ReferencePath::parse("$").expect("the root is a path");
        let Some(node) = fields.get("ResultPath") else { return Some(whole()) };
        if node.is_null() {
            return None;
        }
        let path = node.as_str().and_then(|text| ReferencePath::parse(text).ok());
        match path.filter(|path| *path.root() == Root::Data) {
            Some(path) => Some(path),
            None => {
                self.mistyped(fields, "ResultPath", node, "a Reference Path that starts with `$`, or null");
                Some(whole())
            }
        }
    }

    /// A path, or a call of an intrinsic function.
    pub(super) fn path_or_call(&mut self, fields: &Fields<'_>, name: &str) -> Option<Expression> {
        let node = fields.get(name)?;
        match node.as_str().map(|text| self.dynamic(text, &fields.place.field(name), node.at)) {
            Some(Ok(expression)) => Some(expression),
            Some(Err(why)) => {
                self.mistyped(
                    fields,
                    name,
                    node,
                    &format!("a valid JSONPath or intrinsic function call ({why})"),
                );
                None
            }
            None => {
                self.mistyped(fields, name, node, "a valid JSONPath or intrinsic function call");
                None
            }
        }
    }

    /// The value of a `.$` field.
    fn dynamic(&mut self, text: &str, place: &Place, at: usize) -> Result<Expression, String> {
        if text.starts_with('$') {
            let path = Path::parse(text).map_err(|error| error.to_string())?;
            self.refer(&path, place, at);
            return Ok(Expression::Path(path));
        }
        let intrinsic = Intrinsic::parse(text).map_err(|error| error.to_string())?;
        for path in intrinsic.paths() {
            self.refer(path, place, at);
        }
        Ok(Expression::Intrinsic(intrinsic))
    }

    /// Notes the variable that a path starts from.
    fn refer(&mut self, path: &Path, place: &Place, at: usize) {
        if let Root::Variable(name) = path.root() {
            if &**name == "states" {
                let message = "The variable '$states' is only supported for the 'JSONata' QueryLanguage";
                self.schema(place, at, message.into());
            }
            self.refer_to(name.clone());
        }
    }

    pub(super) fn refer_to(&mut self, name: Arc<str>) {
        if let Some(state) = &self.state {
            self.references.entry(state.clone()).or_default().insert(name);
        }
    }

    /// A field that takes a template: a payload template or a value with JSONata in it.
    pub(super) fn template(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        language: QueryLanguage,
        sees: Sees,
    ) -> Option<Template> {
        let node = fields.get(name)?;
        let place = fields.place.field(name);
        match language {
            QueryLanguage::JsonPath => self.payload(node, &place),
            QueryLanguage::Jsonata => self.computed(node, &place, sees),
        }
    }

    fn payload(&mut self, node: &Node, place: &Place) -> Option<Template> {
        match &node.content {
            Content::Scalar(value) => Some(Template::Fixed(value.clone())),
            Content::Array(items) => {
                let items = items.iter().enumerate();
                array(items.map(|(index, item)| self.payload(item, &place.item(index))).collect())
            }
            Content::Object(fields) => object(
                fields
                    .iter()
                    .map(|field| {
                        let within = place.field(&field.name);
                        let Some(name) = field.name.strip_suffix(".$") else {
                            self.warn_if_dynamic(&field.name, &field.value, &within);
                            return Some((field.name.clone(), self.payload(&field.value, &within)?));
                        };
                        let text = field.value.as_str();
                        match text.map(|text| self.dynamic(text, &within, field.value.at)) {
                            Some(Ok(expression)) => Some((name.into(), Template::Computed(expression))),
                            why => {
                                let why = why.and_then(Result::err).unwrap_or("it is not a string".into());
                                self.schema(
                                    place,
                                    field.value.at,
                                    format!(
                                        "The value for the field '{}' must be a valid JSONPath or a valid intrinsic \
                                         function call: {why}",
                                        field.name
                                    ),
                                );
                                None
                            }
                        }
                    })
                    .collect(),
            ),
        }
    }

    fn warn_if_dynamic(&mut self, name: &str, value: &Node, place: &Place) {
        let looks_dynamic = value.as_str().is_some_and(|text| {
            text.starts_with("$.")
                || text.starts_with("$$.")
                || text.starts_with("$[")
                || Intrinsic::parse(text).is_ok()
        });
        if looks_dynamic {
            let message = format!(
                "The value of the field '{name}' looks like a JSONPath or intrinsic function call, but is passed on as it \
                 is; to compute it, name the field '{name}.$'"
            );
            self.warn(code::NO_DOLLAR, place, value.at, message);
        }
    }

    fn computed(&mut self, node: &Node, place: &Place, sees: Sees) -> Option<Template> {
        match &node.content {
            Content::Scalar(Value::String(text)) => match jsonata_source(text) {
                Some(source) => self.jsonata(source, place, node.at, sees).map(Template::Computed),
                None => Some(Template::Fixed(Value::String(text.clone()))),
            },
            Content::Scalar(value) => Some(Template::Fixed(value.clone())),
            Content::Array(items) => {
                let items = items.iter().enumerate();
                array(items.map(|(index, item)| self.computed(item, &place.item(index), sees)).collect())
            }
            Content::Object(fields) => object(
                fields
                    .iter()
                    .map(|field| {
                        let value = self.computed(&field.value, &place.field(&field.name), sees)?;
                        Some((field.name.clone(), value))
                    })
                    .collect(),
            ),
        }
    }

    /// `Assign`: an object of names and templates.
    pub(super) fn assign(
        &mut self,
        fields: &Fields<'_>,
        language: QueryLanguage,
        sees: Sees,
    ) -> Option<Template> {
        let node = fields.get("Assign")?;
        let Some(assigned) = node.as_object() else {
            self.mistyped(fields, "Assign", node, "an object");
            return None;
        };
        let place = fields.place.field("Assign");
        for field in assigned {
            let name = match language {
                QueryLanguage::JsonPath => field.name.strip_suffix(".$").unwrap_or(&field.name),
                QueryLanguage::Jsonata => &field.name,
            };
            if let Some(why) = self.why_not_assignable(name) {
                self.schema(&place, field.at, why);
            }
        }
        self.template(fields, "Assign", language, sees)
    }

    fn why_not_assignable(&self, name: &str) -> Option<String> {
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let around = self.assigned.len().saturating_sub(1);
        if !is_name || name.chars().count() > super::VARIABLE_NAME_CHARS_MAX {
            Some(format!(
                "The variable name '{name}' must be a letter or `_`, then letters, digits and `_`, at most {} in all",
                super::VARIABLE_NAME_CHARS_MAX
            ))
        } else if name == "states" {
            Some("The variable name 'states' is reserved".into())
        } else if self.assigned[..around].iter().any(|names| names.contains(name)) {
            Some(format!(
                "The variable '{name}' is assigned in an outer scope, and inner scopes only read it"
            ))
        } else {
            None
        }
    }
}

/// Of parts that are all there and all fixed, a fixed whole.
fn array(items: Option<Vec<Template>>) -> Option<Template> {
    let items = items?;
    let fixed: Option<Vec<Value>> = items.iter().map(fixed).collect();
    Some(fixed.map_or(Template::Array(items), |items| Template::Fixed(Value::array(items))))
}

fn object(fields: Option<Vec<(Arc<str>, Template)>>) -> Option<Template> {
    let fields = fields?;
    let fixed: Option<Vec<_>> =
        fields.iter().map(|(name, template)| Some((name.clone(), fixed(template)?))).collect();
    Some(fixed.map_or(Template::Object(fields), |fields| Template::Fixed(Value::fields(fields))))
}

fn fixed(template: &Template) -> Option<Value> {
    match template {
        Template::Fixed(value) => Some(value.clone()),
        _ => None,
    }
}
