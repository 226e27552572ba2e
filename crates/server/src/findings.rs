//! Runs that do not go on on another version, as they are told: those that came to the same together.

use crate::views;
use sluice_api as api;
use sluice_runtime::api::{CheckReport, Finding, Reason};
use sluice_types::problem::Cause;
use sluice_types::{Code, Problem};

/// What a request asked for that came to findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whether a version could be deployed.
    Check,
    /// That runs go on on a version.
    Move,
}

/// What became of runs that were to go on on another version.
pub fn moved(report: &CheckReport) -> api::Moved {
    api::Moved {
        moved: report.moved,
        stayed: report.stayed(),
        why: report.found.iter().map(|found| error(found, Asked::Move)).collect(),
        others: report.others,
    }
}

/// Why runs keep their version.
pub fn error(found: &Finding, asked: Asked) -> api::Error {
    let why = &found.why;
    let message = format!("{} {}{}", who(found), did(why.reason), why.message);
    let cause = is_of_code(why.reason).then(|| Cause {
        r#type: if why.reason == Reason::Diverged { "Diverged".to_owned() } else { why.error.clone() },
        message: why.message.clone(),
        stack: why.stack.clone(),
    });
    let place = match (asked, &found.runs[..]) {
        (Asked::Move, [run]) => format!("run {run}"),
        _ => format!("workflow {}", why.workflow),
    };
    let problem = Problem { cause, ..Problem::new(Code::WORKFLOW_DIVERGED, message, fix(found, asked)) };
    let finding = api::Finding {
        run: found.runs.first().cloned().unwrap_or_default(),
        runs: found.runs.clone(),
        count: found.count,
        workflow: why.workflow.clone(),
        reason: why.reason.to_string(),
    };
    api::Error { finding: Some(Box::new(finding)), ..views::error(&problem.at(place)) }
}

/// Which runs it is about, as the sentence begins.
fn who(found: &Finding) -> String {
    let (count, named, workflow) = (found.count, found.runs.join(", "), &found.why.workflow);
    match count {
        1 => format!("run {named} of workflow {workflow:?}"),
        _ if count == found.runs.len() => format!("{count} runs of workflow {workflow:?} ({named})"),
        _ => format!("{count} runs of workflow {workflow:?}, among them {named},"),
    }
}

/// What became of them, up to why.
fn did(reason: Reason) -> &'static str {
    match reason {
        Reason::Diverged => "could not go on: ",
        Reason::Failed => "could not be checked, because the code failed: ",
        Reason::WorkflowGone | Reason::CannotMove => "cannot go on: ",
        Reason::JournalLost => "could not be checked, because the journal cannot be read: ",
        Reason::WentOn => "could not be moved: ",
        Reason::NotRecorded => "could go on, but that could not be recorded: ",
    }
}

fn is_of_code(reason: Reason) -> bool {
    matches!(reason, Reason::Diverged | Reason::Failed)
}

/// What to do about it, or else: runs end on their own version as well.
fn fix(found: &Finding, asked: Asked) -> String {
    let fix = &found.why.fix;
    match (asked, found.why.reason) {
        (Asked::Check, _) => format!(
            "{fix}; or deploy without --check, and these runs end on the version that they were started with"
        ),
        (Asked::Move, Reason::Diverged | Reason::Failed | Reason::WorkflowGone) if found.count == 1 => {
            format!("{fix}, or let it end on the version that it has")
        }
        (Asked::Move, Reason::Diverged | Reason::Failed | Reason::WorkflowGone) => {
            format!("{fix}, or let them end on the version that they have")
        }
        (Asked::Move, _) => fix.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_runtime::api::Unreplayable;

    fn found(reason: Reason, count: usize) -> Finding {
        let mut report = CheckReport::default();
        for run in 0..count {
            let why = Unreplayable {
                workflow: "flow".into(),
                reason,
                message: "so it is".into(),
                error: "Odd".into(),
                stack: String::new(),
                fix: "mend it".into(),
            };
            report.add(&format!("r{run}"), why);
        }
        report.found.remove(0)
    }

    #[test]
    fn runs_are_named_once_and_few_of_them() {
        let said = |count| error(&found(Reason::Diverged, count), Asked::Move).message;
        assert_eq!(said(1), "run r0 of workflow \"flow\" could not go on: so it is");
        assert_eq!(said(2), "2 runs of workflow \"flow\" (r0, r1) could not go on: so it is");
        let many = "5000 runs of workflow \"flow\", among them r0, r1, r2, r3, r4, could not go on: so it is";
        assert_eq!(said(5_000), many);
        let json =
            serde_json::to_value(error(&found(Reason::Diverged, 7), Asked::Check)).expect("it is data");
        assert_eq!(
            (&json["run"], &json["count"], &json["reason"]),
            (&"r0".into(), &7.into(), &"diverged".into())
        );
        assert_eq!(json["runs"].as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn only_what_the_code_did_is_laid_to_the_code() {
        for reason in [Reason::WorkflowGone, Reason::CannotMove, Reason::JournalLost, Reason::WentOn] {
            let error = error(&found(reason, 1), Asked::Move);
            assert_eq!(error.cause, None);
            assert!(!error.fix.contains("patched"), "{error:?}");
        }
        assert_eq!(
            error(&found(Reason::Failed, 1), Asked::Move).cause.map(|cause| cause.r#type),
            Some("Odd".into())
        );
    }
}
