//! Workflows: their state machines are checked as AWS checks them, and against the functions of the app.

use super::Lowering;
use super::recorded::doubts as recorded_doubts;
use crate::definition::{Definition, Places, States, Workflow, WorkflowCode};
use crate::diagnostic::{Diagnostic, Severity};
use crate::node::Position;
use crate::states::{Called, called, each_state};
use sluice_asl::diagnostic::{self as asl, code};
use sluice_asl::machine::State;
use sluice_asl::parse::{Spot, field_of_state};
use sluice_asl::{Machine, Severity as AslSeverity};
use sluice_types::{
    Code, Function, FunctionIx, RetryPolicy, Runtime, Steps, Visibility, Workflow as Lowered, did_you_mean,
    limits,
};
use std::sync::Arc;

impl Lowering<'_> {
    /// The workflows; the functions whose calls are turns of theirs go to `functions`.
    pub(super) fn workflows(&mut self, functions: &mut Vec<Function>) -> Vec<Lowered> {
        let definition = self.definition;
        let mut lowered = Vec::new();
        for (name, workflow) in &definition.workflows {
            let path = format!("workflows.{name}");
            self.check_name(&path, name, "workflow");
            let steps = match workflow {
                Workflow::States(states) => self.states(&path, name, states),
                Workflow::Code(code) => {
                    functions.push(self.code(&path, name, code));
                    Some(Steps::Code { function: FunctionIx(functions.len() as u16 - 1) })
                }
                Workflow::Dag(dag) => Some(Steps::Dag(Arc::new(self.dag(&path, dag)))),
                Workflow::Recorded(recorded) => {
                    let function = FunctionIx(functions.len() as u16);
                    let replayed = self.recorded(&path, name, recorded, function);
                    replayed.map(|(worker, dag)| {
                        functions.push(worker);
                        Steps::Dag(Arc::new(dag))
                    })
                }
            };
            lowered.extend(steps.map(|steps| Lowered { name: name.as_str().into(), steps }));
        }
        lowered
    }

    /// The function whose calls are the turns of a workflow written as code.
    fn code(&mut self, path: &str, name: &str, code: &WorkflowCode) -> Function {
        let message = || format!("there is a function `{name}`, too");
        self.require(self.functions.find(name).is_none(), path, message, "give one of them another name");
        let (module, name_inside) = self.handler(&format!("{path}.code"), "code", Some(&code.handler));
        let runtime = Runtime::Workflow { module, name: name_inside };
        Function {
            timeout_ms: code.timeout.map_or(limits::TURN_MS_DEFAULT, |timeout| timeout.0),
            // What it wants is for the run alone to see, and all at once.
            visibility: Visibility::Commit,
            // One worker has everything of it that is warm.
            concurrency: 1,
            network: self.definition.network.unwrap_or_default(),
            retry: RetryPolicy { initial_ms: 500, max_ms: 60_000, ..RetryPolicy::default() },
            ..Function::new(name, runtime)
        }
    }

    fn states(&mut self, path: &str, name: &str, states: &States) -> Option<Steps> {
        self.check_file(path, states.file.as_deref());
        let Some(script) = Script::of(self.definition, name, states) else {
            let message = || "the definition came without the text of this file".to_owned();
            self.require(false, &format!("{path}.file"), message, "send it in `asl`, beside `file`");
            return None;
        };
        match Machine::parse(script.text) {
            Ok((machine, _)) => self.check_calls(&script, &machine),
            Err(faults) => self.findings.extend(faults.iter().map(|fault| script.fault(fault))),
        }
        Some(Steps::States { definition: script.text.clone(), aws_limits: states.aws_limits })
    }

    /// A workflow's file is one of the app's folder.
    pub(super) fn check_file(&mut self, path: &str, file: Option<&str>) {
        let Some(file) = file else { return };
        let message = || format!("`{file}` is not a file of the app's folder");
        let fix = "write a path relative to the app's folder, without `..`";
        self.require(super::function::is_bundle_path(file), &format!("{path}.file"), message, fix);
    }

    /// Functions that tasks name must be there.
    fn check_calls(&mut self, script: &Script<'_>, machine: &Machine) {
        each_state(&machine.body, &mut |state| {
            let Some(Called { name: Some(name), is_lambda: false, way }) = called(state) else { return };
            if self.functions.find(name).is_none() {
                let near = did_you_mean(name, self.functions.all());
                let fix = near.unwrap_or_else(|| {
                    "name one of the app's `functions`, or a Lambda function by its ARN".to_owned()
                });
                let message = format!("there is no function `{name}`");
                let finding = script.at_field(Code::UNKNOWN_NAME, state, way, message);
                self.report(finding.fix(fix));
            }
        });
    }
}

/// What is doubtful about the workflows of a definition.
pub(super) fn doubts(definition: &Definition) -> Vec<Diagnostic> {
    let mut found = recorded_doubts(definition);
    let scripts = definition.workflows.iter().filter_map(|(name, workflow)| match workflow {
        Workflow::States(states) => Script::of(definition, name, states),
        Workflow::Code(_) | Workflow::Dag(_) | Workflow::Recorded(_) => None,
    });
    found.extend(scripts.flat_map(|script| script.doubts(definition)));
    found
}

/// A definition in the Amazon States Language, and where it was written.
struct Script<'a> {
    text: &'a Arc<str>,
    /// The file that holds nothing else, if it has one.
    file: Option<Arc<str>>,
    path: String,
    places: &'a Places,
}

impl<'a> Script<'a> {
    fn of(definition: &'a Definition, name: &str, states: &'a States) -> Option<Self> {
        Some(Self {
            text: states.asl.as_ref()?,
            file: states.file.as_ref().map(|file| definition.places.beside(file)),
            path: format!("workflows.{name}"),
            places: &definition.places,
        })
    }

    fn doubts(&self, definition: &Definition) -> Vec<Diagnostic> {
        let Ok((machine, doubts)) = Machine::parse(self.text) else { return Vec::new() };
        let mut findings: Vec<_> = doubts.iter().map(|doubt| self.fault(doubt)).collect();
        each_state(&machine.body, &mut |state| {
            let Some(Called { name: Some(name), is_lambda: true, way }) = called(state) else { return };
            if definition.functions.iter().any(|(function, _)| function == name) {
                let message =
                    format!("this calls a Lambda function `{name}`, not the app's function of that name");
                let finding = self.at_field(Code::UNKNOWN_NAME, state, way, message);
                let fix = format!("write `\"Resource\": \"{name}\"` to call the function of the app");
                findings.push(Diagnostic { severity: Severity::Warning, ..finding.fix(fix) });
            }
        });
        findings
    }

    /// What the language says, as a finding of ours.
    fn fault(&self, fault: &asl::Diagnostic) -> Diagnostic {
        let severity = match fault.severity {
            AslSeverity::Error => Severity::Error,
            AslSeverity::Warning => Severity::Warning,
        };
        // Of a text that is not JSON AWS's location repeats the text.
        let location = fault.location.as_deref().filter(|location| location.starts_with('/')).unwrap_or("");
        let at = Position { line: fault.line, column: fault.column };
        let message = format!("{} ({})", fault.message, fault.code);
        let finding = self.finding(our_code(fault.code), location, at, message);
        Diagnostic { severity, ..finding.fix(fix(fault.code)) }
    }

    /// A finding about a field of a state.
    fn at_field(&self, code: Code, state: &State, way: &[&str], message: String) -> Diagnostic {
        let spot = field_of_state(self.text, &state.name, way);
        let Spot { location, line, column } =
            spot.unwrap_or(Spot { location: "/".into(), line: 1, column: 1 });
        self.finding(code, &location, Position { line, column }, message)
    }

    /// A finding at a place that AWS names `location`. In a definition that stands in the manifest the position is that
    /// of the manifest, or of the nearest part whose position is known.
    fn finding(&self, code: Code, location: &str, at: Position, message: String) -> Diagnostic {
        let finding = Diagnostic::error(code, &self.path, message);
        let shown = format!("{} {location}", self.path).trim_end().to_owned();
        if let Some(file) = &self.file {
            return Diagnostic { file: file.clone(), at: Some(at), path: shown, ..finding };
        }
        let steps = location.replace(['/', '['], ".").replace(']', "");
        let place = self.places.find(&format!("{}.asl{steps}", self.path));
        let (file, at) = place.map_or((self.places.file.clone(), None), |(file, at)| (file, Some(at)));
        Diagnostic { file, at, path: shown, ..finding }
    }
}

fn our_code(code: &str) -> Code {
    match code {
        code::INVALID_JSON_DESCRIPTION => Code::APP_SYNTAX,
        code::INVALID_JSONATA_EXPRESSION | code::UNSUPPORTED_JSONATA_EXPRESSION => Code::EXPRESSION_INVALID,
        _ => Code::APP_INVALID,
    }
}

fn fix(code: &str) -> &'static str {
    match code {
        code::INVALID_JSON_DESCRIPTION => {
            "mend the JSON: quotes around names, commas between, none after the last"
        }
        code::DEFINITION_TOO_LONG => "move parts of it to workflows of their own",
        code::INVALID_RESOURCE => "name a function of the app, or give an ARN",
        code::MISSING_END_STATE => "give one of the states `\"End\": true`, or add a Succeed or Fail state",
        code::DUPLICATE_STATE_NAME => "give every state a name of its own, those in branches and maps too",
        code::MISSING_TRANSITION_TARGET => "lead to a state that is there, and to every state from another",
        code::TOO_DEEPLY_NESTED => "move inner states to a workflow of their own",
        code::INVALID_JSONATA_EXPRESSION => "mend the expression between `{%` and `%}`",
        code::UNSUPPORTED_JSONATA_EXPRESSION => {
            "refer to `$states` and to variables that are assigned before"
        }
        code::NO_DOLLAR => "end the field's name in `.$` to have the path followed",
        code::NO_PATH => "use the form of the field whose name ends in `Path`",
        code::PASS_RESULT_IS_STATIC => "use `Parameters` for what is to be computed",
        _ => "see the States Language, https://states-language.net/spec.html",
    }
}
