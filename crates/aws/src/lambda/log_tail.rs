//! The end of an invocation's log, as `LogType=Tail` asks for it.

use super::ending::{Ending, Error};
use super::limits::LOG_TAIL_BYTES_MAX;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sluice_runtime::api::{LogLine, RunView};
use sluice_types::calendar::rfc3339;

/// The last bytes of the log, in base64. A worker that was killed could not write the last lines; they are added.
pub fn tail(run: &RunView, ending: &Ending, lines: &[LogLine], version: &str, memory_mib: u64) -> String {
    let mut log: String = lines.iter().map(|line| line.text.as_str()).collect();
    let id = &run.run;
    if !log.contains(&format!("START RequestId: {id}")) {
        log = format!("START RequestId: {id} Version: {version}\n{log}");
    }
    if let Ending::Failed(Error { r#type, message, .. }) = ending
        && !log.contains(&format!("END RequestId: {id}"))
    {
        let ended_ms = run.ended_ms.unwrap_or(run.started_ms);
        let ms = ended_ms.saturating_sub(run.started_ms);
        if r#type == "Sandbox.Timedout" {
            let what = message.split_once("Error: ").map_or(message.as_str(), |(_, what)| what);
            log.push_str(&format!("{} {id} {what}\n\n", rfc3339(ended_ms)));
        } else {
            log.push_str(&format!("{message}\n{type}\n"));
        }
        log.push_str(&format!(
            "END RequestId: {id}\nREPORT RequestId: {id}\tDuration: {ms}.00 ms\tBilled Duration: {ms} ms\tMemory Size: {memory_mib} MB\t\n"
        ));
    }
    let mut from = log.len().saturating_sub(LOG_TAIL_BYTES_MAX);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    BASE64_STANDARD.encode(&log[from..])
}
