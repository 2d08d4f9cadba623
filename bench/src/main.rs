//! Measures the door beside a bare WebSocket sink, in real time, and says how that compares
//! with the figures it was designed for; and the tracker beside a simulated platform.
//!
//! One binary, three processes: this one drives the load from one core, and starts itself again
//! on another as the server under test. No figure ever fails the exit code: the machine may be
//! shared, and only ratios within one run mean much.

mod args;
mod campaign;
mod figures;
mod kinesis;
mod load;
mod places;
mod recorder;
mod relay;
mod report;
mod serve;
mod server;
mod sink;
mod tracker;
mod visit;
mod whole;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Role};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.role {
        Some(Role::Serve { stream, data }) => serve::serve(stream, &data),
        Some(Role::Sink) => sink::sink(),
        Some(Role::KinesisStub { certificate }) => kinesis::stub(certificate.as_deref()),
        Some(Role::Whole(plan)) => whole::whole(&plan),
        Some(Role::Agents(plan)) => tracker::agents(&plan),
        Some(Role::Holders(plan)) => tracker::holders(&plan),
        Some(Role::Hold(order)) => tracker::hold(&order),
        None => campaign::run(&args.plan),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere else to say it.
            let _ = writeln!(std::io::stderr(), "bench: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Whatever keeps the bench from measuring.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
