//! `sluice event`

use super::connect;
use crate::arguments::Global;
use crate::exit::{Exit, Failure, Outcome};
use crate::{inputs, show};
use clap::Args;
use serde_json::{Map, Value, json};
use ulid::Ulid;

/// `source` of events that name none.
const SOURCE: &str = "/sluice/cli";

#[derive(Debug, Args)]
pub struct Event {
    /// The type, for example order.created; or a whole event as JSON
    #[arg(value_name = "TYPE|JSON")]
    event: String,
    /// The data
    #[arg(long, value_name = "JSON|@FILE")]
    data: Option<String>,
    /// CloudEvents `subject`
    #[arg(long)]
    subject: Option<String>,
    /// CloudEvents `source`
    #[arg(long)]
    source: Option<String>,
    /// CloudEvents `id`; an event of the same source and id is taken once
    #[arg(long)]
    id: Option<String>,
    /// Only this run sees it
    #[arg(long, value_name = "ID")]
    run: Option<String>,
}

impl Event {
    /// An event that a run alone sees.
    pub fn signal(run: &str, name: &str, data: Option<&str>) -> Self {
        let (event, run) = (name.to_owned(), Some(run.to_owned()));
        Self { event, data: data.map(str::to_owned), subject: None, source: None, id: None, run }
    }

    pub fn execute(&self, global: &Global) -> Outcome {
        let event = self.event()?;
        let accepted = connect(global)?.event(&event)?;
        if global.json {
            show::json(&accepted)?;
        } else {
            show::line(if accepted.accepted > 0 { "accepted" } else { "known already" })?;
        }
        Ok(Exit::Succeeded)
    }

    fn event(&self) -> Outcome<Map<String, Value>> {
        let mut event = if self.event.trim_start().starts_with('{') {
            serde_json::from_str(&self.event).map_err(|e| {
                Failure::usage(format!("the event is not JSON: {e}"), r#"write '{"type": "t", "data": {}}'"#)
            })?
        } else {
            Map::from_iter([("type".to_owned(), json!(self.event))])
        };
        let given = [
            ("subject", &self.subject),
            ("source", &self.source),
            ("id", &self.id),
            ("sluicerun", &self.run),
        ];
        for (name, value) in given {
            event.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
        }
        if let Some(text) = &self.data {
            let value = inputs::value("--data", text)?;
            event.insert("datacontenttype".into(), json!(value.content_type));
            let (name, data) = match serde_json::from_slice(&value.bytes) {
                Ok(document) if value.content_type == sluice_api::value::JSON => ("data", document),
                _ => match String::from_utf8(value.bytes) {
                    Ok(text) => ("data", Value::String(text)),
                    Err(e) => ("data_base64", sent_base64(e.into_bytes())),
                },
            };
            event.insert(name.into(), data);
        }
        for (name, value) in [("specversion", "1.0"), ("source", SOURCE)] {
            event.entry(name).or_insert_with(|| json!(value));
        }
        event.entry("id").or_insert_with(|| json!(Ulid::generate().to_string()));
        Ok(event)
    }
}

fn sent_base64(bytes: Vec<u8>) -> Value {
    let shown = sluice_api::Value::bytes(bytes).to_json();
    let wrapped: Value = serde_json::from_str(shown.get()).unwrap_or_default();
    wrapped["base64"].clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(event: &str, data: Option<&str>) -> Map<String, Value> {
        let data = data.map(str::to_owned);
        let event = event.to_owned();
        Event { event, data, subject: None, source: None, id: Some("1".into()), run: None }.event().unwrap()
    }

    #[test]
    fn an_event_is_a_type_or_a_whole() {
        let expected = json!({"specversion": "1.0", "id": "1", "source": "/sluice/cli", "type": "t"});
        assert_eq!(Value::Object(made("t", None)), expected);
        assert_eq!(made(r#"{"type": "t", "source": "s"}"#, None)["source"], "s");
    }

    #[test]
    fn data_is_json_text_or_bytes() {
        assert_eq!(made("t", Some("{\"a\": 1}"))["data"], json!({"a": 1}));
        assert_eq!(made("t", Some("\"a\""))["data"], "a");
        assert_eq!(made("t", Some("\"a\""))["datacontenttype"], "text/plain");
        assert_eq!(made("t", Some(r#"{"base64": "/w=="}"#))["data_base64"], "/w==");
    }
}
