//! Picture strings: how numbers, integers, dates and times are written, as XPath and XQuery define it.

mod integer;
mod number;
mod time;
mod timestamp;
mod words;

pub use integer::{format_integer, parse_integer};
pub use number::{Notation, format_number};
pub use time::format_time;
pub use timestamp::parse_time;
