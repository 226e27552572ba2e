//! Words to a tree, by operator precedence (Pratt's method).
//!
//! The tree says what was written; what it means is for `lower` to say, so that of two errors in an expression the
//! one in the grammar is reported.

use super::error::{Outcome, raise};
use super::regex::Pattern;
use super::signature::Signature;
use super::token::{Lexer, Token, Word};
use crate::Value;
use std::sync::Arc;

/// Trees inside one another, operators of a chain included: lowering, evaluating and dropping recurse over them.
pub const HEIGHT_MAX: usize = 300;

/// What was written.
#[derive(Debug)]
pub struct Tree {
    pub form: Form,
    pub position: usize,
    /// Marked by `[]`: a result of one item stays an array.
    pub keep_array: bool,
}

#[derive(Debug)]
pub enum Form {
    End,
    Literal(Value),
    Name(String),
    Variable(String),
    Regex(Arc<Pattern>),
    /// `and`, `or`, `in` where an operand is expected (then it is a name), or the `?` of a partial application.
    Operator(&'static str),
    Wildcard,
    Descendants,
    Parent,
    Negate(Box<Tree>),
    Array(Vec<Tree>),
    Object(Vec<(Tree, Tree)>),
    Block(Vec<Tree>),
    Infix {
        operator: &'static str,
        left: Box<Tree>,
        right: Box<Tree>,
    },
    Predicate {
        of: Box<Tree>,
        filter: Box<Tree>,
    },
    Group {
        of: Box<Tree>,
        pairs: Vec<(Tree, Tree)>,
    },
    Order {
        of: Box<Tree>,
        terms: Vec<Term>,
    },
    Condition {
        condition: Box<Tree>,
        then: Box<Tree>,
        otherwise: Option<Box<Tree>>,
    },
    Call {
        procedure: Box<Tree>,
        arguments: Vec<Tree>,
        partial: bool,
    },
    Lambda {
        parameters: Vec<String>,
        signature: Option<Signature>,
        body: Box<Tree>,
    },
    Transform {
        pattern: Box<Tree>,
        update: Box<Tree>,
        delete: Option<Box<Tree>>,
    },
}

/// A term of an order-by.
#[derive(Debug)]
pub struct Term {
    pub descending: bool,
    pub key: Tree,
}

/// Parses a whole source into a tree that is at most so high.
pub fn parse(source: &str, height_max: usize) -> Outcome<Tree> {
    let mut lexer = Lexer::new(source);
    let token = lexer.next(false)?;
    let mut parser = Parser { lexer, token, height: 0, height_max };
    let tree = parser.expression(0)?;
    match parser.token.word {
        Word::End => Ok(tree),
        _ => Err(raise("S0201").at(parser.token.position).token(&parser.token.text())),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The word that comes next.
    token: Token,
    height: usize,
    height_max: usize,
}

fn tree(form: Form, position: usize) -> Tree {
    Tree { form, position, keep_array: false }
}

/// How strongly an operator holds on to what stands left of it; 0 ends an expression.
fn binding(operator: &str) -> u8 {
    match operator {
        "[" | "(" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "<" | ">" | "!=" | "<=" | ">=" | "~>" | "^" | "in" | "?:" | "??" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        _ => 0,
    }
}

impl Parser<'_> {
    /// Takes the word that comes next.
    fn take(&mut self, ends_operand: bool) -> Outcome<Token> {
        let next = self.lexer.next(ends_operand)?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// Takes this operator, or says that it is missing.
    fn expect(&mut self, operator: &str, ends_operand: bool) -> Outcome<()> {
        if !self.token.is(operator) {
            let code = if self.token.word == Word::End { "S0203" } else { "S0202" };
            return Err(raise(code).at(self.token.position).token(&self.token.text()).text(operator));
        }
        self.take(ends_operand).map(drop)
    }

    /// Takes this operator if it comes next.
    fn accept(&mut self, operator: &str) -> Outcome<bool> {
        let found = self.token.is(operator);
        if found {
            self.take(false)?;
        }
        Ok(found)
    }

    fn deeper(&mut self) -> Outcome<()> {
        self.height += 1;
        if self.height > self.height_max {
            return Err(raise("S0900").at(self.token.position));
        }
        Ok(())
    }

    /// An expression of operators that bind more strongly than `floor`.
    fn expression(&mut self, floor: u8) -> Outcome<Tree> {
        let height = self.height;
        self.deeper()?;
        let first = self.take(true)?;
        let mut left = self.operand(first)?;
        while let Word::Operator(operator) = self.token.word
            && binding(operator) > floor
        {
            self.deeper()?;
            let position = self.take(false)?.position;
            left = self.infix(operator, left, position)?;
        }
        self.height = height;
        Ok(left)
    }

    fn boxed(&mut self, floor: u8) -> Outcome<Box<Tree>> {
        self.expression(floor).map(Box::new)
    }

    fn operand(&mut self, token: Token) -> Outcome<Tree> {
        let position = token.position;
        let form = match token.word {
            Word::End => Form::End,
            Word::Name(name) => Form::Name(name),
            Word::Variable(name) => Form::Variable(name),
            Word::Literal(value) => Form::Literal(value),
            Word::Regex(pattern) => Form::Regex(pattern),
            Word::Operator(operator) => return self.prefix(operator, position),
        };
        Ok(tree(form, position))
    }

    fn prefix(&mut self, operator: &'static str, position: usize) -> Outcome<Tree> {
        let form = match operator {
            "and" | "or" | "in" => Form::Operator(operator),
            "*" => Form::Wildcard,
            "**" => Form::Descendants,
            "%" => Form::Parent,
            "-" | "(" | "[" | "{" | "|" => return self.bracket(operator, position),
            _ => return Err(raise("S0211").at(position).token(operator)),
        };
        Ok(tree(form, position))
    }

    /// What begins with an operator that wants an operand.
    fn bracket(&mut self, operator: &'static str, position: usize) -> Outcome<Tree> {
        // The word behind it was read as if an operand had ended there.
        self.lexer.rewind(position);
        self.take(false)?;
        let form = match operator {
            "-" => Form::Negate(self.boxed(70)?),
            "(" => self.block()?,
            "[" => self.array()?,
            "{" => Form::Object(self.pairs()?),
            _ => self.transform()?,
        };
        Ok(tree(form, position))
    }

    fn infix(&mut self, operator: &'static str, left: Tree, position: usize) -> Outcome<Tree> {
        let left = Box::new(left);
        let form = match operator {
            "(" => return self.call(left, position),
            "[" => return self.predicate(left, position),
            "{" => Form::Group { of: left, pairs: self.pairs()? },
            "^" => Form::Order { of: left, terms: self.terms()? },
            "?" => {
                let then = self.boxed(0)?;
                let otherwise = if self.accept(":")? { Some(self.boxed(0)?) } else { None };
                Form::Condition { condition: left, then, otherwise }
            }
            "?:" | "??" => Form::Infix { operator, left, right: self.boxed(0)? },
            ":=" => {
                if !matches!(left.form, Form::Variable(_)) {
                    return Err(raise("S0212").at(left.position));
                }
                Form::Infix { operator, left, right: self.boxed(binding(":=") - 1)? }
            }
            "@" | "#" => {
                let right = self.boxed(binding(operator))?;
                if !matches!(right.form, Form::Variable(_)) {
                    return Err(raise("S0214").at(right.position).token(operator));
                }
                Form::Infix { operator, left, right }
            }
            _ => Form::Infix { operator, left, right: self.boxed(binding(operator))? },
        };
        Ok(tree(form, position))
    }

    fn block(&mut self) -> Outcome<Form> {
        let mut expressions = Vec::new();
        while !self.token.is(")") {
            expressions.push(self.expression(0)?);
            if !self.accept(";")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(Form::Block(expressions))
    }

    fn array(&mut self) -> Outcome<Form> {
        let mut items = Vec::new();
        let mut more = !self.token.is("]");
        while more {
            let mut item = self.expression(0)?;
            if self.token.is("..") {
                let position = self.take(false)?.position;
                let right = self.boxed(0)?;
                item = tree(Form::Infix { operator: "..", left: Box::new(item), right }, position);
            }
            items.push(item);
            more = self.accept(",")?;
        }
        self.expect("]", true)?;
        Ok(Form::Array(items))
    }

    fn pairs(&mut self) -> Outcome<Vec<(Tree, Tree)>> {
        let mut pairs = Vec::new();
        let mut more = !self.token.is("}");
        while more {
            let key = self.expression(0)?;
            self.expect(":", false)?;
            pairs.push((key, self.expression(0)?));
            more = self.accept(",")?;
        }
        self.expect("}", true)?;
        Ok(pairs)
    }

    fn transform(&mut self) -> Outcome<Form> {
        let pattern = self.boxed(0)?;
        self.expect("|", false)?;
        let update = self.boxed(0)?;
        let delete = if self.accept(",")? { Some(self.boxed(0)?) } else { None };
        self.expect("|", true)?;
        Ok(Form::Transform { pattern, update, delete })
    }

    fn predicate(&mut self, left: Box<Tree>, position: usize) -> Outcome<Tree> {
        if self.token.is("]") {
            self.take(true)?;
            let mut marked = left;
            let mut step = &mut *marked;
            while let Form::Predicate { of, .. } = &mut step.form {
                step = of;
            }
            step.keep_array = true;
            return Ok(*marked);
        }
        let filter = self.boxed(0)?;
        self.expect("]", true)?;
        Ok(tree(Form::Predicate { of: left, filter }, position))
    }

    fn terms(&mut self) -> Outcome<Vec<Term>> {
        self.expect("(", false)?;
        let mut terms = Vec::new();
        loop {
            let descending = self.token.is(">");
            if descending || self.token.is("<") {
                self.take(false)?;
            }
            terms.push(Term { descending, key: self.expression(0)? });
            if !self.accept(",")? {
                break;
            }
        }
        self.expect(")", true)?;
        Ok(terms)
    }

    fn call(&mut self, procedure: Box<Tree>, position: usize) -> Outcome<Tree> {
        let mut arguments = Vec::new();
        let mut partial = false;
        let mut more = !self.token.is(")");
        while more {
            if self.token.is("?") {
                partial = true;
                arguments.push(tree(Form::Operator("?"), self.token.position));
                self.take(true)?;
            } else {
                arguments.push(self.expression(0)?);
            }
            more = self.accept(",")?;
        }
        self.expect(")", true)?;
        if matches!(&procedure.form, Form::Name(name) if name == "function" || name == "λ") {
            return self.lambda(arguments, position);
        }
        Ok(tree(Form::Call { procedure, arguments, partial }, position))
    }

    fn lambda(&mut self, arguments: Vec<Tree>, position: usize) -> Outcome<Tree> {
        let mut parameters = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.into_iter().enumerate() {
            match argument.form {
                Form::Variable(name) => parameters.push(name),
                _ => return Err(raise("S0208").at(argument.position).index(index + 1)),
            }
        }
        let signature = if self.token.is("<") { Some(self.signature()?) } else { None };
        self.expect("{", false)?;
        let body = self.boxed(0)?;
        self.expect("}", true)?;
        Ok(tree(Form::Lambda { parameters, signature, body }, position))
    }

    fn signature(&mut self) -> Outcome<Signature> {
        let position = self.token.position;
        self.take(false)?;
        let (mut depth, mut text) = (1, String::from("<"));
        while depth > 0 && !self.token.is("{") && self.token.word != Word::End {
            match self.token.word {
                Word::Operator("<") => depth += 1,
                Word::Operator(">") => depth -= 1,
                _ => {}
            }
            text.push_str(&self.token.text());
            if depth > 0 {
                self.take(false)?;
            }
        }
        self.expect(">", false)?;
        Signature::parse(&text).map_err(|error| error.at(position))
    }
}
