//! The compiled form: what an expression means.

use super::function::Builtin;
use super::regex::Pattern;
use super::signature::Signature;
use crate::Value;
use std::sync::Arc;

/// A name of a field, a variable or a label.
pub type Name = Arc<str>;

/// An operation, and what is done with its result.
#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    /// Offset in bytes, for errors.
    pub position: usize,
    /// A result of one item stays an array.
    pub keep_array: bool,
    /// An array constructor at an end of a path: its result is not flattened.
    pub constructs: bool,
    /// Which items of the result to keep.
    pub filters: Vec<Node>,
    /// How to group the result.
    pub group: Option<Box<Pairs>>,
}

#[derive(Debug)]
pub enum Kind {
    Path(Path),
    Literal(Value),
    /// A field of the context.
    Name(Name),
    Wildcard,
    Descendants,
    /// The object that the context was taken from, bound to this label on the way.
    Parent(Name),
    /// The context, `$`.
    Context,
    /// The input, `$$`.
    Root,
    Variable {
        name: Name,
        builtin: Option<&'static Builtin>,
    },
    Negate(Box<Node>),
    Array(Vec<Node>),
    Object(Box<Pairs>),
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    Range(Box<Node>, Box<Node>),
    Condition {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Option<Box<Node>>,
    },
    /// `a ?: b`
    Elvis(Box<Node>, Box<Node>),
    /// `a ?? b`
    Coalesce(Box<Node>, Box<Node>),
    Block {
        expressions: Vec<Node>,
        binds: bool,
    },
    Bind(Name, Box<Node>),
    Call(Arc<Call>),
    /// The last call of a function's body.
    TailCall(Arc<Call>),
    Partial(Arc<Call>),
    Lambda(Arc<Lambda>),
    Regex(Arc<Pattern>),
    /// `a ~> b`
    Apply(Box<Node>, Box<Node>),
    Transform(Arc<Transform>),
    /// An order-by, as a step of a path.
    Sort(Vec<Term>),
}

/// Keys and values of an object or a grouping.
#[derive(Debug)]
pub struct Pairs {
    pub pairs: Vec<(Node, Node)>,
    pub position: usize,
}

/// Steps from a context to items.
#[derive(Debug)]
pub struct Path {
    pub steps: Vec<Step>,
    /// A result of one item stays an array.
    pub keep_singleton: bool,
    /// The results keep the variables bound on the way, for a path around this one.
    pub tuples: bool,
    /// How many steps only name fields, if these are all, or all but a variable before them: such a path can be
    /// walked without making sequences.
    pub plain_tail: usize,
}

#[derive(Debug)]
pub struct Step {
    pub node: Node,
    pub stages: Vec<Stage>,
    /// `@$name`: binds the item and leaves the context where it is.
    pub focus: Option<Name>,
    /// `#$name`: binds the position.
    pub index: Option<Name>,
    /// Labels that parents ask for.
    pub ancestors: Vec<Name>,
    /// Binds something.
    pub tuples: bool,
}

/// What is done with the results of a step.
#[derive(Debug)]
pub enum Stage {
    Filter(Node),
    Index(Name),
}

/// A key of an order-by.
#[derive(Debug)]
pub struct Term {
    pub descending: bool,
    pub key: Node,
}

#[derive(Debug)]
pub struct Call {
    pub procedure: Node,
    /// `None` is the `?` of a partial application.
    pub arguments: Vec<Option<Node>>,
    pub position: usize,
}

#[derive(Debug)]
pub struct Lambda {
    pub parameters: Vec<Name>,
    pub signature: Option<Signature>,
    pub body: Node,
}

#[derive(Debug)]
pub struct Transform {
    pub pattern: Node,
    pub update: Node,
    pub delete: Option<Node>,
    pub position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Concatenate,
    And,
    Or,
    In,
}

impl Operator {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Concatenate => "&",
            Self::And => "and",
            Self::Or => "or",
            Self::In => "in",
        }
    }

    /// What is written so.
    pub fn of(symbol: &str) -> Option<Self> {
        const ALL: [Operator; 15] = [
            Operator::Add,
            Operator::Subtract,
            Operator::Multiply,
            Operator::Divide,
            Operator::Remainder,
            Operator::Equal,
            Operator::NotEqual,
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Greater,
            Operator::GreaterOrEqual,
            Operator::Concatenate,
            Operator::And,
            Operator::Or,
            Operator::In,
        ];
        ALL.into_iter().find(|operator| operator.symbol() == symbol)
    }
}

impl Node {
    /// An operation and nothing more.
    pub fn new(kind: Kind, position: usize) -> Self {
        Self { kind, position, keep_array: false, constructs: false, filters: Vec::new(), group: None }
    }
}

/// Visits what is inside a node and not shared, by reference or by mutable reference.
macro_rules! visit_owned {
    ($node:expr, $visit:expr, $iter:ident $(, $mutable:tt)?) => {{
        for filter in $node.filters.$iter() {
            $visit(filter);
        }
        if let Some(group) = &$($mutable)? $node.group {
            for (key, value) in group.pairs.$iter() {
                $visit(key);
                $visit(value);
            }
        }
        match &$($mutable)? $node.kind {
            Kind::Path(path) => {
                for step in path.steps.$iter() {
                    $visit(&$($mutable)? step.node);
                    for stage in step.stages.$iter() {
                        if let Stage::Filter(filter) = stage {
                            $visit(filter);
                        }
                    }
                }
            }
            Kind::Negate(inner) | Kind::Bind(_, inner) => $visit(inner),
            Kind::Array(nodes) | Kind::Block { expressions: nodes, .. } => {
                for node in nodes.$iter() {
                    $visit(node);
                }
            }
            Kind::Object(pairs) => {
                for (key, value) in pairs.pairs.$iter() {
                    $visit(key);
                    $visit(value);
                }
            }
            Kind::Binary { left, right, .. }
            | Kind::Range(left, right)
            | Kind::Elvis(left, right)
            | Kind::Coalesce(left, right)
            | Kind::Apply(left, right) => {
                $visit(left);
                $visit(right);
            }
            Kind::Condition { condition, then, otherwise } => {
                $visit(condition);
                $visit(then);
                if let Some(otherwise) = otherwise {
                    $visit(otherwise);
                }
            }
            Kind::Sort(terms) => {
                for term in terms.$iter() {
                    $visit(&$($mutable)? term.key);
                }
            }
            _ => {}
        }
    }};
}

impl Node {
    /// Visits what is directly inside it and not shared.
    pub fn children_mut(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        visit_owned!(self, visit, iter_mut, mut);
    }

    /// Visits what is directly inside it.
    pub fn children(&self, visit: &mut dyn FnMut(&Node)) {
        visit_owned!(self, visit, iter);
        match &self.kind {
            Kind::Call(call) | Kind::TailCall(call) | Kind::Partial(call) => {
                visit(&call.procedure);
                call.arguments.iter().flatten().for_each(visit);
            }
            Kind::Lambda(lambda) => visit(&lambda.body),
            Kind::Transform(transform) => {
                visit(&transform.pattern);
                visit(&transform.update);
                transform.delete.iter().for_each(visit);
            }
            _ => {}
        }
    }
}

impl Step {
    /// A step that binds nothing.
    pub fn new(node: Node) -> Self {
        Self { node, stages: Vec::new(), focus: None, index: None, ancestors: Vec::new(), tuples: false }
    }

    /// Whether it is a variable, or what stands for one.
    pub fn is_start(&self) -> bool {
        let variable = matches!(self.node.kind, Kind::Variable { .. } | Kind::Context | Kind::Root);
        variable && self.stages.is_empty() && !self.tuples
    }

    /// Whether it only names a field.
    pub fn is_plain(&self) -> bool {
        matches!(self.node.kind, Kind::Name(_))
            && self.stages.is_empty()
            && !self.tuples
            && !self.node.keep_array
    }
}
