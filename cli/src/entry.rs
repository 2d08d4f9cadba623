//! From the command line to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Args, Command};
use crate::commands;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// How long work on other threads may take to notice that the command is done.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let mut output = Output::of_process(asks_for_json(std::env::args_os()));
            return usage(&error, &mut output).into();
        }
    };
    let mut output = Output::of_process(args.global.json);
    run_with(&args, &mut output).into()
}

/// Returns whether `--json` was said on a command line that could not be read.
fn asks_for_json(words: impl Iterator<Item = OsString>) -> bool {
    words.take_while(|word| word != "--").any(|word| word == "--json")
}

/// Prints help, or what is wrong with the command line.
fn usage(error: &clap::Error, output: &mut Output<'_>) -> Exit {
    if !error.use_stderr() || !output.is_json() {
        // An unread help text is no error.
        let _ = error.print();
        return if error.use_stderr() { Exit::BadInput } else { Exit::Done };
    }
    let failure = usage_failure(error);
    output.failure(&failure);
    failure.exit()
}

/// Turns clap's paragraphs into what is wrong and what to do.
fn usage_failure(error: &clap::Error) -> Failure {
    use ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand as NoWord, MissingSubcommand};
    if [NoWord, MissingSubcommand].contains(&error.kind()) {
        return Failure::bad_input("a command is missing").hint("--help lists the commands");
    }
    let text = error.render().to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty());
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let hints: Vec<String> = paragraphs.collect();
    Failure::bad_input(what).hint(hints.join("; "))
}

/// Runs a command, and tells what went wrong if something did.
pub fn run_with(args: &Args, output: &mut Output<'_>) -> Exit {
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(args, output));
            runtime.shutdown_timeout(LEAVE_LIMIT);
            outcome
        }
        Err(error) => Err(Failure::fault("cannot start threads").because(error)),
    };
    match outcome.and_then(|exit| output.flush().map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

async fn run(args: &Args, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let global = &args.global;
    match &args.command {
        Command::Run(run) => commands::run::run(global, run, output).await,
        Command::Simulate(simulate) => commands::simulate::simulate(global, simulate, output).await,
        Command::Users(users) => commands::users::users(global, users, output).await,
        Command::Tail(tail) => commands::tail::tail(global, tail, output).await,
        Command::Listen(listen) => commands::listen::listen(global, listen, output).await,
        Command::Org(org) => commands::org::org(global, org, output).await,
        Command::Coverage(coverage) => commands::coverage::coverage(global, coverage, output).await,
        Command::Calls(calls) => commands::calls::calls(global, calls, output).await,
        Command::Why(why) => commands::why::why(global, why, output).await,
        Command::Secrets(secrets) => commands::secrets::secrets(global, secrets, output).await,
        Command::Completions { shell } => commands::completions::completions(*shell, output),
    }
}

#[cfg(test)]
mod tests;
