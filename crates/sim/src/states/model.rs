//! A naive interpreter: what an execution may come to, computed from its plan by recursion, without time and order.
//!
//! Where time or order decides, all possible ends are listed: a task that has a timeout may run into it, and of several
//! branches that fail any may be the first.

use super::plan::{ALL, Block, By, Kind, Machine, State, TASK_FAILED, TIMEOUT, Task};
use super::tasks::outcome;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Ends listed at most; of an execution with more nothing is known.
const ENDS_MAX: usize = 48;
/// States visited at most while one execution is thought through.
const VISITS_MAX: usize = 20_000;

/// How something ends.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With this output.
    Output(Value),
    /// With an error of this name.
    Error(String),
    /// The time of the whole machine was over.
    OutOfTime,
}

/// Variables by name.
type Variables = BTreeMap<String, i64>;
/// Machines by app and workflow.
pub type Machines = BTreeMap<(String, String), Machine>;

/// All ends that an execution may come to; `None` when they are too many.
pub fn ends(machines: &Machines, machine: &Machine, input: &Value, redriven: bool) -> Option<Vec<End>> {
    let mut thinking = Thinking { machines, redriven, visits: 0 };
    thinking.machine(machine, input)
}

struct Thinking<'a> {
    machines: &'a Machines,
    /// Whether tasks may see that the execution was redriven.
    redriven: bool,
    visits: usize,
}

/// What a state may come to: data and variables for the next one, or an error.
type Step = Result<(Value, Variables), String>;

fn push<T: PartialEq>(list: &mut Vec<T>, more: impl IntoIterator<Item = T>) -> Option<()> {
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
    (list.len() <= ENDS_MAX).then_some(())
}

impl Thinking<'_> {
    fn machine(&mut self, machine: &Machine, input: &Value) -> Option<Vec<End>> {
        let mut ends = self.from(&machine.body, 0, input.clone(), Variables::new())?;
        if machine.timeout_seconds.is_some() {
            push(&mut ends, [End::OutOfTime])?;
        }
        Some(ends)
    }

    /// From a state of a block to the block's end.
    fn from(&mut self, block: &Block, at: usize, data: Value, variables: Variables) -> Option<Vec<End>> {
        self.visits += 1;
        if self.visits > VISITS_MAX {
            return None;
        }
        let state = &block.states[at];
        let mut ends = Vec::new();
        for (next, step) in self.state(state, &data, &variables)? {
            match (step, next) {
                (Err(error), _) => push(&mut ends, [End::Error(error)])?,
                (Ok((data, _)), None) => push(&mut ends, [End::Output(data)])?,
                (Ok((data, variables)), Some(next)) => {
                    let more = self.from(block, next, data, variables)?;
                    push(&mut ends, more)?;
                }
            }
        }
        Some(ends)
    }

    /// A state with its retries and its catcher: what follows, and with what.
    fn state(
        &mut self,
        state: &State,
        data: &Value,
        variables: &Variables,
    ) -> Option<Vec<(Option<usize>, Step)>> {
        if let Kind::Loop { below, back } = state.kind {
            let next = if number(data, "n") < below { Some(back) } else { state.next };
            return Some(vec![(next, Ok((data.clone(), variables.clone())))]);
        }
        self.attempts(state, data, variables, &vec![0; state.retry.len()])
    }

    fn attempts(
        &mut self,
        state: &State,
        data: &Value,
        variables: &Variables,
        retries: &[u64],
    ) -> Option<Vec<(Option<usize>, Step)>> {
        let mut steps = Vec::new();
        for step in self.attempt(state, data, variables, retries.iter().sum())? {
            let error = match step {
                Ok(done) => {
                    push(&mut steps, [(state.next, Ok(done))])?;
                    continue;
                }
                Err(error) => error,
            };
            let retrier = state.retry.iter().position(|retrier| matches(&retrier.errors, &error));
            if let Some(at) = retrier.filter(|at| retries[*at] < state.retry[*at].max_attempts) {
                let mut retries = retries.to_vec();
                retries[at] += 1;
                let more = self.attempts(state, data, variables, &retries)?;
                push(&mut steps, more)?;
                continue;
            }
            let caught = state.catch.as_ref().filter(|catcher| matches(&catcher.errors, &error));
            let step = match caught {
                Some(catcher) if state.jsonata => {
                    (Some(catcher.next), Ok((with(data, "seen", error.into()), variables.clone())))
                }
                Some(catcher) => (Some(catcher.next), Ok((data.clone(), variables.clone()))),
                None => (None, Err(error)),
            };
            push(&mut steps, [step])?;
        }
        Some(steps)
    }

    /// One attempt at a state that was retried so often.
    fn attempt(
        &mut self,
        state: &State,
        data: &Value,
        variables: &Variables,
        tries: u64,
    ) -> Option<Vec<Step>> {
        let done = |data: Value| Ok((data, variables.clone()));
        Some(match &state.kind {
            Kind::Add(amount, variable) => {
                let more = variable.as_ref().map_or(0, |variable| variables[variable]);
                vec![done(with(data, "n", (number(data, "n") + amount + more).into()))]
            }
            Kind::Assign(variable, amount) => {
                let mut variables = variables.clone();
                variables.insert(variable.clone(), number(data, "n") + amount);
                vec![Ok((data.clone(), variables))]
            }
            Kind::Wait(_) | Kind::Loop { .. } => vec![done(data.clone())],
            Kind::Fail(error) => vec![Err((*error).to_owned())],
            Kind::Task(task) => {
                let kept = |result: Value| with(data, if task.counts { "n" } else { "seen" }, result);
                let results = self.task(task, data, tries)?;
                results.into_iter().map(|result| result.and_then(|result| done(kept(result)))).collect()
            }
            Kind::Parallel(branches) => {
                let given = with(&with(data, "seen", Value::Null), "outer", tries.into());
                let blocks = branches.iter().map(|block| (block, vec![given.clone()])).collect();
                self.all(blocks, data, variables)?
            }
            Kind::Map(body, _) => {
                let givens = self.givens(data, tries).into_iter();
                self.all(givens.map(|given| (body, given)).collect(), data, variables)?
            }
        })
    }

    /// What the iterations of a Map may be given, each one of several.
    fn givens(&self, data: &Value, tries: u64) -> Vec<Vec<Value>> {
        let items = data["items"].as_array().map_or(&[][..], |items| items);
        let given =
            |item: &Value, tries: u64| json!({"n": item, "items": items, "seen": null, "outer": tries});
        // An iteration that had to wait for its turn until after a redrive begins when no retry counts any more.
        let counts = if self.redriven && tries > 0 { vec![tries, 0] } else { vec![tries] };
        items.iter().map(|item| counts.iter().map(|tries| given(item, *tries)).collect()).collect()
    }

    /// All blocks, with every input that each may be given: the lists of their outputs, and every error that one of them
    /// may end with.
    fn all(
        &mut self,
        blocks: Vec<(&Block, Vec<Value>)>,
        data: &Value,
        variables: &Variables,
    ) -> Option<Vec<Step>> {
        let (mut lists, mut steps) = (vec![Vec::new()], Vec::new());
        for (block, givens) in blocks {
            let mut longer = Vec::new();
            let mut ends = Vec::new();
            for given in givens {
                push(&mut ends, self.from(block, 0, given, variables.clone())?)?;
            }
            for end in ends {
                match end {
                    End::Output(output) => {
                        let more = lists
                            .iter()
                            .map(|list: &Vec<Value>| list.iter().cloned().chain([output.clone()]).collect());
                        push(&mut longer, more)?;
                    }
                    End::Error(error) => push(&mut steps, [Err(error)])?,
                    End::OutOfTime => unreachable!("only machines run out of time"),
                }
            }
            lists = longer;
        }
        let kept = |list| Ok((with(data, "seen", Value::Array(list)), variables.clone()));
        push(&mut steps, lists.into_iter().map(kept))?;
        Some(steps)
    }

    fn task(&mut self, task: &Task, data: &Value, tries: u64) -> Option<Vec<Result<Value, String>>> {
        let mut results = Vec::new();
        if let By::Execution(app, workflow) = &task.by {
            let machines = self.machines;
            let machine = &machines[&(app.clone(), workflow.clone())];
            let input = json!({"n": data["n"], "items": [1, 2], "seen": null, "outer": 0});
            // What is called is an execution of its own, which nobody redrives.
            let mut thinking = Thinking { machines, redriven: false, visits: self.visits };
            for end in thinking.machine(machine, &input)? {
                let result = match end {
                    End::Output(output) => Ok(json!({"Output": output})),
                    End::Error(_) | End::OutOfTime => Err(TASK_FAILED.to_owned()),
                };
                push(&mut results, [result])?;
            }
            self.visits = thinking.visits;
        } else {
            for redrives in 0..=u64::from(self.redriven && task.mends) {
                let arguments = json!({
                    "fails": task.fails, "until": task.until, "mends": task.mends, "error": task.error,
                    "adds": task.adds, "n": data["n"], "outer": data["outer"], "tries": tries,
                    "redrives": redrives,
                });
                push(&mut results, [outcome(&arguments).map(Value::from)])?;
            }
        }
        if task.timeout_seconds.is_some() {
            push(&mut results, [Err(TIMEOUT.to_owned())])?;
        }
        Some(results)
    }
}

fn number(data: &Value, name: &str) -> i64 {
    data[name].as_i64().unwrap_or_default()
}

fn with(data: &Value, name: &str, value: Value) -> Value {
    let mut data = data.clone();
    data[name] = value;
    data
}

fn matches(errors: &[&str], error: &str) -> bool {
    errors.iter().any(|name| *name == ALL || *name == error || *name == TASK_FAILED && error != TIMEOUT)
}
