//! A new run.

use crate::compiled::Compiled;
use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::input::{Origin, Start};
use crate::run::Run;
use sluice_types::invocation::Arguments;
use sluice_types::{Code, Lsn, Problem};

pub(crate) fn start(engine: &mut Engine, lsn: Lsn, now_ms: u64, mut start: Start, effects: &mut Vec<Effect>) {
    if let Origin::Firing { number, .. } = start.origin {
        engine.with_app(lsn, now_ms, start.app, effects, |app, cx| app.launched(cx, number));
    }
    let key = start.run;
    if let Origin::Call { from, .. } = start.origin {
        let (app, id) = (start.app, start.id.clone());
        engine.with_run(lsn, now_ms, from.run, effects, |run, cx| {
            let named = (run.app() == app).then_some(&id);
            run.called(cx, from.seq, key, named);
        });
    }
    if engine.run(key).is_some() {
        // Replay over a checkpoint that holds the run already.
        return;
    }
    // A version that a later record deployed is not there yet, whatever a newer checkpoint of the app says.
    let version = engine.app(start.app).and_then(|app| app.version(start.version));
    let deployed = version.is_some_and(|version| version.deployed_at < lsn);
    let Some(compiled) = engine.compiled(start.app, start.version).filter(|_| deployed) else {
        start.objects.iter().for_each(|object| crate::run::discard(&object.payload, effects));
        let problem = Problem::new(
            Code::UNKNOWN_NAME,
            format!("{} has no version {}", start.app, start.version.0),
            "deploy the app first",
        );
        return effects.push(Effect::Reply(Reply::Rejected(Box::new(problem))));
    };
    if let Origin::Firing { number, arguments: Arguments::Events { list, .. }, .. } = &mut start.origin
        && let Some(retained) = engine.app(start.app).and_then(|app| app.retained(*number))
    {
        *list = retained.clone();
    }
    let is_called = matches!(start.origin, Origin::Call { .. }) && start.workflow.is_some();
    let compiled = if is_called { Compiled::called(&compiled) } else { compiled };
    let delegated = engine.executes_elsewhere(&compiled);
    let run = Run::new(&start, compiled, now_ms);
    engine.ids.insert(Engine::fingerprint(&start.namespace, &start.id), key);
    engine.runs.insert(key, Box::new(run));
    engine.with_run(lsn, now_ms, key, effects, |run, cx| {
        run.begin(cx, start, delegated);
        cx.effects.push(Effect::Reply(Reply::Accepted));
    });
    if let Some(run) = engine.run(key).filter(|run| run.listens()) {
        engine.listening.insert(run.app(), key);
    }
}
