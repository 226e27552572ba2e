//! A state machine as the simulator thinks of it.

/// A state machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its states.
    pub body: Block,
    /// `TimeoutSeconds` of the whole.
    pub timeout_seconds: Option<u64>,
}

/// States of which the first is the start.
#[derive(Clone, Debug)]
pub struct Block {
    /// The states.
    pub states: Vec<State>,
}

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, unique in the machine.
    pub name: String,
    /// Whether it is written in JSONata.
    pub jsonata: bool,
    /// What it does.
    pub kind: Kind,
    /// Retriers, in order.
    pub retry: Vec<Retrier>,
    /// Its catcher.
    pub catch: Option<Catcher>,
    /// The state that follows; `None` ends the block.
    pub next: Option<usize>,
}

/// An element of `Retry`. Its interval is a second.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// The errors it handles.
    pub errors: Vec<&'static str>,
    /// Retries.
    pub max_attempts: u64,
    /// Whether delays double.
    pub backs_off: bool,
    /// Whether delays are random.
    pub jitter: bool,
}

/// An element of `Catch`.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// The errors it handles.
    pub errors: Vec<&'static str>,
    /// Where it goes on.
    pub next: usize,
}

/// What a state does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `n` grows by this and by a variable.
    Add(i64, Option<String>),
    /// A variable becomes `n` plus this.
    Assign(String, i64),
    /// Seconds pass.
    Wait(u64),
    /// Goes to another state while `n` is below this.
    Loop {
        /// The bound.
        below: i64,
        /// The other state.
        back: usize,
    },
    /// Work of others.
    Task(Task),
    /// All of these; their outputs are kept as `seen`.
    Parallel(Vec<Block>),
    /// This for every item, at most so many at a time (0: all); outputs are kept as `seen`.
    Map(Block, u64),
    /// The block fails.
    Fail(&'static str),
}

/// Work of others.
#[derive(Clone, Debug)]
pub struct Task {
    /// Who does it.
    pub by: By,
    /// Attempts that fail, counted by `State.RetryCount`.
    pub fails: u64,
    /// From so many retries of what encloses it, no attempt fails.
    pub until: u64,
    /// Whether no attempt fails once the execution was redriven.
    pub mends: bool,
    /// How it fails.
    pub error: &'static str,
    /// What it adds to `n`.
    pub adds: i64,
    /// `TimeoutSeconds`.
    pub timeout_seconds: Option<u64>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<u64>,
    /// Whether the result becomes `n`, rather than `seen`.
    pub counts: bool,
}

/// Who does the work of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A function of the app, by its bare name.
    Function(&'static str),
    /// A function of the app, through the integration.
    Integration(&'static str),
    /// Somebody beside the node, who reports.
    Errand,
    /// Somebody beside the node, who takes it and reports later with its token.
    Callback,
    /// A run that ends by itself; the task ends when somebody reports with its token.
    RunAndCallback,
    /// A worker that asks for it.
    Activity,
    /// An execution of a workflow of another app.
    Execution(String, String),
}

/// Error names of tasks and Fail states.
pub const ERRORS: [&str; 3] = ["Red", "Green", "Blue"];
/// What tasks that run out of time fail with.
pub const TIMEOUT: &str = "States.Timeout";
/// What tasks fail with whose execution failed.
pub const TASK_FAILED: &str = "States.TaskFailed";
/// Matches every error.
pub const ALL: &str = "States.ALL";
