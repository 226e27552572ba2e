//! The JSON object of a request, read field by field: each once, each of its type, none left over.

use super::failure::{Answer, Failure, Kind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The fields that nobody has read yet.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Those of a body; an empty body has none.
    pub fn parse(body: &[u8]) -> Answer<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(body).map(Self).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            Failure::new(Kind::InvalidRequestContent, message)
        })
    }

    /// Those of an object within another.
    pub fn of(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// A field, if it is there and not null.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Answer<Option<T>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| {
                let message = format!("Could not parse request body into json: `{name}`: {error}");
                Failure::new(Kind::InvalidRequestContent, message)
            }),
        }
    }

    /// A field that must be there.
    pub fn need<T: DeserializeOwned>(&mut self, name: &str) -> Answer<T> {
        self.take(name)?.ok_or_else(|| {
            let mut member = name.to_owned();
            member[..1].make_ascii_lowercase();
            Failure::constraint(&member, "null", "Member must not be null")
        })
    }

    /// Refuses what was not read and says something: this API does not know it.
    pub fn finish(self) -> Answer<()> {
        let says_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        match self.0.iter().find(|(_, value)| !says_nothing(value)) {
            None => Ok(()),
            Some((name, _)) => Err(Failure::invalid(format!("`{name}` is not supported by this endpoint"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_of_their_type_and_all_known() {
        let mut fields = Fields::parse(br#"{"A": "x", "B": null, "C": 7, "Layers": []}"#).unwrap();
        assert_eq!(fields.need::<String>("A").unwrap(), "x");
        assert_eq!(fields.take::<String>("B").unwrap(), None);
        assert_eq!(fields.take::<u64>("C").unwrap(), Some(7));
        assert!(fields.need::<String>("FunctionName").unwrap_err().message.contains("'functionName'"));
        fields.finish().unwrap();
        assert!(Fields::parse(br#"{"C": "x"}"#).unwrap().take::<u64>("C").is_err());
        assert!(Fields::parse(br#"{"Layers": ["l"]}"#).unwrap().finish().is_err());
        assert!(Fields::parse(b"[]").is_err() && Fields::parse(b"{").is_err());
        Fields::parse(b" ").unwrap().finish().unwrap();
    }
}
