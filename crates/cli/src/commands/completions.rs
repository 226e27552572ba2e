//! `sluice completions`

use crate::arguments::Arguments;
use crate::exit::{Exit, Outcome};
use crate::show;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell; with bash: source <(sluice completions bash)
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn execute(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "sluice", &mut script);
        show::bytes(&script)?;
        Ok(Exit::Succeeded)
    }
}
