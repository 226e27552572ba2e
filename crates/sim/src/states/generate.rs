//! Random machines.

use super::plan::{
    ALL, Block, By, Catcher, ERRORS, Kind, Machine, Retrier, State, TASK_FAILED, TIMEOUT, Task,
};
use crate::rng::Rng;

/// How deep blocks nest.
const DEPTH_MAX: u32 = 2;
/// Loops end when `n` is this large.
const LOOP_BOUND: i64 = 12;

/// Makes a machine whose tasks may call these workflows, by app and name.
pub fn machine(rng: &mut Rng, callees: &[(String, String)]) -> Machine {
    let mut growing = Growing { rng, callees, names: 0, variables: Vec::new(), jsonata: None };
    if growing.rng.chance(600) {
        growing.jsonata = Some(growing.rng.chance(500));
    }
    let body = growing.block(0);
    let timeout_seconds = rng.chance(100).then(|| rng.between(1, 8) as u64);
    Machine { body, timeout_seconds }
}

struct Growing<'a> {
    rng: &'a mut Rng,
    callees: &'a [(String, String)],
    names: u32,
    /// Variables that a state to be made can read.
    variables: Vec<String>,
    /// The one query language, if there is one.
    jsonata: Option<bool>,
}

impl Growing<'_> {
    fn block(&mut self, depth: u32) -> Block {
        let outer = self.variables.clone();
        let length = self.rng.between(1, if depth == 0 { 6 } else { 3 });
        let mut states = Vec::new();
        if self.rng.chance(500) {
            let variable = format!("v{}", self.names);
            states.push(self.state(Kind::Assign(variable.clone(), 1)));
            self.variables.push(variable);
        }
        for _ in 0..length {
            let kind = self.kind(depth);
            let state = self.state(kind);
            states.push(state);
            if self.rng.chance(120) {
                self.add_loop(&mut states);
            }
        }
        if self.rng.chance(60) {
            let error = *self.rng.pick::<&str>(&ERRORS);
            states.push(self.state(Kind::Fail(error)));
        }
        self.variables = outer;
        self.link(&mut states);
        Block { states }
    }

    /// What was made last happens again while `n` is small, which grows every time.
    fn add_loop(&mut self, states: &mut Vec<State>) {
        let back = states.len() - 1;
        let amount = self.rng.between(3, 6) as i64;
        let growth = self.state(Kind::Add(amount, None));
        let again = self.state(Kind::Loop { below: LOOP_BOUND, back });
        states.extend([growth, again]);
    }

    /// Each leads to the next. Catchers lead further on.
    fn link(&mut self, states: &mut Vec<State>) {
        if matches!(states.last().map(|state| &state.kind), Some(Kind::Loop { .. })) {
            let last = self.state(Kind::Add(1, None));
            states.push(last);
        }
        let count = states.len();
        let loops: Vec<bool> = states.iter().map(|state| matches!(state.kind, Kind::Loop { .. })).collect();
        for (at, state) in states.iter_mut().enumerate() {
            state.next = (at + 1 < count).then_some(at + 1);
            let fails = matches!(state.kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(..));
            if fails && at + 1 < count && self.rng.chance(400) {
                // Straight to the end of a loop it would go around for ever.
                let next = self.rng.between(at + 1, count - 1);
                let next = next + usize::from(loops[next]);
                state.catch = Some(Catcher { errors: self.errors(), next });
            }
            if fails && self.rng.chance(500) {
                state.retry = self.retriers();
            }
        }
    }

    fn retriers(&mut self) -> Vec<Retrier> {
        let count = self.rng.between(1, 2);
        let mut retriers = Vec::new();
        for at in 0..count {
            // States.ALL stands alone, and last.
            let errors = if at + 1 < count { vec![*self.rng.pick(&ERRORS)] } else { self.errors() };
            retriers.push(Retrier {
                errors,
                max_attempts: self.rng.below(3) as u64,
                backs_off: self.rng.chance(500),
                jitter: self.rng.chance(300),
            });
        }
        retriers
    }

    fn errors(&mut self) -> Vec<&'static str> {
        match self.rng.below(6) {
            0 | 1 => vec![ALL],
            2 => vec![TIMEOUT],
            3 => vec![TASK_FAILED],
            _ => vec![*self.rng.pick(&ERRORS), TIMEOUT],
        }
    }

    fn state(&mut self, kind: Kind) -> State {
        self.names += 1;
        let jsonata = self.jsonata.unwrap_or_else(|| self.rng.chance(500));
        State { name: format!("S{}", self.names), jsonata, kind, retry: Vec::new(), catch: None, next: None }
    }

    fn kind(&mut self, depth: u32) -> Kind {
        match self.rng.below(16) {
            0 | 1 => {
                let reads = !self.variables.is_empty() && self.rng.chance(700);
                let variable = reads.then(|| self.rng.pick(&self.variables).clone());
                Kind::Add(self.rng.below(3) as i64, variable)
            }
            2 => Kind::Wait(self.rng.below(3) as u64),
            3..=5 if depth < DEPTH_MAX => {
                let branches = self.rng.between(1, 3);
                Kind::Parallel((0..branches).map(|_| self.block(depth + 1)).collect())
            }
            6..=8 if depth < DEPTH_MAX => {
                let body = self.block(depth + 1);
                Kind::Map(body, self.rng.below(3) as u64)
            }
            _ => Kind::Task(self.task()),
        }
    }

    fn task(&mut self) -> Task {
        let by = match self.rng.below(10) {
            0 => By::Errand,
            1 => By::Callback,
            2 => By::RunAndCallback,
            3 => By::Activity,
            4 | 5 if !self.callees.is_empty() => {
                let (app, workflow) = self.rng.pick(self.callees).clone();
                By::Execution(app, workflow)
            }
            6 => By::Integration("task-1"),
            7 => By::Function("task-0"),
            _ => By::Function("task-1"),
        };
        let function = matches!(by, By::Function(_) | By::Integration(_));
        let error = if function && self.rng.chance(150) { TIMEOUT } else { *self.rng.pick(&ERRORS) };
        // Whoever was given an activity may die with it.
        let timed = by == By::Activity || self.rng.chance(80);
        let heartbeats = timed && matches!(by, By::Activity | By::Callback) && self.rng.chance(500);
        Task {
            fails: *self.rng.pick(&[0, 0, 0, 0, 1, 1, 2, 9]),
            until: self.rng.between(1, 3) as u64,
            mends: self.rng.chance(500),
            error,
            adds: self.rng.below(4) as i64,
            timeout_seconds: timed.then(|| self.rng.between(2, 4) as u64),
            heartbeat_seconds: heartbeats.then_some(1),
            counts: !matches!(by, By::Execution(..)) && self.rng.chance(500),
            by,
        }
    }
}
