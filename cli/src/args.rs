//! What can be said on the command line; nothing happens here.

mod admin;
mod calls;
mod coverage;
mod org;
mod run;
mod simulate;
mod stream;
mod users;
mod value;
mod why;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use sidetone_bootstrap::{Config, LogFormat};

pub use admin::{NewSecretArgs, SecretsCommand};
pub use calls::{CallsArgs, Since};
pub use coverage::CoverageArgs;
pub use org::{
    ClientArg, ListenArg, OnHoldArg, OrgAddArgs, OrgArgs, OrgCommand, OrgHistoryArgs, OrgRemoveArgs,
};
pub use run::RunArgs;
pub use simulate::{Plant, SimulateArgs};
pub use stream::{ListenArgs, TailArgs, TailFrom};
pub use users::{
    ExportArgs, FieldArgs, FindArgs, HistoryArgs, ImportArgs, MoveArgs, NewUserArgs, PagerArgs,
    RemoveArgs, SetUserArgs, SyncArgs, UndoArgs, UserListArgs, UserScope, UsersCommand,
};
#[cfg(feature = "aws")]
pub use value::DoorAddress;
pub use value::{ConversationStart, ScenarioChoice};
pub use why::WhyArgs;

use crate::failure::Failure;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "sidetone",
    version,
    about = "Brings live calls from Genesys Cloud CX to real-time coaching",
    long_about = "Brings live calls from Genesys Cloud CX to real-time coaching: takes audio \
        (AudioHook Monitor) and call events of every conversation, finds out which agent is \
        talking, delivers both as one ordered stream, and records.",
    after_help = AFTER_HELP,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  sidetone run --simulate              everything at once, with simulated calls, until Ctrl-C
  sidetone simulate --scenario all --speed 10 --json
                                       play every kind of call and judge what was delivered
  sidetone users import agents.csv     say whom to listen to
  sidetone secrets new                 credentials to enter in Genesys Cloud
  sidetone tail                        watch the stream
  sidetone calls --not-matched         which calls of today had no agent of yours
  sidetone why c0ffee12                why that call arrived, or did not

Exit codes:
  0  done
  1  a fault: something outside did not work; a data directory that does not exist
  2  bad input or usage; a conversation that is not in the stream or the recordings
  3  simulate: the verdict is no

SIDETONE_LOG sets the log filter, as RUST_LOG would; NO_COLOR turns colours off.";

/// What every command understands.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Where state, stream and recordings lie [default: data]
    #[arg(long, global = true, value_name = "DIR", env = "SIDETONE_DATA",
        value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Work on the deployment of that name, in the account and region of the AWS environment;
    /// for users, coverage, tail, listen, why and simulate
    #[cfg(feature = "aws")]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "SIDETONE_STACK",
        conflicts_with = "data"
    )]
    pub stack: Option<String>,
    /// Work on the deployment of that name; this build has no AWS support, build with
    /// --features aws
    #[cfg(not(feature = "aws"))]
    #[arg(long, global = true, value_name = "NAME", env = "SIDETONE_STACK",
        value_parser = value::no_stack)]
    pub stack: Option<std::convert::Infallible>,
    /// Configuration file, TOML
    #[arg(long, global = true, value_name = "FILE", env = "SIDETONE_CONFIG",
        value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Write results as JSON, and errors of every kind as one JSON object on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// How log lines look on standard error
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogStyle,
    /// Log more; twice for very much
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogStyle {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process
    #[command(long_about = run::LONG_ABOUT)]
    Run(RunArgs),
    /// Play Genesys Cloud against a door, and judge what was delivered
    #[command(long_about = simulate::LONG_ABOUT)]
    Simulate(SimulateArgs),
    /// Say whom to listen to
    #[command(subcommand)]
    Users(UsersCommand),
    /// Follow the stream
    #[command(long_about = stream::TAIL_ABOUT)]
    Tail(TailArgs),
    /// Write a conversation's audio to a WAV file
    #[command(long_about = stream::LISTEN_ABOUT)]
    Listen(ListenArgs),
    /// Set up the organizations that are served
    #[command(subcommand)]
    Org(OrgCommand),
    /// Say who should be listened to and is not
    #[command(long_about = coverage::LONG_ABOUT)]
    Coverage(CoverageArgs),
    /// List calls, with the cause of those that were not matched
    #[command(long_about = calls::LONG_ABOUT)]
    Calls(CallsArgs),
    /// Say why a conversation was delivered, or was not
    #[command(long_about = why::LONG_ABOUT)]
    Why(WhyArgs),
    /// Make credentials for AudioHook
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples:
  sidetone completions bash > ~/.local/share/bash-completion/completions/sidetone
  sidetone completions fish > ~/.config/fish/completions/sidetone.fish";

impl GlobalArgs {
    /// Reads the configuration file, if one was named, and puts what was said here over it.
    ///
    /// Errors: those of the file, as bad input.
    pub fn config(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// Returns what to log: `usual`, or more if that was asked for.
    pub const fn log_filter(&self, usual: &'static str) -> &'static str {
        match self.verbose {
            0 => usual,
            1 => "info,sidetone=debug",
            _ => "debug,sidetone=trace",
        }
    }

    /// Returns how log lines look.
    pub const fn log_format(&self) -> LogFormat {
        match self.log_format {
            LogStyle::Text => LogFormat::Text,
            LogStyle::Json => LogFormat::Json,
        }
    }
}

#[cfg(test)]
mod tests;
