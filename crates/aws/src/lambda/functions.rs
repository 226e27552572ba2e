//! Functions: create, show, list, change, delete.

use super::app::{self, CODE, app_name};
use super::code::Code;
use super::failure::{Answer, Failure, Kind};
use super::fields::Fields;
use super::record::{Configuration, Function, Qualified};
use super::reference::{Qualifier, Reference};
use super::settings::Settings;
use super::store::check_revision;
use super::{Lambda, tags, views};
use bytes::Bytes;
use serde_json::{Value, json};
use sluice_runtime::api::{DeployRequest, NewObject};
use sluice_types::ContentType;
use std::collections::BTreeMap;

impl Lambda {
    /// `CreateFunction`
    pub(super) async fn create_function(&self, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let reference = Reference::parse(&fields.need::<String>("FunctionName")?)?.unqualified()?;
        let publish = fields.take::<bool>("Publish")?.unwrap_or(false);
        let tags = tags::read(&mut fields)?;
        let mut configuration = Settings::read(&mut fields)?.create()?;
        if let Some(kind) = fields.take::<String>("PackageType")?.filter(|kind| kind != "Zip") {
            return Err(Failure::invalid(format!(
                "The package type {kind} is not supported by this endpoint"
            )));
        }
        let mut location: Fields = Fields::of(fields.need("Code")?);
        let code = Code::read(&mut location)?;
        location.finish()?;
        fields.finish()?;
        let code = code.ok_or_else(|| Failure::invalid("Please provide a source for function code."))?;
        let code = code.unpack().await?;
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        if stored.record.function.is_some() {
            let message = format!("Function already exist: {}", reference.name);
            return Err(Failure::new(Kind::ResourceConflict, message));
        }
        code.describe(&mut configuration);
        self.touch(&mut configuration);
        self.deploy(&reference.name, Qualified::Latest, &configuration, code.files.clone()).await?;
        self.keep_code(&reference.name, &configuration, code.zip).await?;
        let mut function = Function::new(&reference.name, configuration, tags);
        let published = match publish {
            true => Some(self.publish(&mut stored.record.last_version, &mut function, code.files).await?),
            false => None,
        };
        let shown = published.as_ref().unwrap_or(&function.latest);
        let view = views::configuration(&self.account, &reference.name, shown, false);
        stored.record.function = Some(function);
        self.write(&reference.name, &stored).await?;
        Ok(view)
    }

    /// `GetFunction`; `host` is where the caller found this server.
    pub(super) async fn get_function(&self, reference: &Reference, host: &str) -> Answer<Value> {
        let (function, configuration) = self.version(reference).await?;
        let app = app_name(&function.name, Qualified::Latest);
        let location = format!("http://{host}/v1/apps/{app}/buckets/{CODE}/{}", configuration.code_sha256);
        let qualified = reference.qualifier.is_some();
        Ok(views::function(&self.account, &function, &configuration, qualified, &location))
    }

    /// `GetFunctionConfiguration`
    pub(super) async fn get_configuration(&self, reference: &Reference) -> Answer<Value> {
        let (function, configuration) = self.version(reference).await?;
        let qualified = reference.qualifier.is_some();
        Ok(views::configuration(&self.account, &function.name, &configuration, qualified))
    }

    /// `ListFunctions`
    pub(super) async fn list_functions(&self, every_version: bool) -> Answer<Vec<Value>> {
        let mut list = Vec::new();
        for function in self.all().await? {
            let versions = function.versions.values().filter(|_| every_version);
            for of in [&function.latest].into_iter().chain(versions) {
                list.push(views::configuration(&self.account, &function.name, of, every_version));
            }
        }
        Ok(list)
    }

    /// `UpdateFunctionCode`
    pub(super) async fn update_code(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let code = Code::read(&mut fields)?;
        let architectures = fields.take::<Value>("Architectures")?;
        let publish = fields.take::<bool>("Publish")?.unwrap_or(false);
        let dry_run = fields.take::<bool>("DryRun")?.unwrap_or(false);
        let revision = fields.take::<String>("RevisionId")?;
        fields.finish()?;
        let code = code.ok_or_else(|| Failure::invalid("Please provide a source for function code."))?;
        let code = code.unpack().await?;
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        let function = stored.record.function.as_mut().ok_or_else(|| reference.not_found(&self.account))?;
        check_revision(revision.as_deref(), &function.latest.revision)?;
        let mut changed = function.latest.clone();
        code.describe(&mut changed);
        changed.shown.extend(architectures.map(|value| ("Architectures".to_owned(), value)));
        self.touch(&mut changed);
        if dry_run {
            return Ok(views::configuration(&self.account, &reference.name, &changed, false));
        }
        self.deploy(&reference.name, Qualified::Latest, &changed, code.files.clone()).await?;
        self.keep_code(&reference.name, &changed, code.zip).await?;
        function.latest = changed;
        let published = match publish {
            true => Some(self.publish(&mut stored.record.last_version, function, code.files).await?),
            false => None,
        };
        let shown = published.as_ref().unwrap_or(&function.latest);
        let view = views::configuration(&self.account, &reference.name, shown, false);
        self.write(&reference.name, &stored).await?;
        Ok(view)
    }

    /// `UpdateFunctionConfiguration`
    pub(super) async fn update_configuration(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let settings = Settings::read(&mut fields)?;
        let revision = fields.take::<String>("RevisionId")?;
        fields.finish()?;
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        let function = stored.record.function.as_mut().ok_or_else(|| reference.not_found(&self.account))?;
        check_revision(revision.as_deref(), &function.latest.revision)?;
        let mut changed = function.latest.clone();
        settings.apply(&mut changed);
        self.touch(&mut changed);
        let files = self.files(&reference.name, &changed).await?;
        self.deploy(&reference.name, Qualified::Latest, &changed, files).await?;
        let view = views::configuration(&self.account, &reference.name, &changed, false);
        function.latest = changed;
        self.write(&reference.name, &stored).await?;
        Ok(view)
    }

    /// `DeleteFunction`: one version, or the whole function.
    pub(super) async fn delete_function(&self, reference: &Reference) -> Answer<Value> {
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        let function = stored.record.function.as_mut().ok_or_else(|| reference.not_found(&self.account))?;
        match &reference.qualifier {
            None => stored.record.function = None,
            Some(Qualifier::Version(version)) => {
                let uses = |alias: &super::record::Alias| {
                    alias.version == Qualified::Version(*version)
                        || alias.shifted.is_some_and(|(shifted, _)| shifted == *version)
                };
                if function.aliases.values().any(uses) {
                    let message = format!("Version {version} is used by an alias and cannot be deleted");
                    return Err(Failure::new(Kind::ResourceConflict, message));
                }
                // AWS does not tell whether there was such a version.
                function.versions.remove(version);
            }
            Some(_) => {
                let message = "$LATEST version cannot be deleted without deleting the function, and an alias is deleted by DeleteAlias.";
                return Err(Failure::invalid(message));
            }
        }
        self.write(&reference.name, &stored).await?;
        Ok(Value::Null)
    }

    /// A function and the version that a reference means.
    pub(super) async fn version(&self, reference: &Reference) -> Answer<(Function, Configuration)> {
        let function = self.find(reference).await?;
        let found = function.resolve(reference.qualifier.as_ref(), 1.0);
        let configuration = found.and_then(|version| function.configuration(version)).cloned();
        Ok((function, configuration.ok_or_else(|| reference.not_found(&self.account))?))
    }

    /// A change is made now.
    pub(super) fn touch(&self, configuration: &mut Configuration) {
        configuration.modified_ms = super::now_ms();
        configuration.revision = uuid::Uuid::new_v4().to_string();
    }

    /// Makes a version ready to be invoked.
    pub(super) async fn deploy(
        &self,
        function: &str,
        version: Qualified,
        configuration: &Configuration,
        files: BTreeMap<String, Bytes>,
    ) -> Answer<()> {
        let program = app::program(&self.account, function, version, configuration).into();
        let definition =
            json!({ "lambda": views::configuration(&self.account, function, configuration, true) });
        let definition = definition.to_string().into();
        self.node.deploy(DeployRequest { program, definition, files, reset_triggers: Vec::new() }).await?;
        Ok(())
    }

    /// Keeps a zip: later versions and configurations are made from it.
    async fn keep_code(&self, function: &str, configuration: &Configuration, zip: Bytes) -> Answer<()> {
        let object = NewObject {
            bucket: CODE.to_owned(),
            key: configuration.code_sha256.clone(),
            content_type: ContentType::Other("application/zip".into()),
            bytes: zip,
        };
        self.node.put(&app_name(function, Qualified::Latest), None, object).await?;
        Ok(())
    }

    /// The files of a version.
    pub(super) async fn files(
        &self,
        function: &str,
        configuration: &Configuration,
    ) -> Answer<BTreeMap<String, Bytes>> {
        let app = app_name(function, Qualified::Latest);
        let zip = self.node.object(&app, None, CODE, &configuration.code_sha256).await?;
        Ok(Code::of(zip.bytes).unpack().await?.files)
    }
}
