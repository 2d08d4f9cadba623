//! `sidetone why`.

use clap::Args as ClapArgs;
use sidetone_model::OrganizationId;

use super::value::ConversationStart;

/// What `why` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = WHY_HELP)]
pub struct WhyArgs {
    /// The conversation; of one that is in the stream the beginning of its id is enough
    #[arg(value_name = "CONVERSATION")]
    pub conversation: ConversationStart,
    /// Whose conversation it is [default: whoever has one of that id here]
    #[arg(long, value_name = "UUID")]
    pub organization: Option<OrganizationId>,
}

const WHY_HELP: &str = "\
Examples:
  sidetone why c0ffee12-3456-4789-8abc-def012345678
  sidetone why c0ffee12 --json | jq -r '.cause, .next_step'
  sidetone why c0ffee12 --config sidetone.toml      names users and queues, by asking Genesys
  sidetone why c0ffee12 --json | jq -c '.timeline[]'

Causes: matched, no-agent-yet, not-answered, unknown-user, collision, other-adaptor, inactive,
lookup-failed, duplicate-session, paused-by-flow, tracker-not-running, not-subscribed, never-told,
call-events-without-audio, key-refused, handshake-incomplete, door-cannot-hear, nothing-offered,
connection-lost, door-died, door-shut-down, protocol-violation, probe, never-heard-of.";

/// What the command is for, at length.
pub(super) const LONG_ABOUT: &str = "\
    Says why a conversation was delivered, or was not: the cause in words, what to do next, and \
    its timeline: call events, audio and the door it came by, who was looked up, what matched. \
    Also of a conversation that never came. Of a call without an agent of yours it asks Genesys \
    who answered, and prints the command that provisions the user; without an OAuth client it \
    says that it could not ask. Calls are known for a day, and as long as the stream keeps them.";
