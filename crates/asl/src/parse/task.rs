//! `Task` states.

use super::fields::Fields;
use super::query::Sees;
use super::{Parser, SECONDS_MAX};
use crate::diagnostic::code;
use crate::machine::{QueryLanguage, Task};

impl Parser<'_> {
    pub(super) fn task(&mut self, fields: &Fields<'_>, query: QueryLanguage) -> Option<Task> {
        self.require(fields, &["Resource"]);
        let resource = self.text(fields, "Resource");
        if let Some(resource) = &resource {
            self.check_resource(fields, resource);
        }
        let timeout_seconds = self.integer_setting(fields, "TimeoutSeconds", 1..=SECONDS_MAX, query);
        let heartbeat_seconds = self.integer_setting(fields, "HeartbeatSeconds", 1..=SECONDS_MAX, query);
        if let (Some(timeout), Some(heartbeat)) = (
            timeout_seconds.as_ref().and_then(|s| s.fixed()),
            heartbeat_seconds.as_ref().and_then(|s| s.fixed()),
        ) && heartbeat >= timeout
        {
            let message =
                "The value for the field 'HeartbeatSeconds' must be less than that of 'TimeoutSeconds'";
            let place = fields.place.field("HeartbeatSeconds");
            self.schema(&place, fields.at("HeartbeatSeconds"), message.into());
        }
        if let Some(node) = fields.get("Credentials")
            && node.as_object().is_none()
        {
            self.mistyped(fields, "Credentials", node, "an object");
        }
        let credentials = self.template(fields, "Credentials", query, Sees::INPUT);
        Some(Task { resource: resource?, timeout_seconds, heartbeat_seconds, credentials })
    }

    fn check_resource(&mut self, fields: &Fields<'_>, resource: &str) {
        let at = fields.at("Resource");
        let place = fields.place.field("Resource");
        if resource.is_empty() || resource.contains(char::is_whitespace) {
            let message = format!("'{resource}' is neither an ARN nor the name of a function");
            self.error(code::INVALID_RESOURCE, Some(&place), at, message);
        }
        if !self.express {
            return;
        }
        // The second space is AWS's.
        let pattern = match resource.rsplit_once('.') {
            Some((_, "waitForTaskToken")) => "'.waitForTaskToken' service integration ",
            Some((_, "sync" | "sync:2")) => "'.sync' service integration",
            _ if resource.contains(":activity:") => "Activity ARN",
            _ => return,
        };
        self.schema(&place, at, format!("Express state machine does not support {pattern}"));
    }
}
