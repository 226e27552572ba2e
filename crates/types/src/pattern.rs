//! Patterns over text: key globs and attribute wildcards. Matching never backtracks: its time is bounded by the
//! length of the pattern times the length of the text, whoever wrote the pattern.

use crate::limits;

/// A compiled key glob.
///
/// `*` is any run of characters but `/`, `?` one character but `/`, `**` any run of characters, `**/` at the start
/// of a path component any number of whole components, none included; `[a-z]` one character of a class, `[!a-z]`
/// one that is neither in it nor `/`; `{a,b}` one of the alternatives, which may nest; `\` takes the next
/// character literally. The whole text must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    ops: Vec<Op>,
}

/// Why a glob does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// `{` without `}`.
    #[error("`{{` without a matching `}}`")]
    OpenAlternatives,
    /// `[` without `]`.
    #[error("`[` without a matching `]`")]
    OpenClass,
    /// A range such as `[z-a]`.
    #[error("the range {0}-{1} is empty")]
    EmptyRange(char, char),
    /// A backslash at the end.
    #[error("nothing follows the last backslash")]
    DanglingEscape,
    /// Longer than [`limits::GLOB_BYTES_MAX`].
    #[error("longer than {} bytes", limits::GLOB_BYTES_MAX)]
    TooLong,
    /// Alternatives within alternatives beyond [`limits::GLOB_NESTING_MAX`].
    #[error("alternatives nest deeper than {}", limits::GLOB_NESTING_MAX)]
    TooDeep,
}

/// One step of the matcher, which holds a set of positions in the list of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Literal(char),
    Any,
    AnyButSlash,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Split(usize, usize),
    Jump(usize),
}

impl Op {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::Any => true,
            Self::AnyButSlash => c != '/',
            Self::Class { negated: false, ranges } => ranges.iter().any(|&(low, high)| low <= c && c <= high),
            Self::Class { negated: true, ranges } => {
                c != '/' && !ranges.iter().any(|&(low, high)| low <= c && c <= high)
            }
            Self::Split(..) | Self::Jump(_) => false,
        }
    }
}

impl Glob {
    /// Compiles a glob.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.len() > limits::GLOB_BYTES_MAX {
            return Err(GlobError::TooLong);
        }
        let mut compiler = Compiler { rest: pattern.chars().peekable(), ops: Vec::new(), depth: 0 };
        compiler.sequence(true)?;
        Ok(Self { ops: compiler.ops })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut now = Positions::new(self.ops.len());
        let mut next = Positions::new(self.ops.len());
        now.enter(&self.ops, 0);
        for c in text.chars() {
            next.clear();
            for &at in &now.list {
                if self.ops.get(at).is_some_and(|op| op.accepts(c)) {
                    next.enter(&self.ops, at + 1);
                }
            }
            std::mem::swap(&mut now, &mut next);
            if now.list.is_empty() {
                return false;
            }
        }
        now.seen[self.ops.len()]
    }
}

/// Whether the whole text matches the glob. A glob that does not compile matches nothing; compile it once with
/// [`Glob::new`] where many texts are matched.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).is_ok_and(|glob| glob.matches(text))
}

/// Whether the whole text matches a pattern in which `*` is any run of characters, `/` included, and everything
/// else stands for itself.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(prefix) else {
        return false;
    };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_suffix(suffix) else {
        return false;
    };
    for part in middle.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// A set of positions; the one past the last step means "matched".
struct Positions {
    list: Vec<usize>,
    seen: Vec<bool>,
}

impl Positions {
    fn new(ops: usize) -> Self {
        Self { list: Vec::with_capacity(ops + 1), seen: vec![false; ops + 1] }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.seen.fill(false);
    }

    /// Adds a position and all that follow from it without reading a character.
    fn enter(&mut self, ops: &[Op], at: usize) {
        let first_new = self.list.len();
        self.add(at);
        let mut i = first_new;
        while let Some(&at) = self.list.get(i) {
            match ops.get(at) {
                Some(Op::Jump(to)) => self.add(*to),
                Some(Op::Split(one, other)) => {
                    self.add(*one);
                    self.add(*other);
                }
                _ => {}
            }
            i += 1;
        }
    }

    fn add(&mut self, at: usize) {
        if !self.seen[at] {
            self.seen[at] = true;
            self.list.push(at);
        }
    }
}

struct Compiler<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    ops: Vec<Op>,
    depth: usize,
}

impl Compiler<'_> {
    /// Compiles up to the end, or, within alternatives, up to `,` or `}`. `at_start` tells whether a path component
    /// starts here, the answer whether one starts after it.
    fn sequence(&mut self, mut at_start: bool) -> Result<bool, GlobError> {
        while let Some(&c) = self.rest.peek() {
            if self.depth > 0 && (c == ',' || c == '}') {
                return Ok(at_start);
            }
            self.rest.next();
            match c {
                '*' if self.rest.next_if_eq(&'*').is_some() => self.any_run(at_start),
                '*' => self.repeat(Op::AnyButSlash),
                '?' => self.ops.push(Op::AnyButSlash),
                '[' => self.class()?,
                '{' => {
                    at_start = self.alternatives(at_start)?;
                    continue;
                }
                '\\' => {
                    let literal = self.rest.next().ok_or(GlobError::DanglingEscape)?;
                    self.ops.push(Op::Literal(literal));
                }
                literal => self.ops.push(Op::Literal(literal)),
            }
            at_start = self.ops.last() == Some(&Op::Literal('/'));
        }
        if self.depth > 0 { Err(GlobError::OpenAlternatives) } else { Ok(at_start) }
    }

    fn repeat(&mut self, op: Op) {
        let start = self.ops.len();
        self.ops.extend([Op::Split(start + 1, start + 3), op, Op::Jump(start)]);
    }

    /// `**`, or `**/` as "any number of components".
    fn any_run(&mut self, at_start: bool) {
        if at_start && self.rest.next_if_eq(&'/').is_some() {
            let start = self.ops.len();
            self.ops.push(Op::Split(start + 1, start + 5));
            self.repeat(Op::Any);
            self.ops.push(Op::Literal('/'));
        } else {
            self.repeat(Op::Any);
        }
    }

    fn alternatives(&mut self, at_start: bool) -> Result<bool, GlobError> {
        self.depth += 1;
        if self.depth > limits::GLOB_NESTING_MAX {
            return Err(GlobError::TooDeep);
        }
        let mut ends = Vec::new();
        let mut starts_after = true;
        loop {
            let split = self.ops.len();
            self.ops.push(Op::Jump(split + 1));
            starts_after &= self.sequence(at_start)?;
            if self.rest.next() == Some('}') {
                break;
            }
            ends.push(self.ops.len());
            self.ops.push(Op::Jump(0));
            self.ops[split] = Op::Split(split + 1, self.ops.len());
        }
        self.depth -= 1;
        let end = self.ops.len();
        for at in ends {
            self.ops[at] = Op::Jump(end);
        }
        Ok(starts_after)
    }

    fn class(&mut self) -> Result<(), GlobError> {
        let negated = self.rest.next_if(|&c| c == '!' || c == '^').is_some();
        let mut ranges = Vec::new();
        loop {
            let low = match self.rest.next().ok_or(GlobError::OpenClass)? {
                ']' if !ranges.is_empty() => break,
                '\\' => self.rest.next().ok_or(GlobError::DanglingEscape)?,
                c => c,
            };
            ranges.push(self.range(low)?);
        }
        self.ops.push(Op::Class { negated, ranges });
        Ok(())
    }

    fn range(&mut self, low: char) -> Result<(char, char), GlobError> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']')) {
            return Ok((low, low));
        }
        self.rest = ahead;
        let high = match self.rest.next().ok_or(GlobError::OpenClass)? {
            '\\' => self.rest.next().ok_or(GlobError::DanglingEscape)?,
            c => c,
        };
        if low > high { Err(GlobError::EmptyRange(low, high)) } else { Ok((low, high)) }
    }
}
