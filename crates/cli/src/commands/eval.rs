//! `sluice eval`: one expression, or a stream of them.

use crate::arguments::Global;
use crate::embedded::machine;
use crate::evaluator::answer::Answer;
use crate::evaluator::lines::{Line, Lines};
use crate::evaluator::{Evaluator, LINE_BYTES_MAX};
use crate::exit::{Exit, Failure, Outcome};
use crate::{inputs, interrupt, show};
use clap::Args;
use clap::builder::PossibleValuesParser;
use sluice_api::Error;
use sluice_expression::Value;
use sluice_frontend::evaluate::{self, Language, Question};
use sluice_types::Code;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

const EXAMPLES: &str = r#"Examples:
  sluice eval --lang jsonata '$sum(items.price)' --data '{"items": [{"price": 3}, {"price": 4}]}'
  sluice eval --lang jsonpath '$.items[?@.price > 3]' --data @order.json
  sluice eval --lang asl-path "States.Format('Hello {}', $.name)" --data '{"name": "Ada"}'
  sluice eval --lang cel 'order.total > limit' --data - --bindings '{"limit": 100}' < order.json
  sluice eval --lang jsonata -- '-1'                  (an expression that begins with `-`)

Without EXPR, each line of stdin is a question, and each gets a line on stdout:
  {"lang": "jsonata", "expr": "a + $b", "data": {"a": 1}, "bindings": {"b": 2}}
  {"ok":3}, {"undefined":true} or {"error":{"code":"T2001","message":"…"}}

Exit codes: 0 a value, or all lines answered; 1 undefined; 2 the expression or the request is wrong."#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    /// The expression; without it, questions are read from stdin, one JSON object per line
    #[arg(value_name = "EXPR", requires = "lang")]
    expr: Option<String>,
    /// What the expression is written in
    #[arg(long, value_name = "LANGUAGE", requires = "expr", value_parser = languages())]
    lang: Option<String>,
    /// What it is evaluated on: JSON, a file, or `-` for stdin; without it, on nothing
    #[arg(long, value_name = "JSON|@FILE|-", requires = "expr", allow_hyphen_values = true)]
    data: Option<String>,
    /// Its variables: an object, by name without `$`
    #[arg(long, value_name = "JSON|@FILE", requires = "expr")]
    bindings: Option<String>,
    /// How long an expression may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

fn languages() -> PossibleValuesParser {
    PossibleValuesParser::new(Language::ALL.map(Language::name))
}

impl Eval {
    pub fn execute(&self, global: &Global) -> Outcome {
        interrupt::end_at_once()?;
        let mut evaluator = Evaluator::new(Duration::from_secs(self.timeout));
        match self.question()? {
            Some(question) => print(evaluator.ask(&question)?, global),
            None => answer_lines(&mut evaluator),
        }
    }

    /// The question that the arguments put, if they do.
    fn question(&self) -> Outcome<Option<Vec<u8>>> {
        let (Some(expr), Some(lang)) = (&self.expr, &self.lang) else { return Ok(None) };
        let lang = Language::ALL.into_iter().find(|language| language.name() == lang);
        let lang = lang.expect("the command line takes the names of languages only");
        let data = self.data.as_deref().map(data).transpose()?;
        let bindings = self.bindings.as_deref().map(bindings).transpose()?;
        let question = Question { lang, expr: expr.clone(), data, bindings };
        Ok(Some(serde_json::to_vec(&question).expect("a question is always JSON")))
    }
}

fn data(text: &str) -> Outcome<Value> {
    let bytes = match text {
        "-" => {
            let mut bytes = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|e| machine("cannot read stdin", &e))?;
            bytes
        }
        text => given(text)?,
    };
    Value::parse(&bytes).map_err(|e| {
        let fix = "quote text as JSON ('\"hello\"'), or give a file with --data @FILE";
        Failure::usage(format!("--data is not JSON: {e}"), fix)
    })
}

fn bindings(text: &str) -> Outcome<BTreeMap<String, Value>> {
    serde_json::from_slice(&given(text)?).map_err(|e| {
        Failure::usage(format!("--bindings is no JSON object: {e}"), r#"write --bindings '{"limit": 100}'"#)
    })
}

/// An argument, or the file that it names.
fn given(text: &str) -> Outcome<Vec<u8>> {
    match text.strip_prefix('@') {
        Some(path) => inputs::read(Path::new(path)),
        None => Ok(text.as_bytes().to_vec()),
    }
}

fn print(answer: Vec<u8>, global: &Global) -> Outcome {
    let parsed: Answer = serde_json::from_slice(&answer).map_err(|e| {
        Failure::new(Code::INTERNAL, format!("the evaluator does not speak clearly: {e}"), "report this")
    })?;
    let exit = match &parsed {
        Answer::Error(failure) => return Err(refused(failure)),
        Answer::Ok(_) => Exit::Succeeded,
        Answer::Undefined(_) => Exit::Failed,
    };
    match parsed {
        _ if global.json => show::bytes(&[&answer[..], b"\n"].concat())?,
        Answer::Ok(value) => show::line(value.get())?,
        _ => eprintln!("undefined"),
    }
    Ok(exit)
}

fn refused(failure: &evaluate::Failure) -> Failure {
    let (code, message) = (failure.code.clone(), failure.message.clone());
    if code == Code::INTERNAL.to_string() {
        return Failure::new(Code::INTERNAL, message, "report this");
    }
    let fix = match code == Code::LIMIT_EXCEEDED.to_string() {
        true => "let it do less, or give it more time with --timeout",
        false => "`sluice help eval` has examples",
    };
    Failure::wrong(Error { code, message, fix: fix.into(), ..Error::default() })
}

/// Answers each line of stdin, whatever it is, before it reads the next.
fn answer_lines(evaluator: &mut Evaluator) -> Outcome {
    let mut lines = Lines::of(io::stdin().lock());
    while let Some(line) = lines.next().map_err(|e| machine("cannot read stdin", &e))? {
        let mut answer = match line {
            Line::Whole(question) => evaluator.ask(question)?,
            Line::TooLong => {
                let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                Answer::Error(evaluate::Failure::new(Code::LIMIT_EXCEEDED, message)).line()
            }
        };
        answer.push(b'\n');
        if show::streamed(&answer)?.is_break() {
            break;
        }
    }
    Ok(Exit::Succeeded)
}
