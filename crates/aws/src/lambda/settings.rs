//! What a request says about a function's configuration, checked, and applied to it.

use super::app::{RESERVED_VARIABLES, is_provided};
use super::failure::{Answer, Failure};
use super::fields::Fields;
use super::limits::{
    DESCRIPTION_CHARS_MAX, ENVIRONMENT_BYTES_MAX, HANDLER_BYTES_MAX, MEMORY_MIB, STORAGE_MIB,
    TIMEOUT_S_DEFAULT, TIMEOUT_S_MAX,
};
use super::record::Configuration;
use super::reference::LATEST;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Parts that are kept and shown, and have no effect.
const SHOWN: &[&str] = &[
    "Architectures",
    "DeadLetterConfig",
    "EphemeralStorage",
    "KMSKeyArn",
    "LoggingConfig",
    "SnapStart",
    "TracingConfig",
    "VpcConfig",
];

/// What a request sets; what it does not name stays as it is.
#[derive(Debug, Default)]
pub struct Settings {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout_s: Option<u64>,
    memory_mib: Option<u64>,
    environment: Option<BTreeMap<String, String>>,
    shown: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Settings {
    /// Reads and checks the fields that say something about the configuration.
    pub fn read(fields: &mut Fields) -> Answer<Self> {
        let mut shown = Map::new();
        for name in SHOWN {
            shown.extend(fields.take::<Value>(name)?.map(|value| ((*name).to_owned(), value)));
        }
        let settings = Self {
            runtime: fields.take("Runtime")?,
            handler: fields.take("Handler")?,
            role: fields.take("Role")?,
            description: fields.take("Description")?,
            timeout_s: fields.take("Timeout")?,
            memory_mib: fields.take("MemorySize")?,
            environment: fields.take::<Environment>("Environment")?.map(|given| given.variables),
            shown,
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Answer<()> {
        if let Some(runtime) = self.runtime.as_deref().filter(|runtime| is_provided(runtime).is_none()) {
            let message = format!(
                "The runtime parameter of {runtime} is not supported by this endpoint; use python3.* or provided.*"
            );
            return Err(Failure::invalid(message));
        }
        if let Some(handler) = &self.handler {
            check_handler(handler)?;
        }
        if let Some(role) = self.role.as_deref().filter(|role| !is_role(role)) {
            let pattern = "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
            return Err(Failure::constraint("role", role, pattern));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
            let constraint = format!("Member must have length less than or equal to {DESCRIPTION_CHARS_MAX}");
            return Err(Failure::constraint("description", "…", &constraint));
        }
        check_range("timeout", self.timeout_s, (1, TIMEOUT_S_MAX))?;
        check_range("memorySize", self.memory_mib, MEMORY_MIB)?;
        let storage = self.shown.get("EphemeralStorage").map(|storage| storage["Size"].as_u64().unwrap_or(0));
        check_range("ephemeralStorage.size", storage, STORAGE_MIB)?;
        self.environment.as_ref().map_or(Ok(()), check_environment)
    }

    /// The configuration of a new function.
    pub fn create(mut self) -> Answer<Configuration> {
        let needed = |name: &str| Failure::constraint(name, "null", "Member must not be null");
        let role = self.role.take().ok_or_else(|| needed("role"))?;
        let message =
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
        let (Some(runtime), Some(handler)) = (self.runtime.take(), self.handler.take()) else {
            return Err(Failure::invalid(message));
        };
        let mut configuration = Configuration {
            version: LATEST.to_owned(),
            runtime,
            handler,
            role,
            description: String::new(),
            timeout_s: TIMEOUT_S_DEFAULT,
            memory_mib: MEMORY_MIB.0,
            environment: BTreeMap::new(),
            shown: defaults(),
            code_sha256: String::new(),
            code_bytes: 0,
            modified_ms: 0,
            revision: String::new(),
        };
        self.apply(&mut configuration);
        Ok(configuration)
    }

    /// Sets what is named.
    pub fn apply(self, configuration: &mut Configuration) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.role, self.role);
        set(&mut configuration.description, self.description);
        set(&mut configuration.timeout_s, self.timeout_s);
        set(&mut configuration.memory_mib, self.memory_mib);
        set(&mut configuration.environment, self.environment);
        configuration.shown.extend(self.shown);
    }
}

/// What AWS shows of a function that says nothing about it.
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": STORAGE_MIB.0},
        "TracingConfig": {"Mode": "PassThrough"},
    });
    match defaults {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn check_range(name: &str, value: Option<u64>, (least, most): (u64, u64)) -> Answer<()> {
    let Some(value) = value else { return Ok(()) };
    let bound = match value {
        _ if value < least => format!("greater than or equal to {least}"),
        _ if value > most => format!("less than or equal to {most}"),
        _ => return Ok(()),
    };
    Err(Failure::constraint(name, &value.to_string(), &format!("Member must have value {bound}")))
}

fn check_handler(handler: &str) -> Answer<()> {
    let is_sound = !handler.is_empty()
        && handler.len() <= HANDLER_BYTES_MAX
        && !handler.contains(|c: char| c.is_whitespace() || c == '\0');
    match is_sound {
        true => Ok(()),
        false => {
            let pattern = "Member must satisfy regular expression pattern: [^\\s]+";
            Err(Failure::constraint("handler", handler, pattern))
        }
    }
}

fn is_role(role: &str) -> bool {
    let mut parts = role.splitn(6, ':');
    let head = [parts.next(), parts.next(), parts.next(), parts.next()];
    let (account, resource) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let [Some("arn"), Some(partition), Some("iam"), Some("")] = head else { return false };
    let path = resource.strip_prefix("role").unwrap_or("");
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && path.len() > 1
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte))
}

fn check_environment(variables: &BTreeMap<String, String>) -> Answer<()> {
    const UNABLE: &str = "Lambda was unable to configure your environment variables because the environment variables you have provided";
    for (name, value) in variables {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let goes_on = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if RESERVED_VARIABLES.contains(&name.as_str()) {
            return Err(Failure::invalid(format!(
                "{UNABLE} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {name}"
            )));
        }
        if !starts || !goes_on || name.len() < 2 || value.contains('\0') {
            let pattern = "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]";
            return Err(Failure::constraint("environment.variables", name, pattern));
        }
    }
    let bytes = json!(variables).to_string().len();
    if bytes > ENVIRONMENT_BYTES_MAX {
        return Err(Failure::invalid(format!("{UNABLE} exceeded the 4KB limit. {bytes} bytes were given")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(more: &str) -> Answer<Configuration> {
        let role = r#""Role": "arn:aws:iam::123456789012:role/service-role/r", "Runtime": "python3.13""#;
        let mut fields = Fields::parse(format!("{{{role}, \"Handler\": \"app.f\"{more}}}").as_bytes())?;
        Settings::read(&mut fields)?.create()
    }

    #[test]
    fn what_is_not_named_has_its_default() {
        let configuration = created("").unwrap();
        assert_eq!((configuration.timeout_s, configuration.memory_mib), (3, 128));
        assert_eq!(configuration.shown["EphemeralStorage"]["Size"], 512);
        let configuration =
            created(r#", "Timeout": 900, "MemorySize": 10240, "Environment": {"Variables": {"AB": "c"}}"#)
                .unwrap();
        assert_eq!((configuration.timeout_s, configuration.memory_mib), (900, 10_240));
        assert_eq!(configuration.environment["AB"], "c");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for more in [
            r#", "Timeout": 0"#,
            r#", "Timeout": 901"#,
            r#", "Timeout": "3""#,
            r#", "MemorySize": 127"#,
            r#", "Environment": {"Variables": {"AWS_REGION": "x"}}"#,
            r#", "Environment": {"Variables": {"1A": "x"}}"#,
            r#", "Environment": {"Variables": {"A-B": "x"}}"#,
            r#", "Environment": {"More": {}}"#,
            r#", "Handler": "a b""#,
            r#", "Handler": """#,
            r#", "Role": "r""#,
            r#", "Runtime": "nodejs22.x""#,
            r#", "EphemeralStorage": {"Size": 1}"#,
        ] {
            assert!(created(more).is_err(), "{more}");
        }
        let long = format!(r#", "Environment": {{"Variables": {{"AB": "{}"}}}}"#, "x".repeat(4096));
        assert!(created(&long).is_err());
        assert!(created(&format!(r#", "Description": "{}""#, "x".repeat(257))).is_err());
    }
}
