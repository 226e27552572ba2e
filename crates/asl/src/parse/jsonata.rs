//! JSONata expressions of a definition.

use super::query::Sees;
use super::{Parser, Place};
use crate::Expression;
use crate::jsonata::Jsonata;

impl Parser<'_> {
    /// The expression between `{%` and `%}`.
    pub(super) fn jsonata(
        &mut self,
        source: &str,
        _place: &Place,
        _at: usize,
        _sees: Sees,
    ) -> Option<Expression> {
        Some(Expression::Jsonata(Jsonata::new(source)))
    }
}
