//! The parameters of each action, as AWS's service model of Step Functions (2016-11-23) has them.

/// What a parameter may be.
pub enum Shape {
    /// A text of so many characters.
    Text(usize, usize),
    /// A text of so many bytes of UTF-8, which messages do not repeat.
    Data(usize, usize),
    /// A text of so many characters and of a form.
    Formed(usize, usize, Form),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A number between these, whole or not.
    Number(f64, f64),
    /// `true` or `false`.
    Flag,
    /// So many of the same.
    List(usize, usize, &'static Shape),
    /// A structure.
    Fields(&'static [Member]),
}

/// The form of a text: a pattern as messages show it, and whether a text matches it.
pub struct Form {
    /// A regular expression.
    pub pattern: &'static str,
    /// Whether it matches.
    pub holds: fn(&str) -> bool,
}

/// A parameter.
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// Whether it has to be there.
    pub required: bool,
}

/// The parameters of an action; `None` if there is no such action.
pub fn members(action: &str) -> Option<&'static [Member]> {
    ACTIONS.iter().find(|(name, _)| *name == action).map(|(_, members)| *members)
}

const fn must(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: true }
}

const fn may(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: false }
}

/// Longest definition, in bytes.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// Longest input and output, in bytes.
pub const DATA_BYTES_MAX: usize = 262_144;
/// Longest name of a state machine, execution or activity, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// Most items in one page.
pub const PAGE_MAX: usize = 1_000;

const NO_MAX: usize = usize::MAX;
const ANY: Shape = Shape::Text(0, NO_MAX);
const ARN: Shape = Shape::Text(1, 256);
const LONG_ARN: Shape = Shape::Text(1, 2_000);
const NAME: Shape = Shape::Text(1, NAME_CHARS_MAX);
const DEFINITION: Shape = Shape::Data(1, DEFINITION_BYTES_MAX);
const DATA: Shape = Shape::Data(0, DATA_BYTES_MAX);
const ERROR: Shape = Shape::Text(0, 256);
const CAUSE: Shape = Shape::Data(0, 32_768);
const DESCRIPTION: Shape = Shape::Text(0, 256);
const TASK_TOKEN: Shape = Shape::Text(1, 2_048);
const PAGE_TOKEN: Shape = Shape::Text(1, 1_024);
const COUNT: Shape = Shape::Number(0.0, f64::INFINITY);
const PERCENTAGE: Shape = Shape::Number(0.0, 100.0);
const PAGE: Shape = Shape::Number(0.0, PAGE_MAX as f64);
const INCLUDED: Shape = Shape::OneOf(&["ALL_DATA", "METADATA_ONLY"]);
const KIND: Shape = Shape::OneOf(&["STANDARD", "EXPRESS"]);
const TRACE: Shape = Shape::Formed(0, 256, Form { pattern: r"\p{ASCII}*", holds: |text| text.is_ascii() });
const CLIENT_TOKEN: Shape = Shape::Formed(
    1,
    64,
    Form { pattern: "[!-~]+", holds: |text| text.bytes().all(|byte| byte.is_ascii_graphic()) },
);
const ALIAS_NAME: Shape = Shape::Formed(
    1,
    NAME_CHARS_MAX,
    Form {
        pattern: r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$",
        holds: |text| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            text.bytes().all(allowed) && !text.bytes().all(|byte| byte.is_ascii_digit())
        },
    },
);
const TAG_KEY: Shape = Shape::Text(1, 128);
const TAGS: Shape =
    Shape::List(0, NO_MAX, &Shape::Fields(&[may("key", TAG_KEY), may("value", Shape::Text(0, 256))]));
const ROUTING: Shape =
    Shape::List(1, 2, &Shape::Fields(&[must("stateMachineVersionArn", ARN), must("weight", PERCENTAGE)]));
const ENCRYPTION: Shape = Shape::Fields(&[
    may("kmsKeyId", Shape::Text(1, 2_048)),
    may("kmsDataKeyReusePeriodSeconds", Shape::Number(60.0, 900.0)),
    must("type", Shape::OneOf(&["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"])),
]);
const LOG_GROUP: Shape = Shape::Fields(&[may("logGroupArn", ARN)]);
const LOGGING: Shape = Shape::Fields(&[
    may("level", Shape::OneOf(&["ALL", "ERROR", "FATAL", "OFF"])),
    may("includeExecutionData", Shape::Flag),
    may("destinations", Shape::List(0, NO_MAX, &Shape::Fields(&[may("cloudWatchLogsLogGroup", LOG_GROUP)]))),
]);
const TRACING: Shape = Shape::Fields(&[may("enabled", Shape::Flag)]);
const MOCK: Shape = Shape::Fields(&[
    may("result", DATA),
    may("errorOutput", Shape::Fields(&[may("error", ERROR), may("cause", CAUSE)])),
    may("fieldValidationMode", Shape::OneOf(&["STRICT", "PRESENT", "NONE"])),
]);
const STATE_CONFIGURATION: Shape = Shape::Fields(&[
    may("retrierRetryCount", COUNT),
    may("errorCausedByState", NAME),
    may("mapIterationFailureCount", COUNT),
    may("mapItemReaderData", DATA),
]);

const ACTIVITY: &[Member] = &[must("activityArn", ARN)];
const EXECUTION: &[Member] = &[must("executionArn", ARN), may("includedData", INCLUDED)];
const ALIAS: &[Member] = &[must("stateMachineAliasArn", ARN)];
const ALL: &[Member] = &[may("maxResults", PAGE), may("nextToken", PAGE_TOKEN)];
const OF_MACHINE: &[Member] =
    &[must("stateMachineArn", ARN), may("maxResults", PAGE), may("nextToken", PAGE_TOKEN)];

const ACTIONS: &[(&str, &[Member])] = &[
    ("CreateActivity", &[must("name", NAME), may("tags", TAGS), may("encryptionConfiguration", ENCRYPTION)]),
    (
        "CreateStateMachine",
        &[
            must("name", NAME),
            must("definition", DEFINITION),
            must("roleArn", ARN),
            may("type", KIND),
            may("loggingConfiguration", LOGGING),
            may("tags", TAGS),
            may("tracingConfiguration", TRACING),
            may("publish", Shape::Flag),
            may("versionDescription", DESCRIPTION),
            may("encryptionConfiguration", ENCRYPTION),
        ],
    ),
    (
        "CreateStateMachineAlias",
        &[may("description", DESCRIPTION), must("name", ALIAS_NAME), must("routingConfiguration", ROUTING)],
    ),
    ("DeleteActivity", ACTIVITY),
    ("DeleteStateMachine", &[must("stateMachineArn", ARN)]),
    ("DeleteStateMachineAlias", ALIAS),
    ("DeleteStateMachineVersion", &[must("stateMachineVersionArn", LONG_ARN)]),
    ("DescribeActivity", ACTIVITY),
    ("DescribeExecution", EXECUTION),
    ("DescribeMapRun", &[must("mapRunArn", LONG_ARN)]),
    ("DescribeStateMachine", &[must("stateMachineArn", ARN), may("includedData", INCLUDED)]),
    ("DescribeStateMachineAlias", ALIAS),
    ("DescribeStateMachineForExecution", EXECUTION),
    ("GetActivityTask", &[must("activityArn", ARN), may("workerName", NAME)]),
    (
        "GetExecutionHistory",
        &[
            must("executionArn", ARN),
            may("maxResults", PAGE),
            may("reverseOrder", Shape::Flag),
            may("nextToken", PAGE_TOKEN),
            may("includeExecutionData", Shape::Flag),
        ],
    ),
    ("ListActivities", ALL),
    (
        "ListExecutions",
        &[
            may("stateMachineArn", ARN),
            may(
                "statusFilter",
                Shape::OneOf(&["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"]),
            ),
            may("maxResults", PAGE),
            may("nextToken", Shape::Text(1, 3_096)),
            may("mapRunArn", LONG_ARN),
            may("redriveFilter", Shape::OneOf(&["REDRIVEN", "NOT_REDRIVEN"])),
        ],
    ),
    ("ListMapRuns", &[must("executionArn", ARN), may("maxResults", PAGE), may("nextToken", PAGE_TOKEN)]),
    ("ListStateMachineAliases", OF_MACHINE),
    ("ListStateMachineVersions", OF_MACHINE),
    ("ListStateMachines", ALL),
    ("ListTagsForResource", &[must("resourceArn", ARN)]),
    (
        "PublishStateMachineVersion",
        &[must("stateMachineArn", ARN), may("revisionId", ANY), may("description", DESCRIPTION)],
    ),
    ("RedriveExecution", &[must("executionArn", ARN), may("clientToken", CLIENT_TOKEN)]),
    ("SendTaskFailure", &[must("taskToken", TASK_TOKEN), may("error", ERROR), may("cause", CAUSE)]),
    ("SendTaskHeartbeat", &[must("taskToken", TASK_TOKEN)]),
    ("SendTaskSuccess", &[must("taskToken", TASK_TOKEN), must("output", DATA)]),
    (
        "StartExecution",
        &[must("stateMachineArn", ARN), may("name", NAME), may("input", DATA), may("traceHeader", TRACE)],
    ),
    (
        "StartSyncExecution",
        &[
            must("stateMachineArn", ARN),
            may("name", NAME),
            may("input", DATA),
            may("traceHeader", TRACE),
            may("includedData", INCLUDED),
        ],
    ),
    ("StopExecution", &[must("executionArn", ARN), may("error", ERROR), may("cause", CAUSE)]),
    ("TagResource", &[must("resourceArn", ARN), must("tags", TAGS)]),
    (
        "TestState",
        &[
            must("definition", DEFINITION),
            may("roleArn", ARN),
            may("input", DATA),
            may("inspectionLevel", Shape::OneOf(&["INFO", "DEBUG", "TRACE"])),
            may("revealSecrets", Shape::Flag),
            may("variables", DATA),
            may("stateName", NAME),
            may("mock", MOCK),
            may("context", DATA),
            may("stateConfiguration", STATE_CONFIGURATION),
        ],
    ),
    ("UntagResource", &[must("resourceArn", ARN), must("tagKeys", Shape::List(0, NO_MAX, &TAG_KEY))]),
    (
        "UpdateMapRun",
        &[
            must("mapRunArn", LONG_ARN),
            may("maxConcurrency", COUNT),
            may("toleratedFailurePercentage", PERCENTAGE),
            may("toleratedFailureCount", COUNT),
        ],
    ),
    (
        "UpdateStateMachine",
        &[
            must("stateMachineArn", ARN),
            may("definition", DEFINITION),
            may("roleArn", ARN),
            may("loggingConfiguration", LOGGING),
            may("tracingConfiguration", TRACING),
            may("publish", Shape::Flag),
            may("versionDescription", DESCRIPTION),
            may("encryptionConfiguration", ENCRYPTION),
        ],
    ),
    (
        "UpdateStateMachineAlias",
        &[
            must("stateMachineAliasArn", ARN),
            may("description", DESCRIPTION),
            may("routingConfiguration", ROUTING),
        ],
    ),
    (
        "ValidateStateMachineDefinition",
        &[
            must("definition", DEFINITION),
            may("type", KIND),
            may("severity", Shape::OneOf(&["ERROR", "WARNING"])),
            may("maxResults", Shape::Number(0.0, 100.0)),
        ],
    ),
];
