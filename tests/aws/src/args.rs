//! What can be said on the command line of `aws-local`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "aws-local",
    about = "Runs Sidetone on a local AWS, deployed from the real template",
    long_about = "Runs Sidetone on a local AWS: installs MiniStack and the SAM command from PyPI \
        under target/aws, builds the functions in release mode, deploys template.yaml, puts a \
        front as strict as API Gateway before the API, and starts the ALB door's own binary. \
        Needs Python 3.11 or newer, and no containers. Logs are in target/aws/run.",
    after_help = "\
Examples:
  aws-local up                     everything, with simulated calls, until Ctrl-C
  aws-local up --json              the same, with the addresses as JSON on standard output
  aws-local up --quiet             nobody calls; SIDETONE_AWS_LOCAL=… cargo test, or simulate
  aws-local test                   everything, the tests, and an end to it
  aws-local test replay            only the tests whose names have `replay` in them

SIDETONE_AWS_VENV names a folder with the tools in v/ and sam/, so that nothing is installed.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything and leave it running until Ctrl-C
    Up {
        /// How to start.
        #[command(flatten)]
        start: StartArgs,
        /// Print the addresses as JSON
        #[arg(long)]
        json: bool,
        /// Simulate no calls, and leave Genesys Cloud's ports to somebody else
        #[arg(long)]
        quiet: bool,
    },
    /// Provision the simulated organization's users; done by the others
    #[command(hide = true)]
    Provision,
    /// Start everything, run the tests, and stop
    Test {
        /// How to start.
        #[command(flatten)]
        start: StartArgs,
        /// For the test binary: parts of names, or its options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        tests: Vec<String>,
    },
}

/// How to start.
#[derive(Debug, ClapArgs)]
pub struct StartArgs {
    /// Port of the local AWS; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// A door that was built before, instead of building one
    #[arg(long, value_name = "FILE")]
    pub door: Option<PathBuf>,
    /// Take the functions as they were built last
    #[arg(long)]
    pub no_build: bool,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub root: PathBuf,
    /// Where the tools are installed already
    #[arg(long, value_name = "DIR", env = "SIDETONE_AWS_VENV")]
    pub venv: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_follows_test_is_the_tests_affair() {
        let args = Args::try_parse_from(["aws-local", "test", "replay", "--nocapture"]).unwrap();
        let Command::Test { tests, .. } = args.command else { panic!("not test") };
        assert_eq!(tests, ["replay", "--nocapture"]);
    }
}
