//! Conditions of choices in words.

use sluice_asl::machine::{Operator, Setting, Test};

/// What must hold.
pub(super) fn test(condition: &Test) -> String {
    match condition {
        Test::Jsonata(expression) => format!("`{}`", expression.source()),
        Test::All(parts) => joined(parts, " and "),
        Test::Any(parts) => joined(parts, " or "),
        Test::Not(part) => format!("not ({})", test(part)),
        Test::Compare { variable, operator, operand } => {
            let variable = variable.source();
            match (operator_words(*operator), operand) {
                (Words::Is(what), Setting::Fixed(operand)) if operand.as_bool() == Some(false) => {
                    format!("`{variable}` is not {what}")
                }
                (Words::Is(what), _) => format!("`{variable}` is {what}"),
                (Words::Compares(how), Setting::Fixed(operand)) => format!("`{variable}` {how} {operand}"),
                (Words::Compares(how), Setting::Computed(path)) => {
                    format!("`{variable}` {how} `{}`", path.source())
                }
            }
        }
    }
}

fn joined(parts: &[Test], word: &str) -> String {
    let part = |part: &Test| match part {
        Test::All(_) | Test::Any(_) => format!("({})", test(part)),
        _ => test(part),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(word)
}

enum Words {
    Is(&'static str),
    Compares(&'static str),
}

fn operator_words(operator: Operator) -> Words {
    match operator {
        Operator::IsBoolean => Words::Is("true or false"),
        Operator::IsNull => Words::Is("null"),
        Operator::IsNumeric => Words::Is("a number"),
        Operator::IsPresent => Words::Is("present"),
        Operator::IsString => Words::Is("a text"),
        Operator::IsTimestamp => Words::Is("a timestamp"),
        Operator::BooleanEquals
        | Operator::NumericEquals
        | Operator::StringEquals
        | Operator::TimestampEquals => Words::Compares("="),
        Operator::NumericGreaterThan | Operator::StringGreaterThan | Operator::TimestampGreaterThan => {
            Words::Compares(">")
        }
        Operator::NumericGreaterThanEquals
        | Operator::StringGreaterThanEquals
        | Operator::TimestampGreaterThanEquals => Words::Compares("≥"),
        Operator::NumericLessThan | Operator::StringLessThan | Operator::TimestampLessThan => {
            Words::Compares("<")
        }
        Operator::NumericLessThanEquals
        | Operator::StringLessThanEquals
        | Operator::TimestampLessThanEquals => Words::Compares("≤"),
        Operator::StringMatches => Words::Compares("matches"),
    }
}
