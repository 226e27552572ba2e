//! The launcher as a program of its own, for the tests of this crate; the product calls it from `sluice`.

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sluice_isolation::LAUNCH_ARGUMENT) {
        sluice_isolation::launcher_main();
    }
    eprintln!("this program is started by sluice-isolation only");
    std::process::exit(2);
}
