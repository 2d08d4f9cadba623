//! What may be asked of the bench.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  bench                           everything, about ten minutes
  bench --quick                   short windows, no ramp but to the targets; about two minutes
  bench --json > figures.json     the same as one JSON object; progress goes to stderr
  bench --only sink,null          without the durable stream
  bench --sessions 1000 --no-ramp the steady figures alone, at 1,000 sessions
  bench --work-only --only sink,embedded,kinesis,kinesis-plain --sessions 40
                                  Kinesis too, as a stub on this machine, with TLS and without
  bench --work-only               the ratios alone, two minutes; what a change is judged by
  bench whole                     all of `sidetone run`, recorder included, beside the sink
  bench agents                    the tracker with 10,000 agents, 1,000 of them busy, a minute
  bench holders --seed 7          the tracker killed a hundred times, and ten times for good

Close other programs first: the figures are those of the whole machine. Ratios within one run
mean more than seconds.";

/// Measures the AudioHook door beside a bare WebSocket sink.
#[derive(Debug, Parser)]
#[command(name = "bench", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) plan: Plan,
}

/// What to measure, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Plan {
    /// Short windows, and instead of the ramp one look at the number of sessions aimed for
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print one JSON object instead of the report
    #[arg(long)]
    pub(crate) json: bool,
    /// Which servers to measure
    #[arg(long, value_name = "SERVER", value_delimiter = ',',
          default_values = ["sink", "null", "embedded"])]
    pub(crate) only: Vec<Kind>,
    /// Sessions of the steady load, at least 450 without --work-only
    /// [default: 2000, or 1000 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) sessions: Option<u32>,
    /// Seconds of the steady window [default: 12, or 6 with --quick]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(2..=600))]
    pub(crate) window: Option<u64>,
    /// Leave out the ramp
    #[arg(long)]
    pub(crate) no_ramp: bool,
    /// Measure nothing but processor time, all servers in turns
    #[arg(long)]
    pub(crate) work_only: bool,
    /// Where the ramp ends at the latest
    #[arg(long, value_name = "N", default_value_t = 16_000)]
    pub(crate) sessions_max: u32,
    /// Where the embedded stream and store are put for the time of the run; a real disk
    /// [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// This process has its core already.
    #[arg(long, hide = true)]
    pub(crate) placed: bool,
}

impl Plan {
    /// Returns how many sessions the steady load has.
    pub(crate) fn steady_sessions(&self) -> usize {
        self.sessions.unwrap_or(if self.quick { 1_000 } else { 2_000 }) as usize
    }

    /// Returns how long the steady load is measured.
    pub(crate) fn steady_window(&self) -> Duration {
        Duration::from_secs(self.window.unwrap_or(if self.quick { 6 } else { 12 }))
    }
}

/// What this process is instead of the one that measures.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The door, until its input ends
    #[command(hide = true)]
    Serve {
        /// Where records go
        #[arg(long)]
        stream: StreamKind,
        /// Where the store, and the stream if it is durable, are put
        #[arg(long)]
        data: PathBuf,
    },
    /// The tracker with many agents on the phone: is every call known once, how soon, and how
    /// much is Genesys asked meanwhile
    #[command(after_help = AGENTS_EXAMPLES)]
    Agents(AgentsPlan),
    /// The tracker's holder killed at random moments: is every call known once, and true
    #[command(after_help = HOLDERS_EXAMPLES)]
    Holders(HoldersPlan),
    /// One stay of a tracker, in a process that may be killed
    #[command(hide = true)]
    Hold(HoldOrder),
    /// All of `sidetone run`, from the first open to the last recording, beside the sink
    #[command(after_help = WHOLE_EXAMPLES)]
    Whole(WholePlan),
    /// A WebSocket server that reads and drops, until its input ends
    #[command(hide = true)]
    Sink,
    /// A stub of Kinesis that accepts every record, until its input ends
    #[command(hide = true)]
    KinesisStub {
        /// Where its certificate is written; without it there is no TLS
        #[arg(long)]
        certificate: Option<PathBuf>,
    },
}

const AGENTS_EXAMPLES: &str = "\
Examples:
  bench agents
  bench agents --agents 12000 --busy 500 --seconds 30   two OAuth clients share them
  bench agents --json

Exits with 1 if a call was missed or doubled, or a rule of Genesys was broken.";

const HOLDERS_EXAMPLES: &str = "\
Examples:
  bench holders                                  a hundred kills, then ten real ones; four minutes
  bench holders --seed 7                         the same moments as in the run that said seed 7
  bench holders --kills 20 --processes 0 --speed 30
  bench holders --json

Exits with 1 if a call was missed or doubled, or a rule of Genesys was broken.";

const WHOLE_EXAMPLES: &str = "\
Examples:
  bench whole
  bench whole --calls 200 --seconds 10 --rounds 1       a look, half a minute
  bench whole --json > whole.json";

/// How many calls, and how long they are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WholePlan {
    /// Calls at once, in stereo; all end together
    #[arg(long, value_name = "N", default_value_t = 800,
          value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) calls: u32,
    /// How long they talk
    #[arg(long, value_name = "SECONDS", default_value_t = 40,
          value_parser = clap::value_parser!(u64).range(2..=3_600))]
    pub(crate) seconds: u64,
    /// Rounds of both servers in turns; figures are those of the middle one
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,
    /// The `sidetone` to measure [default: beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) sidetone: Option<PathBuf>,
    /// Where its data are put for the time of the run; a real disk [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    pub(crate) json: bool,
    /// This process has its core already.
    #[arg(long, hide = true)]
    pub(crate) placed: bool,
}

/// How many agents, and how busy.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AgentsPlan {
    /// Agents to follow; every 10,000 need an OAuth client
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) agents: u32,
    /// How many of them are on the phone at a time
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) busy: u32,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub(crate) seconds: u64,
    /// Where all randomness comes from [default: another one each time]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    pub(crate) json: bool,
}

/// How often holders die.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HoldersPlan {
    /// Kills within this process, at random moments
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) kills: u32,
    /// Kills of real processes, by SIGKILL, at random moments
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) processes: u32,
    /// Where all randomness comes from [default: another one each time]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How many times as fast as the world
    #[arg(long, value_name = "FACTOR", default_value_t = 40.0)]
    pub(crate) speed: f64,
    /// Print one JSON object instead of the report
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a process that holds is told by the one that will kill it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HoldOrder {
    #[arg(long)]
    pub(crate) login: String,
    #[arg(long)]
    pub(crate) api: String,
    #[arg(long)]
    pub(crate) store: PathBuf,
    /// What time it is. Units: microseconds since 1970
    #[arg(long)]
    pub(crate) now: i64,
    #[arg(long)]
    pub(crate) speed: f64,
}

/// What is behind the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamKind {
    /// Nothing
    Null,
    /// The durable embedded stream
    Embedded,
    /// Kinesis, where the environment says it is
    Kinesis,
}

/// A server to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The bare WebSocket sink
    Sink,
    /// The door with a stream that forgets
    Null,
    /// The door with the durable embedded stream
    Embedded,
    /// The door with Kinesis: a stub on the client's core, over TLS
    Kinesis,
    /// The same without TLS
    KinesisPlain,
}

impl Kind {
    /// Returns what it is called in the report.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Sink => "sink",
            Self::Null => "door, null stream",
            Self::Embedded => "door, embedded stream",
            Self::Kinesis => "door, Kinesis",
            Self::KinesisPlain => "door, Kinesis, no TLS",
        }
    }

    /// Returns how many sessions a core should carry, if anything was aimed for.
    pub(crate) const fn sessions_target(self) -> Option<usize> {
        match self {
            Self::Sink | Self::Kinesis | Self::KinesisPlain => None,
            Self::Null => Some(6_000),
            Self::Embedded => Some(3_000),
        }
    }

    /// Returns how many times the sink's processor time it should need at most.
    pub(crate) const fn ratio_target(self) -> Option<f64> {
        match self {
            Self::Sink | Self::Kinesis | Self::KinesisPlain => None,
            Self::Null => Some(1.5),
            Self::Embedded => Some(3.0),
        }
    }

    /// Returns how many CPU seconds a session-hour should need at most.
    pub(crate) const fn seconds_target(self) -> Option<f64> {
        match self {
            Self::Kinesis => Some(1.0),
            Self::Sink | Self::Null | Self::Embedded | Self::KinesisPlain => None,
        }
    }
}
