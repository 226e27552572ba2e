//! What the `Resource` of a task names.

use super::Wait;
use super::history::Performer;
use std::sync::Arc;

/// What a task calls, and when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// What it calls.
    pub target: Target<'a>,
    /// It ends by a callback: `.waitForTaskToken`.
    pub callback: bool,
    /// It ends with the job it starts: `.sync`, `.sync:2`.
    pub wait: Wait,
}

/// What a task calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A function of the app, by its name.
    Function(&'a str),
    /// A Lambda function, by its ARN.
    Lambda(&'a str),
    /// An activity, by its ARN.
    Activity(&'a str),
    /// An integration; the action with its pattern, as written.
    Integration {
        /// For example `lambda`, `aws-sdk:dynamodb`.
        service: &'a str,
        /// For example `invoke`.
        action: &'a str,
        /// The action with its pattern: `invoke.waitForTaskToken`.
        written: &'a str,
    },
}

impl<'a> Resource<'a> {
    /// Reads a `Resource`.
    pub fn parse(resource: &'a str) -> Self {
        let plain = |target| Self { target, callback: false, wait: Wait::None };
        let mut parts = resource.splitn(6, ':');
        let (arn, _partition, service) = (parts.next(), parts.next(), parts.next());
        if arn != Some("arn") {
            return plain(Target::Function(resource));
        }
        let (region, _account) = (parts.next(), parts.next());
        let rest = parts.next().unwrap_or_default();
        match (service, rest.split_once(':')) {
            (Some("states"), Some(("activity", _))) if region != Some("") => {
                plain(Target::Activity(resource))
            }
            (Some("states"), Some(_)) => Self::integration(rest),
            _ => plain(Target::Lambda(resource)),
        }
    }

    fn integration(text: &'a str) -> Self {
        let (text, wait) = match (text.strip_suffix(".sync"), text.strip_suffix(".sync:2")) {
            (Some(_), _) => (text, Wait::Sync),
            (_, Some(_)) => (text, Wait::Sync2),
            _ => (text, Wait::None),
        };
        let name = text.strip_suffix(".sync:2").unwrap_or(text);
        let colon = name.rfind(':').unwrap_or(0);
        let (service, written) = (&text[..colon], text[colon..].trim_start_matches(':'));
        let action = written.split('.').next().unwrap_or(written);
        let callback = written.ends_with(".waitForTaskToken");
        Self { target: Target::Integration { service, action, written }, callback, wait }
    }

    /// Whether a worker or another program ends it with its token.
    pub fn has_token(&self) -> bool {
        self.callback || matches!(self.target, Target::Activity(_))
    }

    /// What performs it, for the history.
    pub fn performer(&self) -> Performer {
        let arc = |text: &str| -> Arc<str> { text.into() };
        match self.target {
            Target::Function(resource) | Target::Lambda(resource) => {
                Performer::Function { resource: arc(resource) }
            }
            Target::Activity(arn) => Performer::Activity { arn: arc(arn) },
            Target::Integration { service, written, .. } => {
                Performer::Integration { kind: arc(service), action: arc(written) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integration<'a>(service: &'a str, action: &'a str, written: &'a str) -> Target<'a> {
        Target::Integration { service, action, written }
    }

    #[test]
    fn resources_name_what_they_call() {
        let target = |resource| Resource::parse(resource).target;
        assert_eq!(target("count"), Target::Function("count"));
        let lambda = "arn:aws:lambda:us-east-1:123456789012:function:f:prod";
        assert_eq!(target(lambda), Target::Lambda(lambda));
        let activity = "arn:aws:states:us-east-1:123456789012:activity:a";
        assert_eq!(target(activity), Target::Activity(activity));
        assert_eq!(target("arn:aws:states:::lambda:invoke"), integration("lambda", "invoke", "invoke"));
        assert_eq!(
            target("arn:aws:states:::aws-sdk:dynamodb:getItem"),
            integration("aws-sdk:dynamodb", "getItem", "getItem")
        );
    }

    #[test]
    fn patterns_say_when_a_task_is_done() {
        let resource = Resource::parse("arn:aws:states:::states:startExecution.sync:2");
        assert_eq!(resource.target, integration("states", "startExecution", "startExecution.sync:2"));
        assert_eq!((resource.callback, resource.wait), (false, Wait::Sync2));
        let resource = Resource::parse("arn:aws:states:::states:startExecution.sync");
        assert_eq!(resource.target, integration("states", "startExecution", "startExecution.sync"));
        assert_eq!((resource.callback, resource.wait), (false, Wait::Sync));
        let resource = Resource::parse("arn:aws:states:::sqs:sendMessage.waitForTaskToken");
        assert_eq!(resource.target, integration("sqs", "sendMessage", "sendMessage.waitForTaskToken"));
        assert_eq!((resource.callback, resource.wait), (true, Wait::None));
    }
}
