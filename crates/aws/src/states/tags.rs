//! Tags of state machines and activities.

use super::arn::Resource;
use super::fault::Fault;
use super::record::Kept;
use super::{Call, activities, record};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most tags of one resource.
pub const TAGS_MAX: usize = 50;

/// A tag as requests and answers hold it.
#[derive(Clone, Debug, Deserialize)]
pub struct Tag {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

type Tags = BTreeMap<String, String>;

/// Tags by key, checked. Those without a key say nothing.
pub fn tag_map(tags: Vec<Tag>) -> Result<Tags, Fault> {
    let named = tags.into_iter().filter(|tag| !tag.key.is_empty());
    checked(named.map(|Tag { key, value }| (key, value)).collect())
}

fn checked(tags: Tags) -> Result<Tags, Fault> {
    match tags.len() > TAGS_MAX {
        true => Err(Fault::new("TooManyTags", format!("A resource has at most {TAGS_MAX} tags"))),
        false => Ok(tags),
    }
}

/// What tags can be given to.
enum Tagged {
    Machine(Box<Kept>),
    Activity(String, Tags),
}

impl Tagged {
    async fn find(call: &Call<'_>, arn: &str) -> Result<Self, Fault> {
        let found = match Resource::parse(arn) {
            Some(Resource::StateMachine { name, qualifier: None, label: None }) => {
                let kept = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted);
                kept.map(|kept| Self::Machine(Box::new(kept)))
            }
            // Versions, aliases and map states take none.
            Some(Resource::StateMachine { .. }) => None,
            Some(Resource::Activity(name)) => {
                activities::tags(call, &name).await?.map(|tags| Self::Activity(name, tags))
            }
            _ => return Err(Fault::invalid_arn(arn)),
        };
        found.ok_or_else(|| Fault::not_found(arn, format!("Resource not found: '{arn}'")))
    }

    fn tags(&self) -> &Tags {
        match self {
            Self::Machine(kept) => &kept.record.tags,
            Self::Activity(_, tags) => tags,
        }
    }

    async fn write(self, call: &Call<'_>, tags: Tags) -> Result<(), Fault> {
        match self {
            Self::Machine(mut kept) => {
                kept.record.tags = tags;
                record::write(call.node, &kept).await
            }
            Self::Activity(name, _) => activities::set_tags(call, &name, tags).await,
        }
    }
}

/// `TagResource`, `UntagResource` and `ListTagsForResource`.
pub async fn change(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let tagged = Tagged::find(call, &request.resource_arn).await?;
    let mut tags = tagged.tags().clone();
    match call.action {
        "ListTagsForResource" => {
            let line = |(key, value): (&String, &String)| json!({"key": key, "value": value});
            return Ok(json!({"tags": tags.iter().map(line).collect::<Vec<_>>()}));
        }
        "TagResource" => tags.extend(tag_map(request.tags)?),
        _ => tags.retain(|key, _| !request.tag_keys.contains(key)),
    }
    tagged.write(call, checked(tags)?).await?;
    Ok(json!({}))
}
