//! Stories of calls that are not one customer, one queue and one agent.
//!
//! Source: genesys-cloud.md, section 3.14.

use sidetone_model::UnmatchedReason;

use super::act::{Act, Expected};
use super::draft::Draft;
use crate::conversation::Beside;

/// One agent of ours calls another. No trunk is involved, so nobody hears it.
pub(super) fn agent_to_agent(draft: &mut Draft) {
    let caller = draft.agent();
    let called = draft.agent_but(caller);
    draft.step(Act::Begins(Some(caller)));
    draft.wait(300..600);
    draft.step(Act::CallsColleague(caller, called));
    draft.wait(2_500..3_500);
    draft.step(Act::Answers(called));
    draft.wait(8_000..12_000);
    let first = if draft.coin() { caller } else { called };
    draft.ends(Act::AgentHangsUp(first), None);
}

/// A dialer reaches a customer and has the call ring at an agent.
pub(super) fn dialer(draft: &mut Draft) {
    let agent = draft.agent();
    draft.step(Act::Begins(None));
    draft.wait(3_000..5_000);
    draft.step(Act::CustomerPicksUp);
    draft.wait(100..300);
    draft.listens(Expected::Matched);
    draft.wait(500..900);
    draft.rings_and_answers_promptly(agent);
    draft.wait(10_000..14_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

/// An agent accepts a callback, reads up on the customer, and calls.
pub(super) fn callback(draft: &mut Draft) {
    let agent = draft.agent();
    draft.step(Act::AsksForCallback);
    draft.wait(600..900);
    draft.step(Act::OffersCallback(agent));
    draft.wait(1_500..2_500);
    draft.step(Act::AcceptsCallback(agent));
    draft.wait(3_000..5_000);
    draft.step(Act::CallsBack(agent));
    draft.wait(700..1_200);
    draft.step(Act::Dials(agent));
    draft.wait(300..600);
    draft.listens(Expected::Matched);
    draft.wait(4_000..6_000);
    draft.step(Act::CustomerAnswers(agent));
    draft.wait(10_000..14_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

/// A supervisor, who is an agent of ours on other days, takes part for a while.
pub(super) fn monitored(draft: &mut Draft) {
    let agent = draft.agent();
    let supervisor = draft.agent_but(agent);
    let beside = draft.any_of(&[Beside::Monitors, Beside::Coaches, Beside::BargesIn]);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    draft.wait(4_000..6_000);
    draft.step(Act::StandsBy(supervisor, beside));
    draft.wait(5_000..7_000);
    draft.step(Act::StandsOff(supervisor));
    draft.wait(4_000..6_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

/// A direct call is declined, so that the box of the agent's answers, which bears the agent's
/// name.
pub(super) fn voicemail(draft: &mut Draft) {
    let agent = draft.agent();
    draft.step(Act::Begins(None));
    draft.wait(250..450);
    draft.listens(Expected::Unmatched(UnmatchedReason::NotAnswered));
    draft.wait(1_200..2_200);
    draft.step(Act::RingsDirectly(agent));
    draft.wait(3_000..4_500);
    draft.step(Act::Declines(agent));
    draft.wait(300..600);
    draft.step(Act::LeavesMessage(agent));
    draft.wait(8_000..12_000);
    draft.ends(Act::CustomerHangsUp, None);
}
