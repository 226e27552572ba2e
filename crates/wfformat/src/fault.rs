//! What is wrong with a file, and where.

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is not the notation: no JSON, or a part of another type.
    Notation,
    /// It contradicts itself, or is more than can be.
    Meaning,
    /// It names something that is not there.
    Unknown,
    /// It is larger than can be run.
    Limit,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is about.
    pub kind: Kind,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The part of the file, such as `workflow.specification.tasks[3]`.
    pub path: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What to do about it.
    pub fix: &'static str,
}

/// Line and column of a byte of a text, both from 1.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_at = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // A column is counted in characters; those that continue one are none.
    let column = before[line_at..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "{\n  \"é\": 1}";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('1').expect("it is there")), (2, 8));
        assert_eq!(position(text, 1_000), (2, 10));
    }
}
