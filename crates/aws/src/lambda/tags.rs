//! Tags of functions.

use super::Lambda;
use super::failure::{Answer, Failure};
use super::fields::Fields;
use super::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
use super::record::Function;
use super::reference::Reference;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Reads and checks the field `Tags`.
pub fn read(fields: &mut Fields) -> Answer<BTreeMap<String, String>> {
    let tags = fields.take::<BTreeMap<String, String>>("Tags")?.unwrap_or_default();
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX || key.starts_with("aws:") {
            return Err(Failure::invalid(format!("`{key}` cannot be the key of a tag")));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            let message = format!("the value of tag `{key}` is longer than {TAG_VALUE_CHARS_MAX} characters");
            return Err(Failure::invalid(message));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &BTreeMap<String, String>) -> Answer<()> {
    match tags.len() {
        0..=TAGS_MAX => Ok(()),
        _ => Err(Failure::invalid(format!("a function has at most {TAGS_MAX} tags"))),
    }
}

impl Lambda {
    /// `TagResource`
    pub(super) async fn tag(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let tags = read(&mut fields)?;
        fields.finish()?;
        self.change(reference, |function: &mut Function| {
            function.tags.extend(tags);
            check_count(&function.tags)?;
            Ok(Value::Null)
        })
        .await
    }

    /// `UntagResource`
    pub(super) async fn untag(&self, reference: &Reference, keys: &[String]) -> Answer<Value> {
        self.change(reference, |function| {
            function.tags.retain(|key, _| !keys.contains(key));
            Ok(Value::Null)
        })
        .await
    }

    /// `ListTags`
    pub(super) async fn list_tags(&self, reference: &Reference) -> Answer<Value> {
        Ok(json!({ "Tags": self.find(reference).await?.tags }))
    }
}
