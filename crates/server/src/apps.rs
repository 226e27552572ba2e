//! Apps: deploy, list, show.

use crate::extract::{Body, Path, json};
use crate::failure::{Answer, Failure};
use crate::findings::{self, Asked};
use crate::front::Front;
use crate::{lowering, views};
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde_json::value::RawValue;
use sluice_api as api;
use sluice_frontend::{explain, explain_json};
use sluice_runtime::api::{AppView, DeployRequest, Movable, MoveRequest};
use sluice_types::calendar::rfc3339;
use sluice_types::{Code, Program, Version};

/// `POST /v1/apps/{app}`
pub async fn deploy(
    State(front): State<Front>,
    Path(app): Path<String>,
    Body(body): Body,
) -> Answer<Json<api::Deployed>> {
    let named = app.clone();
    let Wanted { request, check, moves } = lowering::beside(move || wanted(&named, &body)).await?;
    if check {
        replays(&front, request.clone()).await?;
    }
    let deployed = views::deployed(front.node.deploy(request).await?, true);
    let runs = match moves {
        true => {
            let request = MoveRequest { runs: Movable::All(app), version: Some(Version(deployed.version)) };
            Some(findings::moved(&front.node.move_runs(request).await?))
        }
        false => None,
    };
    Ok(Json(api::Deployed { runs, ..deployed }))
}

/// What a deploy asks for.
struct Wanted {
    request: DeployRequest,
    check: bool,
    moves: bool,
}

fn wanted(app: &str, body: &[u8]) -> Answer<Wanted> {
    let api::Deploy { definition, files, reset_triggers, check, moves } = json(body)?;
    let program = lowering::lower(&definition)?;
    if *program.app != *app {
        let message = format!("the path names app `{app}`, the definition app `{}`", program.app);
        return Err(Failure::bad_request(message, "use the same name in both"));
    }
    for path in files.keys() {
        check_path(path)?;
    }
    lowering::check_files(&program, &files)?;
    let files = files.into_iter().map(|(path, value)| (path, Bytes::from(value.bytes))).collect();
    let definition = Bytes::from(definition.get().to_owned());
    let request = DeployRequest { program: program.into(), definition, files, reset_triggers };
    Ok(Wanted { request, check, moves })
}

/// Refuses what could not go on with the runs that are under way.
async fn replays(front: &Front, request: DeployRequest) -> Answer<()> {
    let report = front.node.check(request).await?;
    if report.found.is_empty() {
        return Ok(());
    }
    let place = format!("{} of {} runs under way", report.stayed(), report.checked);
    let errors = report
        .found
        .iter()
        .map(|found| api::Error { place: place.clone(), ..findings::error(found, Asked::Check) });
    Err(Failure::findings(errors.collect()))
}

/// A path of a bundle stays inside the bundle, wherever it is unpacked.
fn check_path(path: &str) -> Answer<()> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if path.split('/').all(is_plain) {
        return Ok(());
    }
    let message = format!("`{path}` is not a path within the bundle");
    Err(Failure::bad_request(message, "use relative paths with `/` between the parts, without `.` and `..`"))
}

/// `GET /v1/apps`
pub async fn list(State(front): State<Front>) -> Answer<Json<api::AppList>> {
    let apps = front.node.apps().await?;
    Ok(Json(api::AppList { apps: apps.into_iter().map(|view| views::deployed(view, false)).collect() }))
}

/// `GET /v1/apps/{app}`
pub async fn show(State(front): State<Front>, Path(app): Path<String>) -> Answer<Json<api::App>> {
    let (view, program, definition) = front.node.app(&app).await?;
    lowering::beside(move || shown(view, &program, definition)).await.map(Json)
}

fn shown(view: AppView, program: &Program, definition: Bytes) -> Answer<api::App> {
    let definition =
        String::from_utf8(definition.into()).ok().and_then(|text| RawValue::from_string(text).ok());
    let definition = definition.ok_or_else(|| {
        Failure::new(
            Code::INTERNAL,
            format!("the stored definition of `{}` is not JSON", view.app),
            "deploy it again",
        )
    })?;
    Ok(api::App {
        app: view.app,
        version: view.version,
        deployed_at: rfc3339(view.deployed_ms),
        definition,
        explain: explain(program),
        program: explain_json(program),
    })
}

#[cfg(test)]
mod tests {
    use super::check_path;

    #[test]
    fn paths_stay_in_the_bundle() {
        for path in ["app.py", "lib/a.py", "a b/é.txt", "..a"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "a\0"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
