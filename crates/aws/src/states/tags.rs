//! Tags of state machines. Activities take none here.

use super::arn::machine_named;
use super::fault::Fault;
use super::{Call, record};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most tags of one resource.
pub const TAGS_MAX: usize = 50;

/// A tag as requests and answers hold it.
#[derive(Clone, Debug, Deserialize)]
pub struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    resource_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// Tags by key, checked.
pub fn tag_map(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Fault> {
    let mut map = BTreeMap::new();
    for Tag { key, value } in tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(Fault::validation("a tag has a key of 1 to 128 and a value of 0 to 256 characters"));
        }
        map.insert(key, value);
    }
    match map.len() > TAGS_MAX {
        true => Err(too_many()),
        false => Ok(map),
    }
}

fn too_many() -> Fault {
    Fault::new("TooManyTags", format!("a resource has at most {TAGS_MAX} tags"))
}

/// `TagResource`, `UntagResource` and `ListTagsForResource`.
pub async fn change(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let arn = request.resource_arn.ok_or_else(|| Fault::missing("resourceArn"))?;
    let not_there = || Fault::new("ResourceNotFound", format!("Resource not found: '{arn}'"));
    let (name, _) = machine_named(&arn)?;
    let found = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted);
    let mut kept = found.ok_or_else(not_there)?;
    match call.action {
        "ListTagsForResource" => {
            let line = |(key, value): (&String, &String)| json!({"key": key, "value": value});
            return Ok(json!({"tags": kept.record.tags.iter().map(line).collect::<Vec<_>>()}));
        }
        "TagResource" => {
            kept.record.tags.extend(tag_map(request.tags)?);
            if kept.record.tags.len() > TAGS_MAX {
                return Err(too_many());
            }
        }
        _ => kept.record.tags.retain(|key, _| !request.tag_keys.contains(key)),
    }
    record::write(call.node, &kept).await?;
    Ok(json!({}))
}
