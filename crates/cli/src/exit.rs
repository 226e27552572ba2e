//! Exit codes, and what is printed when a command does not do what it was asked.

use sluice_api::{Error, ErrorBody};
use sluice_frontend::Diagnostic;
use sluice_types::{Code, Problem};
use std::fmt::Write;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked; a run succeeded.
    Succeeded,
    /// A run failed or was cancelled; an expression is undefined.
    Failed,
    /// The request was wrong.
    Wrong,
    /// The server could not be reached, or refused.
    Refused,
    /// Ctrl-C.
    Interrupted,
}

/// `sluice help exit-codes`
pub const TABLE: &str = "\
Exit codes

    0  the command did what it was asked; a run succeeded
    1  a run failed or was cancelled; `doctor` found something missing; `eval` came to undefined
    2  the request was wrong: arguments, files, the app, a name that does not exist
    3  the server or the machine: not reachable, refused, out of space, no permission
  130  Ctrl-C; a run that was being watched has been cancelled

With 2 and 3, --json prints {\"error\": {\"code\", \"message\", \"where\", \"fix\"}} on stdout.
";

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Wrong => 2,
            Self::Refused => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub body: ErrorBody,
    /// How the command ends.
    pub exit: Exit,
    /// What to print for people, when it is more than the body says.
    text: Option<String>,
}

/// What commands return.
pub type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// With a code, what happened and what to do.
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem::new(code, message, fix).into()
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Code::USAGE, message, fix)
    }

    /// What the server answered.
    pub fn answered(body: ErrorBody) -> Self {
        let exit = exit_of(&body.error.code);
        Self { body, exit, text: None }
    }

    /// The request is wrong, whatever the code, which need not be one of ours.
    pub fn wrong(error: Error) -> Self {
        let body = ErrorBody { error, diagnostics: Vec::new() };
        Self { body, exit: Exit::Wrong, text: None }
    }

    /// What is wrong with a definition; `render` shows one finding to people.
    pub fn diagnostics(findings: &[Diagnostic], render: impl Fn(&Diagnostic) -> String) -> Self {
        let errors: Vec<Error> = findings.iter().map(|finding| error(finding.problem())).collect();
        let text = findings.iter().map(render).collect::<Vec<_>>().join("\n");
        let first = errors.first().cloned().unwrap_or_default();
        let diagnostics = if errors.len() > 1 { errors } else { Vec::new() };
        Self { body: ErrorBody { error: first, diagnostics }, exit: Exit::Wrong, text: Some(text) }
    }

    /// For people, on stderr.
    pub fn render(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        if self.body.diagnostics.is_empty() {
            return render(&self.body.error);
        }
        self.body.diagnostics.iter().map(render).collect::<Vec<_>>().join("\n")
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::answered(ErrorBody { error: error(problem), diagnostics: Vec::new() })
    }
}

/// Codes from 200 are those of the server and the machine.
fn exit_of(code: &str) -> Exit {
    match code.strip_prefix("SLU").and_then(|number| number.parse::<u16>().ok()) {
        Some(number) if number == Code::INTERRUPTED.0 => Exit::Interrupted,
        Some(..200) => Exit::Wrong,
        _ => Exit::Refused,
    }
}

fn error(problem: Problem) -> Error {
    let cause = problem.cause.map(|cause| sluice_api::Cause {
        r#type: cause.r#type,
        message: cause.message,
        stack: cause.stack,
    });
    Error {
        code: problem.code.to_string(),
        message: problem.message,
        place: problem.place,
        fix: problem.fix,
        cause,
        finding: None,
    }
}

/// An error for people: headline, place, the user's own exception, what to do.
pub fn render(error: &Error) -> String {
    let mut text = format!("error[{}]: {}\n", error.code, error.message);
    if !error.place.is_empty() {
        let _ = writeln!(text, "  --> {}", error.place);
    }
    if let Some(cause) = &error.cause {
        let Exception { r#type, message, stack } = Exception::of(cause);
        if !stack.is_empty() || !error.message.ends_with(&message) {
            let _ = writeln!(text, "  cause: {type}: {message}");
        }
        for line in stack {
            let _ = writeln!(text, "    {line}");
        }
    }
    if !error.fix.is_empty() {
        let _ = writeln!(text, "  fix: {}", error.fix);
    }
    text
}

/// An exception behind an error, as people read it.
struct Exception {
    r#type: String,
    message: String,
    stack: Vec<String>,
}

impl Exception {
    /// Functions that a workflow calls report theirs as JSON, which is then the cause of the workflow's error.
    fn of(cause: &sluice_api::Cause) -> Self {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reported {
            error_message: String,
            error_type: Option<String>,
            #[serde(default)]
            stack_trace: Vec<String>,
        }
        let lines = |text: &str| text.trim_end().lines().map(str::to_owned).collect::<Vec<_>>();
        match serde_json::from_str::<Reported>(&cause.message) {
            Ok(Reported { error_message, error_type, stack_trace }) => Self {
                r#type: error_type.unwrap_or_else(|| cause.r#type.clone()),
                message: error_message,
                stack: stack_trace.iter().flat_map(|text| lines(text)).collect(),
            },
            Err(_) => Self {
                r#type: cause.r#type.clone(),
                message: cause.message.clone(),
                stack: lines(&cause.stack),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_how_a_command_ends() {
        for (code, exit) in [
            (Code::USAGE, Exit::Wrong),
            (Code::PROGRAM_MISSING, Exit::Wrong),
            (Code::SERVER_UNREACHABLE, Exit::Refused),
            (Code::UNAUTHORIZED, Exit::Refused),
            (Code::INTERRUPTED, Exit::Interrupted),
        ] {
            assert_eq!(Failure::new(code, "", "").exit, exit, "{code}");
        }
        assert_eq!(exit_of("SLU9999"), Exit::Refused);
        assert_eq!(exit_of("?"), Exit::Refused);
    }

    #[test]
    fn people_read_what_where_why_and_what_to_do() {
        let cause =
            sluice_types::problem::Cause { r#type: "E".into(), message: "m".into(), stack: "a\nb\n".into() };
        let problem = Problem::new(Code::FUNCTION_FAILED, "what", "do").at("app.py:3");
        let failure = Failure::from(Problem { cause: Some(cause), ..problem });
        let expected = "error[SLU0100]: what\n  --> app.py:3\n  cause: E: m\n    a\n    b\n  fix: do\n";
        assert_eq!(failure.render(), expected);
    }

    #[test]
    fn the_error_of_a_workflow_is_told_once() {
        let told = |error: &str, cause: &str| {
            let message = format!("workflow \"w\" failed: {error}: oh");
            let cause = sluice_types::problem::Cause {
                r#type: error.into(),
                message: cause.into(),
                stack: String::new(),
            };
            let problem = Problem::new(Code::WORKFLOW_FAILED, message, "");
            Failure::from(Problem { cause: Some(cause), ..problem }).render()
        };
        assert_eq!(told("E", "oh"), "error[SLU0116]: workflow \"w\" failed: E: oh\n");
        let reported = r#"{"errorMessage":"oh","errorType":"ValueError","stackTrace":["a\n  b\n","c"]}"#;
        let expected = "error[SLU0116]: workflow \"w\" failed: ValueError: oh\n  cause: ValueError: oh\n    a\n      b\n    c\n";
        assert_eq!(told("ValueError", reported), expected);
    }
}
