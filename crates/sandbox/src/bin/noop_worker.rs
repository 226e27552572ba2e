//! A native worker that returns what it gets, for tests and benchmarks; and, with the launcher's argument, the
//! launcher of boxes for them.

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sluice_isolation::LAUNCH_ARGUMENT) {
        sluice_isolation::launcher_main();
    }
}
