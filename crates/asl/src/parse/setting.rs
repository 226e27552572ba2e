//! Fields that are written down or computed: `Seconds`, `SecondsPath`, `"{% … %}"`.

use super::Parser;
use super::fields::Fields;
use super::query::{Sees, jsonata_source};
use crate::Expression;
use crate::machine::{QueryLanguage, Setting};
use std::ops::RangeInclusive;
use std::sync::Arc;

impl Parser<'_> {
    /// An integer, JSONata for one, or the path of `…Path`.
    pub(super) fn integer_setting(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        range: RangeInclusive<u64>,
        language: QueryLanguage,
    ) -> Option<Setting<u64>> {
        self.setting(fields, name, language, |parser| parser.integer(fields, name, range))
    }

    /// A number, JSONata for one, or the path of `…Path`.
    pub(super) fn number_setting(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        range: RangeInclusive<f64>,
        language: QueryLanguage,
    ) -> Option<Setting<f64>> {
        self.setting(fields, name, language, |parser| parser.number(fields, name, range))
    }

    /// A text, JSONata for one, or the path of `…Path`; of `Fail`, `…Path` takes intrinsic functions too.
    pub(super) fn text_setting(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        language: QueryLanguage,
    ) -> Option<Setting<Arc<str>>> {
        self.setting(fields, name, language, |parser| parser.text(fields, name))
    }

    /// What is computed, or else what is written down, as `fixed` reads it.
    fn setting<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        language: QueryLanguage,
        fixed: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Setting<T>> {
        match self.computed_setting(fields, name, language) {
            Some(expression) => Some(Setting::Computed(expression)),
            None if self.is_jsonata(fields, name, language) => None,
            None => fixed(self).map(Setting::Fixed),
        }
    }

    fn computed_setting(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        language: QueryLanguage,
    ) -> Option<Expression> {
        let path_name = format!("{name}Path");
        self.exclusive(fields, &[name, &path_name]);
        if self.is_jsonata(fields, name, language) {
            let node = fields.get(name)?;
            let source = jsonata_source(node.as_str()?)?;
            return self.jsonata(source, &fields.place.field(name), node.at, Sees::INPUT);
        }
        match name {
            "Error" | "Cause" => self.path_or_call(fields, &path_name),
            _ => self.reference(fields, &path_name).map(Expression::Path),
        }
    }

    fn is_jsonata(&self, fields: &Fields<'_>, name: &str, language: QueryLanguage) -> bool {
        let text = fields.get(name).and_then(|node| node.as_str());
        language == QueryLanguage::Jsonata && text.and_then(jsonata_source).is_some()
    }
}
