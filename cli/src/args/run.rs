//! `sidetone run`.

use std::net::SocketAddr;

use clap::Args as ClapArgs;

use super::value::speed;

/// What `run` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// Address and port of the door [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "SIDETONE_LISTEN",
        value_parser = sidetone_bootstrap::listen_address)]
    pub listen: Option<SocketAddr>,
    /// Play a simulated Genesys Cloud against it, until Ctrl-C
    #[arg(long)]
    pub simulate: bool,
    /// How many times faster than the world simulated calls run
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = speed,
        requires = "simulate")]
    pub speed: f64,
    /// Where the randomness of simulated calls comes from [default: new each time]
    #[arg(long, value_name = "NUMBER", requires = "simulate")]
    pub seed: Option<u64>,
    /// How many simulated calls run at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, requires = "simulate",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub calls_max: u32,
}

const AFTER_HELP: &str = "\
Examples:
  sidetone run --simulate
  sidetone run --simulate --speed 5 --calls-max 20
  sidetone run --config sidetone.toml --data /var/lib/sidetone --listen 0.0.0.0:8080

Genesys Cloud dials `wss` alone: put a proxy that ends TLS in front of the door. It must leave
path and Host as they are, or the configuration must say what they were; the signature of a
request covers both.";

/// What the command is for, at length.
pub(super) const LONG_ABOUT: &str = "\
    Runs everything in one process: the AudioHook door, the tracker of call events, the stream, \
    and the recorder. On a terminal it shows a live table of calls, elsewhere one line for each \
    change. Ctrl-C refuses new calls, lets running ones finish within a limit, and ends; a \
    second Ctrl-C ends at once.";
