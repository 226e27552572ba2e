//! `/metrics`: the node's numbers in the text format of Prometheus.

use crate::failure::Answer;
use crate::front::Front;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use sluice_api::Status;
use sluice_runtime::api::NodeStats;
use std::fmt::Write;

/// `GET /metrics`
pub async fn show(State(front): State<Front>) -> Answer<([(HeaderName, &'static str); 1], String)> {
    let stats = front.node.stats().await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(&stats)))
}

fn render(stats: &NodeStats) -> String {
    let mut text = String::new();
    let mut metric = |kind: &str, name: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP sluice_{name} {help}\n# TYPE sluice_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "sluice_{name}{labels} {value}");
        }
    };
    metric("counter", "log_records_total", "Records appended to the log.", &[("", stats.records)]);
    metric("counter", "log_syncs_total", "Syncs of the log.", &[("", stats.syncs)]);
    metric("counter", "runs_started_total", "Runs started.", &[("", stats.runs_started)]);
    let labels = Status::ALL[1..].iter().map(|status| format!("{{status=\"{status}\"}}")).collect::<Vec<_>>();
    let ended: Vec<(&str, u64)> = labels.iter().map(String::as_str).zip(stats.runs_ended).collect();
    metric("counter", "runs_ended_total", "Runs ended, by status.", &ended);
    metric("gauge", "runs_loaded", "Runs in memory.", &[("", stats.runs_loaded)]);
    metric("counter", "attempts_total", "Attempts handed to sandboxes.", &[("", stats.attempts)]);
    metric("counter", "attempts_failed_total", "Attempts that failed.", &[("", stats.attempts_failed)]);
    metric("gauge", "attempts_running", "Attempts in sandboxes.", &[("", stats.attempts_running)]);
    metric("gauge", "object_bytes", "Bytes of objects in shared memory.", &[("", stats.object_bytes)]);
    let help = "Lines of histories read to tell code its journal again, for forks and for views of the past.";
    metric("counter", "history_lines_read_total", help, &[("", stats.history_lines_read)]);
    metric(
        "gauge",
        "shard_stalled_milliseconds",
        "Time since the shard last went round.",
        &[("", stats.stalled_ms)],
    );
    metric("gauge", "log_refusing", "1 when the log refuses new work.", &[("", u64::from(stats.refusing))]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_told_once() {
        let text = render(&NodeStats { runs_ended: [7, 8, 9], refusing: true, ..NodeStats::default() });
        for line in [
            "sluice_runs_ended_total{status=\"succeeded\"} 7",
            "sluice_runs_ended_total{status=\"cancelled\"} 9",
            "sluice_log_refusing 1",
        ] {
            assert_eq!(text.lines().filter(|l| *l == line).count(), 1, "{line}\n{text}");
        }
    }
}
