//! A new version of an app.

use crate::app::App;
use crate::effect::Effect;
use crate::engine::Engine;
use crate::input::Deploy;
use sluice_types::Lsn;

pub(crate) fn deploy(engine: &mut Engine, lsn: Lsn, now_ms: u64, deploy: Deploy, effects: &mut Vec<Effect>) {
    let key = deploy.app;
    engine.apps.entry(key).or_insert_with(|| App::new(key));
    engine.with_app(lsn, now_ms, key, effects, |app, cx| {
        let reply = app.deploy(cx, deploy);
        cx.effects.push(Effect::Reply(reply));
    });
}
