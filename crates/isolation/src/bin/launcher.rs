//! The launcher as a program of its own, for the tests of this crate; the product calls it from `sluice`.
//!
//! `hold PROGRAM ARGUMENT…` is a server of one box: it runs the program in it, with its own standard streams.

use sluice_isolation::{BoxSpec, Exit, Host, LAUNCH_ARGUMENT};
use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::process::exit;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some(LAUNCH_ARGUMENT), _) => sluice_isolation::launcher_main(),
        (Some("hold"), Some(program)) => hold(program, arguments.collect()),
        _ => {
            eprintln!("usage: sluice-isolation-launcher hold PROGRAM ARGUMENT...");
            exit(2);
        }
    }
}

fn hold(program: String, args: Vec<String>) -> ! {
    let spec = BoxSpec { args, allow_exec: true, ..BoxSpec::new(program) };
    let (input, output, errors) = (stdin(), stdout(), stderr());
    let fds = [(0, input.as_fd()), (1, output.as_fd()), (2, errors.as_fd())];
    let host = Host::new("/proc/self/exe");
    match host.spawn(&spec, &fds).and_then(|mut boxed| boxed.wait()) {
        Ok(Exit::Code(code)) => exit(code),
        Ok(other) => eprintln!("{other:?}"),
        Err(error) => eprintln!("{error}"),
    }
    exit(1);
}
