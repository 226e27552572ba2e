//! `sluice help`

use crate::arguments::Arguments;
use crate::exit::{Exit, Failure, Outcome, TABLE};
use crate::show;
use clap::{Args, CommandFactory};
use sluice_frontend::did_you_mean;

/// The topic that is no command.
const EXIT_CODES: &str = "exit-codes";

#[derive(Debug, Args)]
pub struct Help {
    /// A command, or exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

impl Help {
    pub fn execute(&self) -> Outcome {
        if self.topic == [EXIT_CODES] {
            show::text(TABLE)?;
            return Ok(Exit::Succeeded);
        }
        let mut command = Arguments::command();
        command.build();
        let mut found = &mut command;
        for name in &self.topic {
            let names: Vec<String> = found.get_subcommands().map(|c| c.get_name().to_owned()).collect();
            if !names.contains(name) {
                let known = names.iter().map(String::as_str).chain([EXIT_CODES]);
                let fix = did_you_mean(name, known.clone())
                    .unwrap_or_else(|| format!("there is help on: {}", known.collect::<Vec<_>>().join(", ")));
                return Err(Failure::usage(format!("there is no help on `{name}`"), fix));
            }
            found = found.find_subcommand_mut(name).expect("its name is among those of the subcommands");
        }
        show::text(&found.render_long_help().to_string())?;
        Ok(Exit::Succeeded)
    }
}
