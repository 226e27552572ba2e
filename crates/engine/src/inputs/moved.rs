//! A run goes on on another version of its app.

use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use sluice_types::{Code, Lsn, Problem, RunKey, Version};

pub(crate) fn move_run(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    key: RunKey,
    version: Version,
    effects: &mut Vec<Effect>,
) {
    let app = engine.run(key).and_then(|run| engine.app(run.app()));
    // A version that a later record deployed is not there yet, whatever a newer checkpoint of the app says.
    let deployed = app.and_then(|app| app.version(version)).filter(|version| version.deployed_at < lsn);
    let Some(compiled) = deployed.and(app).and_then(|app| app.compiled(version)) else {
        let message = format!("the app of the run has no version {}", version.0);
        let problem = Problem::new(Code::UNKNOWN_NAME, message, "deploy it first");
        return effects.push(Effect::Reply(Reply::Rejected(Box::new(problem))));
    };
    engine.answer(lsn, now_ms, key, effects, |run, cx| {
        let compiled = run.compiled_as(&compiled);
        run.move_to(cx, version, &compiled)
    });
    if let Some(run) = engine.run(key) {
        match run.listens() {
            true => engine.listening.insert(run.app(), key),
            false => engine.listening.remove(run.app(), key),
        }
    }
}
