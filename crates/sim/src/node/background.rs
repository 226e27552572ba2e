//! Slow work that is done some turns later, or never when the process dies before.

use super::scene::Scene;
use sluice_runtime::ports::{Background, Work};
use std::rc::Rc;

/// How often in a thousand looks work turns out to be done.
const DONE: u32 = 300;

pub(super) struct SimBackground {
    scene: Rc<Scene>,
    waiting: Vec<Work>,
}

impl SimBackground {
    pub fn new(scene: Rc<Scene>) -> Self {
        Self { scene, waiting: Vec::new() }
    }
}

impl Background for SimBackground {
    fn start(&mut self, work: Work) {
        self.waiting.push(work);
    }

    fn is_done(&mut self) -> bool {
        if !self.waiting.is_empty() && (self.scene.calm.get() || self.scene.chance(DONE)) {
            self.finish();
        }
        self.waiting.is_empty()
    }

    fn finish(&mut self) {
        self.waiting.drain(..).for_each(|work| work());
    }
}
