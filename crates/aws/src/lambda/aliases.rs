//! Aliases: names for versions, perhaps with a share of the invocations for another.

use super::failure::{Answer, Failure, Kind};
use super::fields::Fields;
use super::limits::{ALIASES_MAX, DESCRIPTION_CHARS_MAX};
use super::record::{Alias, Function, Qualified};
use super::reference::{Qualifier, Reference, arn};
use super::store::check_revision;
use super::{Lambda, views};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a request says about an alias.
struct Change {
    version: Option<Qualified>,
    /// `Some(None)` takes the share away.
    shifted: Option<Option<(u64, f64)>>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Routing {
    #[serde(default)]
    additional_version_weights: BTreeMap<String, f64>,
}

impl Lambda {
    /// `CreateAlias`
    pub(super) async fn create_alias(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let name = fields.need::<String>("Name")?;
        let version = fields.need::<String>("FunctionVersion")?;
        let change = Change::read(&mut fields, Some(version))?;
        fields.finish()?;
        if !matches!(Qualifier::parse(&name), Ok(Qualifier::Alias(_))) {
            let pattern = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)";
            return Err(Failure::constraint("name", &name, pattern));
        }
        self.change(reference, |function| {
            if function.aliases.contains_key(&name) {
                let arn = format!("{}:{name}", arn(&self.account, &function.name));
                return Err(Failure::new(Kind::ResourceConflict, format!("Alias already exists: {arn}")));
            }
            if function.aliases.len() >= ALIASES_MAX {
                let message = format!("a function has at most {ALIASES_MAX} aliases");
                return Err(Failure::new(Kind::AliasLimitExceeded, message));
            }
            let mut alias = Alias {
                version: Qualified::Latest,
                shifted: None,
                description: String::new(),
                revision: String::new(),
            };
            change.apply(self, function, &mut alias)?;
            let view = views::alias(&self.account, &function.name, &name, &alias);
            function.aliases.insert(name, alias);
            Ok(view)
        })
        .await
    }

    /// `UpdateAlias`
    pub(super) async fn update_alias(&self, reference: &Reference, name: &str, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let version = fields.take("FunctionVersion")?;
        let change = Change::read(&mut fields, version)?;
        let revision = fields.take::<String>("RevisionId")?;
        fields.finish()?;
        self.change(reference, |function| {
            let mut alias = self.alias(function, name)?.clone();
            check_revision(revision.as_deref(), &alias.revision)?;
            change.apply(self, function, &mut alias)?;
            let view = views::alias(&self.account, &function.name, name, &alias);
            function.aliases.insert(name.to_owned(), alias);
            Ok(view)
        })
        .await
    }

    /// `GetAlias`
    pub(super) async fn get_alias(&self, reference: &Reference, name: &str) -> Answer<Value> {
        let function = self.find(reference).await?;
        let alias = self.alias(&function, name)?;
        Ok(views::alias(&self.account, &function.name, name, alias))
    }

    /// `ListAliases`, perhaps only those of a version.
    pub(super) async fn list_aliases(&self, reference: &Reference, of: Option<&str>) -> Answer<Vec<Value>> {
        let function = self.find(reference).await?;
        let aliases =
            function.aliases.iter().filter(|(_, alias)| of.is_none_or(|of| of == alias.version.text()));
        Ok(aliases.map(|(name, alias)| views::alias(&self.account, &function.name, name, alias)).collect())
    }

    /// `DeleteAlias`; one that is not there is deleted, too.
    pub(super) async fn delete_alias(&self, reference: &Reference, name: &str) -> Answer<Value> {
        self.change(reference, |function| {
            function.aliases.remove(name);
            Ok(Value::Null)
        })
        .await
    }

    fn alias<'a>(&self, function: &'a Function, name: &str) -> Answer<&'a Alias> {
        function.aliases.get(name).ok_or_else(|| {
            let arn = format!("{}:{name}", arn(&self.account, &function.name));
            Failure::new(Kind::ResourceNotFound, format!("Cannot find alias arn: {arn}"))
        })
    }
}

impl Change {
    fn read(fields: &mut Fields, version: Option<String>) -> Answer<Self> {
        let version = match version.map(|version| Qualifier::parse(&version)).transpose()? {
            None => None,
            Some(Qualifier::Latest) => Some(Qualified::Latest),
            Some(Qualifier::Version(version)) => Some(Qualified::Version(version)),
            Some(Qualifier::Alias(name)) => {
                let pattern = "Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)";
                return Err(Failure::constraint("functionVersion", &name, pattern));
            }
        };
        let shifted = fields.take::<Routing>("RoutingConfig")?.map(Routing::shifted).transpose()?;
        let description = fields.take::<String>("Description")?;
        if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
            let constraint = format!("Member must have length less than or equal to {DESCRIPTION_CHARS_MAX}");
            return Err(Failure::constraint("description", "…", &constraint));
        }
        Ok(Self { version, shifted, description })
    }

    fn apply(self, lambda: &Lambda, function: &Function, alias: &mut Alias) -> Answer<()> {
        alias.version = self.version.unwrap_or(alias.version);
        alias.shifted = self.shifted.unwrap_or(alias.shifted);
        if let Some(description) = self.description {
            alias.description = description;
        }
        let shifted = alias.shifted.map(|(version, _)| Qualified::Version(version));
        for version in [Some(alias.version), shifted].into_iter().flatten() {
            if function.configuration(version).is_none() {
                let arn = format!("{}:{}", arn(&lambda.account, &function.name), version.text());
                return Err(Failure::new(Kind::ResourceNotFound, format!("Function not found: {arn}")));
            }
        }
        if shifted.is_some_and(|shifted| alias.version == Qualified::Latest || shifted == alias.version) {
            let message =
                "An alias that shares its invocations points to two published versions that differ.";
            return Err(Failure::invalid(message));
        }
        alias.revision = uuid::Uuid::new_v4().to_string();
        Ok(())
    }
}

impl Routing {
    fn shifted(self) -> Answer<Option<(u64, f64)>> {
        let mut weights = self.additional_version_weights.into_iter();
        let Some((version, share)) = weights.next() else { return Ok(None) };
        if weights.next().is_some() {
            return Err(Failure::invalid(
                "Number of items in AdditionalVersionWeights cannot be greater than 1",
            ));
        }
        let version = version.parse().map_err(|_| {
            let pattern =
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]+]";
            Failure::constraint("routingConfig.additionalVersionWeights", &version, pattern)
        })?;
        match (0.0..=1.0).contains(&share) {
            true => Ok(Some((version, share))),
            false => {
                let constraint = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0]";
                Err(Failure::constraint(
                    "routingConfig.additionalVersionWeights",
                    &share.to_string(),
                    constraint,
                ))
            }
        }
    }
}
