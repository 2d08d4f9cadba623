//! `sidetone-door`: the long-lived AudioHook door as a service behind a load balancer.
//!
//! Stores, stream and keys are on AWS; the load balancer ends TLS. One binary, so that an image
//! without a shell can also check its own health.

mod args;
mod door;
mod ecs;
mod healthcheck;
mod protection;
mod settings;
mod signals;
mod tracker;

use std::process::ExitCode;

use sidetone_lambda_start::start;
use sidetone_listener::Shares;
use sidetone_ports::chain;

use crate::args::Wish;
use crate::settings::Settings;

/// What is wrong is the way the program was called, or its environment.
const EXIT_MISUSED: u8 = 2;

fn main() -> ExitCode {
    match args::read(std::env::args_os().skip(1)) {
        Wish::Run => run(),
        Wish::CheckHealth => healthcheck::run(),
        Wish::Say(text) => args::say(&mut std::io::stdout(), &text, ExitCode::SUCCESS),
        Wish::Refuse(text) => {
            args::say(&mut std::io::stderr(), &text, ExitCode::from(EXIT_MISUSED))
        }
    }
}

/// How many files a process may open where that cannot be found out.
const OPEN_FILES_USUAL: u64 = 1_024;

fn run() -> ExitCode {
    let started = start("door");
    // A session takes a file descriptor. Where the limit cannot be raised, it is divided as it is.
    let open_files_max = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(OPEN_FILES_USUAL);
    let shares = Shares::of(open_files_max);
    let settings = match Settings::read(&started.environment, shares) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(error = chain(&error), "the door cannot start: a setting is wrong");
            return ExitCode::from(EXIT_MISUSED);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = chain(&error), "the door cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(door::run(settings, &started.metrics)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "the door cannot run");
            started.metrics.flush();
            ExitCode::FAILURE
        }
    }
}
