//! `sidetone tail` and `sidetone listen`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use sidetone_model::{OrganizationId, SessionId};

use super::value::ConversationStart;

/// What `tail` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = TAIL_HELP)]
pub struct TailArgs {
    /// One conversation alone; the beginning of its id is enough
    #[arg(long, value_name = "ID")]
    pub conversation: Option<ConversationStart>,
    /// Where to begin [default: now; start with --once]
    #[arg(long, value_name = "WHERE", value_enum)]
    pub from: Option<TailFrom>,
    /// Stop at the end of what there is
    #[arg(long)]
    pub once: bool,
    /// One line for each audio frame
    #[arg(long, conflicts_with = "json")]
    pub frames: bool,
    /// Put the audio itself into the JSON, in base64
    #[arg(long, requires = "json")]
    pub audio: bool,
}

/// Where to begin in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailFrom {
    /// At the oldest record there is
    Start,
    /// With what comes from now on
    Now,
}

impl TailArgs {
    /// Returns where to begin: what is to end by itself has only what is there already.
    pub fn start(&self) -> TailFrom {
        self.from.unwrap_or(if self.once { TailFrom::Start } else { TailFrom::Now })
    }
}

const TAIL_HELP: &str = "\
Examples:
  sidetone tail
  sidetone tail --conversation c0ffee12 --from start
  sidetone tail --json | jq 'select(.type == \"match\")'
  sidetone tail --json --audio --once > stream.jsonl";

/// What `listen` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = LISTEN_HELP)]
pub struct ListenArgs {
    /// The conversation; the beginning of its id is enough
    #[arg(value_name = "CONVERSATION")]
    pub conversation: ConversationStart,
    /// Where to write
    #[arg(short, long, value_name = "FILE.wav")]
    pub output: PathBuf,
    /// Which audio session, if the conversation has several [default: the longest]
    #[arg(long, value_name = "UUID")]
    pub session: Option<SessionId>,
    /// The organization of the conversation [default: the only one that has it]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
    /// Wait until the call is over
    #[arg(long)]
    pub wait: bool,
}

const LISTEN_HELP: &str = "\
Examples:
  sidetone listen c0ffee12-3456-4789-8abc-def012345678 -o call.wav
  sidetone listen c0ffee12 -o call.wav --wait && ffplay call.wav

Finished calls also lie in the data directory, under recordings, with a JSON file beside each
that says who talked when.";

/// What the command is for, at length.
pub(super) const TAIL_ABOUT: &str = "\
    Follows the stream of the running Sidetone: what happened on each call, in order. Plain, \
    audio is summed up about once a second; as JSON, each record is one object a line. Where no \
    Sidetone runs on the data directory it says so and waits. With --once, a --conversation that \
    is not in the stream is bad input (exit code 2).";

/// What the command is for, at length.
pub(super) const LISTEN_ABOUT: &str = "\
    Writes a conversation's audio to a stereo WAV file: the customer left, the agent right, gaps \
    kept in time, without what fell to nobody of ours. The call may still be running; then it is \
    what there is by now.";
