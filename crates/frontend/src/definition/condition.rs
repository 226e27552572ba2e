//! Conditions as users write them: one mapping per condition, whose kind is the key that names it.

use super::quantity::Millis;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// When a trigger fires; the meaning of each is that of [`sluice_types::Condition`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `{each: B}`
    Each(From),
    /// `{name: B, glob: G}`
    Name(From, String),
    /// `{set: B, keys: […]}`
    Set(From, Vec<String>),
    /// `{batch: B, n: 10, within: 5s}`, `{batch: {event: …}, n: 10}`
    Batch(Watched, i64, Option<Millis>),
    /// `{window: B, seconds: 10, slide: 5, by: CEL}`: length, distance, grouping.
    Window(Watched, Millis, Option<Millis>, Option<String>),
    /// `{first: B, k: 2, of: 3}`
    First(Watched, i64, i64),
    /// `{join: B, of: FUNCTION}`
    Join(From, String),
    /// `{group: B, of: FUNCTION, by: CEL}`
    Group(From, String, Option<String>),
    /// `{event: {type, source, subject, when}}`
    Event(EventPattern),
    /// `{cron: "*/5 * * * *", tz: Europe/Berlin}`
    Cron(String, Option<String>),
    /// `{all: […]}`
    All(Vec<Condition>),
    /// `{any: […]}`, or a list where a condition belongs.
    Any(Vec<Condition>),
}

/// A bucket, and the filter on its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// Name of the bucket.
    pub bucket: String,
    /// A CEL expression over `object`.
    pub when: Option<String>,
}

/// What `batch`, `window` and `first` watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The objects of a bucket.
    Bucket(From),
    /// Events.
    Events(EventPattern),
}

/// Which events are meant; what is absent matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "{type, source, subject, when}")]
pub struct EventPattern {
    /// Pattern for the type.
    pub r#type: Option<String>,
    /// Pattern for the source.
    pub source: Option<String>,
    /// Pattern for the subject.
    pub subject: Option<String>,
    /// A CEL expression over `event`.
    pub when: Option<String>,
}

/// Every key that some condition has.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    each: Option<String>,
    name: Option<String>,
    set: Option<String>,
    batch: Option<Watch>,
    window: Option<Watch>,
    first: Option<Watch>,
    join: Option<String>,
    group: Option<String>,
    event: Option<EventPattern>,
    cron: Option<String>,
    all: Option<Vec<Condition>>,
    any: Option<Vec<Condition>>,
    when: Option<String>,
    glob: Option<String>,
    keys: Option<Vec<String>>,
    n: Option<i64>,
    within: Option<Millis>,
    seconds: Option<Millis>,
    slide: Option<Millis>,
    by: Option<String>,
    k: Option<i64>,
    of: Option<Of>,
    tz: Option<String>,
}

/// `BUCKET` or `{event: {…}}`.
enum Watch {
    Bucket(String),
    Events(EventPattern),
}

/// `of` is a number in `first` and a function in `join` and `group`.
enum Of {
    Number(i64),
    Function(String),
}

/// Each kind with the keys it needs and those it may have besides.
const KINDS: &[(&str, &[&str], &[&str])] = &[
    ("each", &[], &["when"]),
    ("name", &["glob"], &["when"]),
    ("set", &["keys"], &["when"]),
    ("batch", &["n"], &["within", "when"]),
    ("window", &["seconds"], &["slide", "by", "when"]),
    ("first", &["k", "of"], &["when"]),
    ("join", &["of"], &["when"]),
    ("group", &["of"], &["by", "when"]),
    ("event", &[], &[]),
    ("cron", &[], &["tz"]),
    ("all", &[], &[]),
    ("any", &[], &[]),
];

const EXAMPLE: &str =
    "a condition such as {each: BUCKET}, {join: BUCKET, of: FUNCTION} or {event: {type: T}}";

impl Keys {
    fn present(&self, key: &str) -> bool {
        match key {
            "each" => self.each.is_some(),
            "name" => self.name.is_some(),
            "set" => self.set.is_some(),
            "batch" => self.batch.is_some(),
            "window" => self.window.is_some(),
            "first" => self.first.is_some(),
            "join" => self.join.is_some(),
            "group" => self.group.is_some(),
            "event" => self.event.is_some(),
            "cron" => self.cron.is_some(),
            "all" => self.all.is_some(),
            "any" => self.any.is_some(),
            "when" => self.when.is_some(),
            "glob" => self.glob.is_some(),
            "keys" => self.keys.is_some(),
            "n" => self.n.is_some(),
            "within" => self.within.is_some(),
            "seconds" => self.seconds.is_some(),
            "slide" => self.slide.is_some(),
            "by" => self.by.is_some(),
            "k" => self.k.is_some(),
            "of" => self.of.is_some(),
            "tz" => self.tz.is_some(),
            other => unreachable!("{other} is a key of no condition"),
        }
    }

    /// The one kind, once it is certain that it has the keys it needs and no other.
    fn kind(&self) -> Result<&'static str, String> {
        let mut kinds = KINDS.iter().filter(|(kind, ..)| self.present(kind));
        let Some((kind, required, optional)) = kinds.next() else {
            return Err(format!("this condition names no kind; write {EXAMPLE}"));
        };
        if let Some((other, ..)) = kinds.next() {
            return Err(format!(
                "`{kind}` and `{other}` are two conditions; combine them with `all: […]` or `any: […]`"
            ));
        }
        if let Some(missing) = required.iter().find(|key| !self.present(key)) {
            return Err(format!("`{kind}` needs `{missing}`; add `{missing}`"));
        }
        let all_keys = KINDS.iter().flat_map(|(_, required, optional)| required.iter().chain(*optional));
        let stray = all_keys
            .copied()
            .find(|key| self.present(key) && !required.contains(key) && !optional.contains(key));
        match stray {
            Some(key) => Err(format!("`{key}` does not belong to `{kind}`; remove it")),
            None => Ok(kind),
        }
    }

    fn condition(self) -> Result<Condition, String> {
        let kind = self.kind()?;
        const PRESENT: &str = "kind() checked which keys are present";
        let watches = [&self.batch, &self.window, &self.first];
        if self.when.is_some() && watches.into_iter().any(|watch| matches!(watch, Some(Watch::Events(_)))) {
            return Err(format!("`when` of a `{kind}` of events belongs to the `event`; move it there"));
        }
        let when = self.when;
        let from = |bucket: Option<String>| From { bucket: bucket.expect(PRESENT), when: when.clone() };
        let watched = |watch: Option<Watch>| match watch.expect(PRESENT) {
            Watch::Bucket(bucket) => Watched::Bucket(from(Some(bucket))),
            Watch::Events(pattern) => Watched::Events(pattern),
        };
        Ok(match kind {
            "each" => Condition::Each(from(self.each)),
            "name" => Condition::Name(from(self.name), self.glob.expect(PRESENT)),
            "set" => Condition::Set(from(self.set), self.keys.expect(PRESENT)),
            "batch" => Condition::Batch(watched(self.batch), self.n.expect(PRESENT), self.within),
            "window" => {
                Condition::Window(watched(self.window), self.seconds.expect(PRESENT), self.slide, self.by)
            }
            "first" => Condition::First(watched(self.first), self.k.expect(PRESENT), Of::number(self.of)?),
            "join" => Condition::Join(from(self.join), Of::function(self.of)?),
            "group" => Condition::Group(from(self.group), Of::function(self.of)?, self.by),
            "event" => Condition::Event(self.event.expect(PRESENT)),
            "cron" => Condition::Cron(self.cron.expect(PRESENT), self.tz),
            "all" => Condition::All(self.all.expect(PRESENT)),
            _ => Condition::Any(self.any.expect(PRESENT)),
        })
    }
}

impl Of {
    fn number(of: Option<Self>) -> Result<i64, String> {
        match of {
            Some(Self::Number(n)) => Ok(n),
            _ => Err("`of` of `first` is the number of objects expected; give a number".to_owned()),
        }
    }

    fn function(of: Option<Self>) -> Result<String, String> {
        match of {
            Some(Self::Function(name)) => Ok(name),
            _ => Err("`of` is the function to wait for; give its name".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Of {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfVisitor;
        impl Visitor<'_> for OfVisitor {
            type Value = Of;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of objects or the name of a function")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Of, E> {
                Ok(Of::Number(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Of, E> {
                Ok(Of::Function(value.to_owned()))
            }
        }
        deserializer.deserialize_any(OfVisitor)
    }
}

impl<'de> Deserialize<'de> for Watch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Events {
            event: EventPattern,
        }

        struct WatchVisitor;
        impl<'de> Visitor<'de> for WatchVisitor {
            type Value = Watch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a bucket or {event: {type, source, subject, when}}")
            }

            fn visit_str<E>(self, value: &str) -> Result<Watch, E> {
                Ok(Watch::Bucket(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Watch, A::Error> {
                let Events { event } = Events::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Watch::Events(event))
            }
        }
        deserializer.deserialize_any(WatchVisitor)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXAMPLE)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
        let keys = Keys::deserialize(MapAccessDeserializer::new(map))?;
        keys.condition().map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Condition, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Condition::Any)
    }
}
