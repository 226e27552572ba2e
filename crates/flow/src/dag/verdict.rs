//! Trigger rules: what the states of its upstream tasks mean for a task.

use serde::{Deserialize, Serialize};
use sluice_types::dag::Rule;

/// Upstream tasks of a task by the state that they have ended in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub succeeded: u32,
    /// Failed, or upstream failed.
    pub failed: u32,
    pub skipped: u32,
}

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// That is not known yet.
    Wait,
    Run,
    Skip,
    /// It cannot run, because others have failed.
    Fail,
}

/// The verdict of a rule over `of` upstream tasks. What it is once is what it stays, whatever the others end in.
pub(super) fn verdict(rule: Rule, tally: Tally, of: u32) -> Verdict {
    let Tally { succeeded, failed, skipped } = tally;
    let is_done = succeeded + failed + skipped == of;
    match rule {
        _ if of == 0 => Verdict::Run,
        Rule::Always => Verdict::Run,
        Rule::OneSuccess if succeeded > 0 => Verdict::Run,
        Rule::OneFailed if failed > 0 => Verdict::Run,
        Rule::AllFailed if succeeded + skipped > 0 => Verdict::Skip,
        Rule::AllSuccess | Rule::NoneFailed | Rule::NoneFailedMinOneSuccess if failed > 0 => Verdict::Fail,
        _ if !is_done => Verdict::Wait,
        Rule::AllDone | Rule::AllFailed | Rule::NoneFailed => Verdict::Run,
        Rule::AllSuccess if skipped > 0 => Verdict::Skip,
        Rule::NoneFailedMinOneSuccess if succeeded == 0 => Verdict::Skip,
        Rule::AllSuccess | Rule::NoneFailedMinOneSuccess => Verdict::Run,
        Rule::OneFailed => Verdict::Skip,
        Rule::OneSuccess if failed > 0 => Verdict::Fail,
        Rule::OneSuccess => Verdict::Skip,
    }
}
