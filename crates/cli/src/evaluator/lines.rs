//! Lines of bounded length, of bytes that may be anything.

use super::LINE_BYTES_MAX;
use std::io::{self, BufRead, Read as _};

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes.
    Whole(&'a [u8]),
    /// It is longer than [`LINE_BYTES_MAX`] and was skipped.
    TooLong,
}

/// The lines of an input.
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Of that input.
    pub fn of(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    /// The next line; the last one need not have an end.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut bounded = (&mut self.input).take(LINE_BYTES_MAX as u64 + 1);
        bounded.read_until(b'\n', &mut self.line)?;
        match self.line.last() {
            None => return Ok(None),
            Some(b'\n') => _ = self.line.pop(),
            Some(_) if self.line.len() > LINE_BYTES_MAX => {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Line::TooLong));
            }
            Some(_) => {}
        }
        Ok(Some(Line::Whole(&self.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_none_is_lost() {
        let longest = vec![b'x'; LINE_BYTES_MAX];
        let input = [b"\n\xff\n".as_slice(), &longest, b"\n", &longest, b"yz\n\nend"].concat();
        let mut lines = Lines::of(input.as_slice());
        let expected = [&b""[..], b"\xff", &longest].map(Line::Whole);
        let rest = [Line::TooLong, Line::Whole(b""), Line::Whole(b"end")];
        for line in expected.into_iter().chain(rest) {
            assert!(lines.next().unwrap() == Some(line));
        }
        assert_eq!(lines.next().unwrap(), None);
    }
}
