//! `sluice bench`

use crate::arguments::Global;
use crate::exit::{Exit, Outcome};
use crate::{embedded, sdk, show};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use sluice_bench::{Figure, Place, Runtime, Value};
use sluice_types::Durability;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Args)]
pub struct Bench {
    /// Where data directories are made and removed again; its disk is the one that is measured
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    data: PathBuf,
    #[command(subcommand)]
    name: Name,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Name {
    /// What one hop costs inside a run
    Chain {
        #[arg(long, value_enum, default_value = "wasm")]
        runtime: On,
        #[arg(long, value_enum, default_value = "express")]
        durability: Keeps,
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        hops: u32,
    },
    /// Steps of durable runs, one by one or many at once
    Steps {
        #[arg(long, value_enum, default_value = "wasm")]
        runtime: On,
        #[arg(long, value_enum, default_value = "durable")]
        durability: Keeps,
        #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        concurrency: u32,
    },
    /// Requests that start a durable run and wait for its result
    Http {
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        connections: u32,
    },
    /// Events that triggers join: each trigger passes its events to a function, all at once
    Events {
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        triggers: u32,
        /// Events that each trigger joins
        #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        events: u32,
        #[arg(long, value_enum, default_value = "durable")]
        durability: Keeps,
    },
    /// Runs that wait for an event: what each takes, and how soon it is awake
    Parked {
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
        count: u32,
    },
    /// Objects that one native worker hands to another, which reads them where they lie
    Payload {
        /// Size of each
        #[arg(long, default_value_t = 1 << 30, value_parser = clap::value_parser!(u64).range(64..=1 << 30))]
        bytes: u64,
    },
    /// Invocations that sleep at the same time, joined by a batch
    Sleepers {
        #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
        seconds: u32,
    },
    /// State machines in the Amazon States Language; all that follows, where none is named
    Asl {
        #[command(subcommand)]
        workload: Option<Workflow>,
    },
    /// Workflows written as code; all that follows, where none is named
    Workflow {
        #[command(subcommand)]
        workload: Option<Code>,
    },
    /// DAGs; all that follows, where none is named, which takes about six minutes
    Dag {
        #[command(subcommand)]
        workload: Option<Dag>,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Dag {
    /// A recorded workflow at scale 0: hand-overs and their checks, nothing else
    Recorded {
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
        tasks: u32,
    },
    /// The same at this size and at ten times this size: whether a task takes as long, and what accepting, listing and
    /// showing take
    Scaling {
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000))]
        tasks: u32,
    },
    /// Tasks that sleep, one after the other; takes as long as they do, by default 200 s
    Sequence {
        #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        tasks: u32,
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
        seconds: u32,
    },
    /// A task that sleeps for each element of a list, all at once
    Map {
        #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        tasks: u32,
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
        seconds: u32,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Code {
    /// Calls of a function that does nothing, one after the other
    Steps {
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        steps: u32,
    },
    /// Runs at once, each of calls one after the other
    Concurrent {
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        concurrency: u32,
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        steps: u32,
    },
    /// Runs that sleep: what each takes
    Sleeping {
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
    },
    /// Runs whose sleep ends at the same time: how late they are
    Waking {
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
    },
    /// A run that no worker has, with and without checkpoints: how soon one has it
    Cold {
        /// Thousands of events since its start
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        thousands: u32,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Workflow {
    /// Executions of 1,000 Pass states, one after the other
    Passes {
        #[arg(long, value_enum, default_value = "durable")]
        durability: Keeps,
        /// Executions at once
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        concurrency: u32,
    },
    /// StartExecution and DescribeExecution over HTTP, as boto3 sends them; and StartSyncExecution
    Requests {
        /// Executions
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
    },
    /// A Map over items that calls a function which does nothing
    Map {
        #[arg(long, value_enum, default_value = "wasm")]
        runtime: On,
        #[arg(long, value_enum, default_value = "durable")]
        durability: Keeps,
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        items: u32,
    },
    /// Executions in a Wait: what each takes
    Waiting {
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
    },
    /// A long history: written, and read in pages from both ends
    History {
        /// Events, in thousands
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        thousands: u32,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum On {
    Wasm,
    Process,
    Python,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keeps {
    Durable,
    Express,
}

impl Bench {
    pub fn execute(&self, global: &Global) -> Outcome {
        let program =
            std::env::current_exe().map_err(|e| embedded::machine("cannot find this program", &e))?;
        let Some(bench) = self.name.bench() else { return self.all_workloads(&program, global) };
        let give_back = sluice_allocator::give_back;
        let place = Place { dir: self.data.clone(), sdk_dir: sdk::unpack()?, program, give_back };
        let figures = bench.measure(&place).map_err(sluice_bench::Error::problem)?;
        if global.json {
            lines(&bench, &figures)?;
        } else {
            show::text(&table(&figures))?;
        }
        Ok(Exit::Succeeded)
    }

    /// Each in a process of its own: they stay on cores, and measure the memory of their process.
    fn all_workloads(&self, program: &Path, global: &Global) -> Outcome {
        let (name, workloads) = match self.name {
            Name::Workflow { .. } => ("workflow", CODE_WORKLOADS),
            Name::Dag { .. } => ("dag", DAG_WORKLOADS),
            _ => ("asl", WORKLOADS),
        };
        for workload in workloads {
            if !global.json {
                show::text(&format!("{}\n", workload.join(" ")))?;
            }
            let mut command = Command::new(program);
            command.args(["bench", name]).args(*workload).arg("--data").arg(&self.data);
            command.args(global.json.then_some("--json"));
            let ended = command.status().map_err(|e| embedded::machine("cannot start this program", &e))?;
            if !ended.success() {
                // It has said why.
                return Ok(Exit::Failed);
            }
        }
        Ok(Exit::Succeeded)
    }
}

/// What `bench asl` measures without a workload: all that docs/performance.md has figures of.
const WORKLOADS: &[&[&str]] = &[
    &["passes", "--durability", "express"],
    &["passes"],
    &["requests"],
    &["map"],
    &["map", "--runtime", "python"],
    &["waiting"],
    &["history"],
];

/// The same of `bench workflow`.
const CODE_WORKLOADS: &[&[&str]] = &[&["steps"], &["concurrent"], &["sleeping"], &["waking"], &["cold"]];

/// The same of `bench dag`.
const DAG_WORKLOADS: &[&[&str]] = &[&["recorded"], &["scaling"], &["sequence"], &["map"]];

/// A line of JSON for each figure.
fn lines(bench: &sluice_bench::Bench, figures: &[Figure]) -> Outcome<()> {
    for figure in figures {
        for (metric, value) in figure.metrics() {
            let (name, unit) = (bench.name(), figure.unit);
            show::json(
                &json!({"bench": name, "params": bench, "metric": metric, "value": value, "unit": unit}),
            )?;
        }
    }
    Ok(())
}

impl Name {
    /// `None` if it is several.
    fn bench(self) -> Option<sluice_bench::Bench> {
        Some(match self {
            Self::Chain { runtime, durability, hops } => {
                sluice_bench::Bench::Chain { runtime: runtime.into(), durability: durability.into(), hops }
            }
            Self::Steps { runtime, durability, concurrency } => sluice_bench::Bench::Steps {
                runtime: runtime.into(),
                durability: durability.into(),
                concurrency,
            },
            Self::Http { connections } => sluice_bench::Bench::Http { connections },
            Self::Events { triggers, events, durability } => {
                sluice_bench::Bench::Events { triggers, events, durability: durability.into() }
            }
            Self::Parked { count } => sluice_bench::Bench::Parked { count },
            Self::Payload { bytes } => sluice_bench::Bench::Payload { bytes },
            Self::Sleepers { count, seconds } => sluice_bench::Bench::Sleepers { count, seconds },
            Self::Asl { workload: Some(workload) } => sluice_bench::Bench::Asl(workload.into()),
            Self::Workflow { workload: Some(workload) } => sluice_bench::Bench::Workflow(workload.into()),
            Self::Dag { workload: Some(workload) } => sluice_bench::Bench::Dag(workload.into()),
            Self::Asl { workload: None }
            | Self::Workflow { workload: None }
            | Self::Dag { workload: None } => {
                return None;
            }
        })
    }
}

impl From<Workflow> for sluice_bench::Workflow {
    fn from(workflow: Workflow) -> Self {
        match workflow {
            Workflow::Passes { durability, concurrency } => {
                Self::Passes { durability: durability.into(), concurrency }
            }
            Workflow::Requests { count } => Self::Requests { count },
            Workflow::Map { runtime, durability, items } => {
                Self::Map { runtime: runtime.into(), durability: durability.into(), items }
            }
            Workflow::Waiting { count } => Self::Waiting { count },
            Workflow::History { thousands } => Self::History { thousands },
        }
    }
}

impl From<Code> for sluice_bench::Code {
    fn from(code: Code) -> Self {
        match code {
            Code::Steps { steps } => Self::Steps { steps },
            Code::Concurrent { concurrency, steps } => Self::Concurrent { concurrency, steps },
            Code::Sleeping { count } => Self::Sleeping { count },
            Code::Waking { count } => Self::Waking { count },
            Code::Cold { thousands } => Self::Cold { thousands },
        }
    }
}

impl From<Dag> for sluice_bench::Dag {
    fn from(dag: Dag) -> Self {
        match dag {
            Dag::Recorded { tasks } => Self::Recorded { tasks },
            Dag::Scaling { tasks } => Self::Scaling { tasks },
            Dag::Sequence { tasks, seconds } => Self::Sequence { tasks, seconds },
            Dag::Map { tasks, seconds } => Self::Map { tasks, seconds },
        }
    }
}

impl From<On> for Runtime {
    fn from(on: On) -> Self {
        match on {
            On::Wasm => Self::Wasm,
            On::Process => Self::Process,
            On::Python => Self::Python,
        }
    }
}

impl From<Keeps> for Durability {
    fn from(keeps: Keeps) -> Self {
        match keeps {
            Keeps::Durable => Self::Durable,
            Keeps::Express => Self::Express,
        }
    }
}

/// The figures for people.
fn table(figures: &[Figure]) -> String {
    let mut text = format!("{:<20} {:>12} {:>12} {:>12}\n", "", "p50", "p99", "max");
    for Figure { name, unit, value } in figures {
        text += &match value {
            Value::One(value) => format!("{name:<20} {:>12} {unit}\n", number(*value)),
            Value::Spread { p50, p99, max } => {
                let [p50, p99, max] = [*p50, *p99, *max].map(number);
                format!("{name:<20} {p50:>12} {p99:>12} {max:>12} {unit}\n")
            }
        };
    }
    text
}

/// Three digits after the point where they matter.
fn number(value: f64) -> String {
    let digits = if value.abs() < 100.0 && value.fract() != 0.0 { 3 } else { 0 };
    format!("{value:.digits$}")
}
