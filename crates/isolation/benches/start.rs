//! What starting a box costs beside starting its program: `cargo bench -p sluice-isolation`.

use sluice_isolation::{BoxSpec, Feature, Host, Limits};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;

fn main() {
    let host = || Host::new(env!("CARGO_BIN_EXE_sluice-isolation-launcher"));
    let plain = BoxSpec::new("/bin/true");
    let limits = Limits { memory_bytes: 1 << 30, cpu_millis: 1000, pids_max: 100 };
    let limited = BoxSpec { limits, ..plain.clone() };

    let begin = Instant::now();
    let full = host();
    println!("Host::new                          {:>9.2?}", begin.elapsed());
    measure("fork, exec, wait without a box", || {
        Command::new("/bin/true").env_clear().status().expect("it runs");
    });
    let whole = |host: &Host, spec: &BoxSpec| {
        host.spawn(spec, &[]).and_then(|mut boxed| boxed.wait()).expect("it runs");
    };
    measure("box: start, wait, remove", || whole(&full, &plain));
    measure("box with limits: start, wait, remove", || whole(&full, &limited));
    for feature in [Feature::NetNamespace, Feature::MountNamespace, Feature::Landlock, Feature::Seccomp] {
        let less = host().without(feature);
        measure(&format!("box without {feature}"), || whole(&less, &plain));
    }
    let mut started = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let boxed = full.spawn(&plain, &[]).expect("it runs");
        started.push(begin.elapsed());
        drop(boxed);
    }
    print("spawn alone (until the program runs)", started);
}

fn measure(name: &str, mut run: impl FnMut()) {
    let cpu_before = children_cpu();
    let times = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    let times = times.collect();
    let cpu = (children_cpu() - cpu_before) / ROUNDS as u32;
    print(name, times);
    println!("{:<36} cpu {cpu:>9.2?}  of all children, each", "");
}

/// cpu time of the children waited for, which other load on the machine changes little.
fn children_cpu() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields = stat.rsplit_once(") ").expect("a name in parentheses").1.split(' ');
    fields.skip(13).take(2).map(|ticks| ticks.parse::<u32>().expect("a number")).sum::<u32>() * TICK
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!("{name:<36} p50 {:>9.2?}  p99 {:>9.2?}", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
}
