//! `corndogs run`: the server.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::{FAILED, USAGE, complain};
use crate::config::{CONFIG_FLAG, Config, ConfigOption, OPTIONS};

/// Runs the server.
///
/// Each option is also an environment variable and, by the same name, a key of the TOML file. A flag goes
/// over the environment, the environment over the file.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    flags: Flags,
}

/// The options that were given as flags, as text: the configuration reads them.
#[derive(Debug)]
struct Flags(BTreeMap<String, String>);

impl Run {
    /// Serves until told to stop.
    pub fn run(self) -> ExitCode {
        let config = match Config::load(&self.flags.0) {
            Ok(config) => config,
            Err(error) => {
                complain(error.to_string().trim_end());
                return ExitCode::from(USAGE);
            }
        };
        match crate::server::run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error.to_string());
                ExitCode::from(FAILED)
            }
        }
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG_FLAG)
            .long(CONFIG_FLAG)
            .value_name("FILE")
            .help("The TOML file [env: CORNDOGS_CONFIG]");
        OPTIONS
            .iter()
            .map(flag)
            .fold(command.arg(file), Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = OPTIONS
            .iter()
            .map(|option| option.name)
            .chain([CONFIG_FLAG]);
        let given = names.filter_map(|name| {
            let value = matches.get_one::<String>(name)?;
            Some((name.to_owned(), value.clone()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

fn flag(option: &'static ConfigOption) -> Arg {
    let variables: Vec<String> = option.variables().collect();
    let mut help = option.help.to_owned();
    if !option.default.is_empty() {
        help.push_str(&format!(" [default: {}]", option.default));
    }
    help.push_str(&format!(" [env: {}]", variables.join(", ")));
    Arg::new(option.name)
        .long(option.name)
        .value_name(option.value_name)
        .help(help)
        .allow_hyphen_values(true)
}
