//! Names of things: ARNs outside, names of apps and ids of runs inside.
//!
//! A state machine `orders` is the app `states:orders`; names of users' apps hold no colon, names of AWS hold neither
//! colon nor `~`. Its execution `e1` is the run `orders~e1`.

use super::fault::Fault;
use super::model::NAME_CHARS_MAX;
use crate::account::Account;

/// What an ARN of the service `states` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A state machine, maybe one version or alias of it.
    StateMachine {
        /// Its name.
        name: String,
        /// A number, or the name of an alias.
        qualifier: Option<String>,
        /// Of a map run's item processor.
        label: Option<String>,
    },
    /// An execution of a standard (`express` false) or express state machine.
    Execution {
        /// The state machine.
        machine: String,
        /// The execution's name; of an express execution with what tells it from others of that name, after a `~`.
        name: String,
        /// Whether the ARN is that of an express execution.
        express: bool,
    },
    /// An activity.
    Activity(String),
    /// A map run of an execution.
    MapRun {
        /// The state machine.
        machine: String,
        /// The label of the state.
        label: String,
        /// Which.
        id: String,
    },
}

/// App that the activities belong to.
pub const ACTIVITIES_APP: &str = "states:";
/// Before the name of a state machine in the name of its app.
const MACHINE_PREFIX: &str = "states:";

impl Account {
    /// ARN of a state machine.
    pub fn machine(&self, name: &str) -> String {
        self.arn("states", format_args!("stateMachine:{name}"))
    }

    /// ARN of an execution.
    pub fn execution(&self, machine: &str, name: &str) -> String {
        self.arn("states", format_args!("execution:{machine}:{name}"))
    }

    /// ARN of an express execution: `id` tells it from others of that name.
    pub fn express(&self, machine: &str, name: &str, id: &str) -> String {
        self.arn("states", format_args!("express:{machine}:{name}:{id}"))
    }

    /// ARN of an activity.
    pub fn activity(&self, name: &str) -> String {
        self.arn("states", format_args!("activity:{name}"))
    }
}

impl Resource {
    /// Reads an ARN of the service `states`, whatever its region and account.
    pub fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "states", _, _, kind, rest @ ..] = &*parts else { return None };
        match (*kind, rest) {
            ("stateMachine", [name]) => Some(Self::machine(name, None)),
            ("stateMachine", [name, qualifier]) => Some(Self::machine(name, Some((*qualifier).to_owned()))),
            ("execution", [machine, name]) => Some(Self::Execution {
                machine: (*machine).to_owned(),
                name: (*name).to_owned(),
                express: false,
            }),
            ("express", [machine, name, id]) => Some(Self::Execution {
                machine: (*machine).to_owned(),
                name: format!("{name}~{id}"),
                express: true,
            }),
            ("activity", [name]) => Some(Self::Activity((*name).to_owned())),
            ("mapRun", [of, id]) => {
                let (machine, label) = of.split_once('/')?;
                Some(Self::MapRun {
                    machine: machine.to_owned(),
                    label: label.to_owned(),
                    id: (*id).to_owned(),
                })
            }
            _ => None,
        }
    }

    fn machine(name: &str, qualifier: Option<String>) -> Self {
        match name.split_once('/') {
            Some((name, label)) => {
                Self::StateMachine { name: name.to_owned(), qualifier, label: Some(label.to_owned()) }
            }
            None => Self::StateMachine { name: name.to_owned(), qualifier, label: None },
        }
    }
}

/// The app of a state machine.
pub fn app_of(machine: &str) -> String {
    format!("{MACHINE_PREFIX}{machine}")
}

/// The state machine of an app, if it is one.
pub fn machine_of(app: &str) -> Option<&str> {
    app.strip_prefix(MACHINE_PREFIX).filter(|name| !name.is_empty())
}

/// The run of an execution: readable where run ids allow it, else a digest.
pub fn run_of(machine: &str, execution: &str) -> String {
    let readable = format!("{machine}~{execution}");
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    match readable.len() <= sluice_types::limits::RUN_ID_BYTES_MAX && readable.bytes().all(allowed) {
        true => readable,
        false => format!("states:{:032x}", xxhash_rust::xxh3::xxh3_128(readable.as_bytes())),
    }
}

/// Whether a state machine, execution or activity may have this name.
pub fn check_name(name: &str) -> Result<(), Fault> {
    const REFUSED: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";
    let bad = |c: char| c.is_whitespace() || c.is_control() || REFUSED.contains(c);
    match name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(bad) {
        true => Err(Fault::new("InvalidName", format!("Invalid Name: '{name}'"))),
        false => Ok(()),
    }
}

/// The name of a state machine from its ARN, and its version or alias.
pub fn machine_named(arn: &str) -> Result<(String, Option<String>), Fault> {
    match Resource::parse(arn) {
        Some(Resource::StateMachine { name, qualifier, label: None }) => Ok((name, qualifier)),
        Some(Resource::StateMachine { .. }) => Err(Fault::because(
            "API_DOES_NOT_SUPPORT_LABELED_ARNS",
            format!("This action does not take the ARN of a map state: '{arn}'"),
        )),
        _ => Err(Fault::invalid_arn(arn)),
    }
}

/// State machine and name of an execution from its ARN.
pub fn execution_named(arn: &str) -> Result<(String, String), Fault> {
    match Resource::parse(arn) {
        Some(Resource::Execution { machine, name, .. }) => Ok((machine, name)),
        _ => Err(Fault::invalid_arn(arn)),
    }
}

/// State machine and name of a standard execution from its ARN.
pub fn standard_named(arn: &str) -> Result<(String, String), Fault> {
    match Resource::parse(arn) {
        Some(Resource::Execution { machine, name, express: false }) => Ok((machine, name)),
        _ => Err(Fault::invalid_arn(arn)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_as_they_are_written() {
        let place = Account::new("eu-west-1", "000000000000").expect("well formed");
        assert_eq!(machine_named(&place.machine("a")), Ok(("a".into(), None)));
        assert_eq!(
            machine_named(&format!("{}:PROD", place.machine("a"))),
            Ok(("a".into(), Some("PROD".into())))
        );
        assert_eq!(standard_named(&place.execution("m", "e")), Ok(("m".into(), "e".into())));
        let express = place.express("m", "e", "1");
        assert_eq!(execution_named(&express), Ok(("m".into(), "e~1".into())));
        let refused = standard_named(&express).map_err(|fault| fault.message);
        let why = "Invalid Arn: 'Resource type not valid in this context: express'";
        assert_eq!(refused, Err(why.to_owned()));
        assert_eq!(Resource::parse(&place.activity("act")), Some(Resource::Activity("act".into())));
        for wrong in
            ["", "arn:aws:states:x", "arn:aws:lambda:us-east-1:1:function:f", "arn:aws:states:r:a:what:x"]
        {
            assert_eq!(Resource::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn runs_of_executions_have_ids_that_the_node_takes() {
        assert_eq!(run_of("m", "e-1"), "m~e-1");
        let long = "x".repeat(80);
        for (machine, execution) in [("m", "é"), (&*long, &*long)] {
            let id = run_of(machine, execution);
            assert!(id.len() <= 128 && id.is_ascii(), "{id}");
        }
        assert_ne!(run_of(&long, "a(1)"), run_of(&long, "a(2)"));
    }

    #[test]
    fn names_are_those_that_aws_allows() {
        for good in ["a", "A-1_b.c", "(x)", "é", &"n".repeat(80)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "a~b", "a:b", "a\u{7}", &"n".repeat(81)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
