//! Stories in which Genesys itself, or the way to it, fails in mid-call.
//!
//! A tracker looks calls through right after it has started, and not again for 20 s. So trouble
//! comes after that time, and before the second look half a minute after the first: when
//! whatever happens is found at once.
//! Source: genesys-cloud.md, sections 3.4, 3.6 and 4.4.

use std::ops::Range;

use sidetone_model::Adaptor;

use super::act::{Act, Expected, Trouble};
use super::cast::Person;
use super::draft::Draft;

/// When trouble comes. Units: milliseconds of the call, which begins with the tracker.
const TROUBLE: Range<u64> = 23_200..23_800;

/// The word of an answer gets lost and the next one repeats it; later the network fails while
/// the customer is handed over, and what nobody was told is found.
pub(super) fn lost_event(draft: &mut Draft) {
    let first = draft.agent();
    let second = draft.agent_but(first);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.step(Act::Rings(first));
    draft.wait(3_000..4_000);
    draft.step_lost(Act::Answers(first));
    draft.wait(2_500..3_500);
    draft.is_held(first, 4_000..6_000);
    draft.wait_until(TROUBLE);
    draft.trouble(Trouble::SocketsFallSilent);
    draft.wait(100..300);
    draft.step_lost(Act::Transfers(first, second));
    draft.wait(1_500..2_000);
    draft.step_lost(Act::Answers(second));
    draft.wait(600..1_000);
    draft.trouble(Trouble::SocketsBreak);
    draft.wait(9_000..12_000);
    draft.ends(Act::AgentHangsUp(second), Some(second));
}

/// The channels expire, and at the same moment the agent puts the customer on hold.
pub(super) fn channel_expiry(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(10_000..12_000);
    draft.rings_and_answers(agent);
    draft.wait_until(TROUBLE);
    draft.trouble(Trouble::ChannelsExpire);
    draft.wait(50..150);
    draft.step(Act::Holds(agent));
    draft.wait(7_000..9_000);
    draft.step(Act::Retrieves(agent));
    draft.wait(6_000..8_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

/// The token is revoked while it rings, and the agent answers at the same moment.
pub(super) fn token_revoked(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait_until(20_000..20_500);
    draft.step(Act::Rings(agent));
    draft.wait_until(TROUBLE);
    draft.trouble(Trouble::TokensRevoked);
    draft.wait(50..150);
    draft.step(Act::Answers(agent));
    draft.wait(8_000..10_000);
    draft.is_held(agent, 3_000..4_000);
    draft.wait(5_000..7_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

/// The agent is moved to another telephony platform in mid-call, and later back.
pub(super) fn moved_adaptor(draft: &mut Draft) {
    let agent = moved(draft);
    draft.trouble(Trouble::Moves(agent, Adaptor::GenesysCloud));
    draft.wait(38_000..42_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

/// The agent is moved to another telephony platform in mid-call; what was heard before stays.
pub(super) fn moved_away(draft: &mut Draft) {
    let agent = moved(draft);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn moved(draft: &mut Draft) -> &'static Person {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    draft.wait(7_000..9_000);
    draft.trouble(Trouble::Moves(agent, Adaptor::Avaya));
    draft.wait(38_000..42_000);
    agent
}

/// Played in two organizations, one some seconds behind the other: what one of them was told of
/// the other would be seen as an agent who rings, talks or leaves at the wrong time.
pub(super) fn two_orgs(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(50..200);
    draft.listens(Expected::Matched);
    draft.wait(7_000..8_000);
    draft.rings_and_answers(agent);
    draft.wait(8_000..10_000);
    draft.is_held(agent, 2_500..3_500);
    draft.wait(4_000..6_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}
