//! The stories, each by its name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sidetone_model::{Direction, Listen, NotOurs, Position, UnmatchedReason};

use super::act::{Act, Discard, Expected};
use super::cast::Standing;
use super::draft::Draft;
use super::{other_calls, troubled};
use crate::voice::Stretch;

/// A story that a simulated call follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// An agent of ours answers shortly after the audio began.
    Answered,
    /// Audio long before the agent.
    Queued,
    /// The agent talks before the audio begins.
    EventFirst,
    /// Genesys tells of the connection two seconds late.
    LateEvent,
    /// Nobody sees it ring, while Sidetone waits paused.
    AutoAnswer,
    /// Nobody sees it ring, while Sidetone listens into its ring.
    AutoAnswerReady,
    /// The agent holds twice.
    Hold,
    /// One agent of ours hands over to another.
    Transfer,
    /// Handed over to somebody who is not ours, then back.
    TransferAway,
    /// One agent of ours asks another, who takes the customer.
    Consult,
    /// One agent of ours asks another, all three talk, and the other leaves.
    Conference,
    /// Sockets and an event bus tell of the same call, each of them twice.
    TwoSources,
    /// An agent of ours calls a customer.
    Outbound,
    /// Somebody answers who is not provisioned; long enough to be labelled.
    UnknownAgent,
    /// Somebody answers whose agent id two users have.
    Collision,
    /// The customer hangs up while it rings.
    Abandoned,
    /// Two sessions of one conversation.
    Twins,
    /// Genesys' own test.
    Probe,
    /// Card numbers are spoken.
    SecurePause,
    /// A slow connect, its backlog, and media that the client had to drop.
    Burst,
    /// An agent of ours calls another; there is no audio.
    AgentToAgent,
    /// A dialer calls a customer and gives the call to an agent of ours.
    Dialer,
    /// An agent accepts a callback and calls the customer later.
    Callback,
    /// A supervisor takes part in a call of an agent of ours.
    Monitored,
    /// An agent of ours declines, and the customer leaves a message.
    Voicemail,
    /// Notifications get lost, and are made up for.
    LostEvent,
    /// The notification channels expire in mid-call.
    ChannelExpiry,
    /// The tracker's token is revoked in mid-call.
    TokenRevoked,
    /// The agent is moved to another adaptor and back while the call goes on.
    MovedAdaptor,
    /// The agent is moved to another adaptor and stays there.
    MovedAway,
    /// Two organizations have the same agents and the same conversation id.
    TwoOrgs,
}

/// A name that no scenario has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario is called {name:?}; there are: all, {}", Scenario::names())]
pub struct UnknownScenario {
    /// The name.
    pub name: String,
}

impl Scenario {
    /// Every scenario, in the order of help texts and reports.
    pub const ALL: [Self; 31] = [
        Self::Answered,
        Self::Queued,
        Self::EventFirst,
        Self::LateEvent,
        Self::AutoAnswer,
        Self::AutoAnswerReady,
        Self::Hold,
        Self::Transfer,
        Self::TransferAway,
        Self::Consult,
        Self::Conference,
        Self::TwoSources,
        Self::Outbound,
        Self::UnknownAgent,
        Self::Collision,
        Self::Abandoned,
        Self::Twins,
        Self::Probe,
        Self::SecurePause,
        Self::Burst,
        Self::AgentToAgent,
        Self::Dialer,
        Self::Callback,
        Self::Monitored,
        Self::Voicemail,
        Self::LostEvent,
        Self::ChannelExpiry,
        Self::TokenRevoked,
        Self::MovedAdaptor,
        Self::MovedAway,
        Self::TwoOrgs,
    ];

    /// Returns every scenario.
    pub const fn all() -> &'static [Self] {
        &Self::ALL
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Queued => "queued",
            Self::EventFirst => "event-first",
            Self::LateEvent => "late-event",
            Self::AutoAnswer => "auto-answer",
            Self::AutoAnswerReady => "auto-answer-ready",
            Self::Hold => "hold",
            Self::Transfer => "transfer",
            Self::TransferAway => "transfer-away",
            Self::Consult => "consult",
            Self::Conference => "conference",
            Self::TwoSources => "two-sources",
            Self::Outbound => "outbound",
            Self::UnknownAgent => "unknown-agent",
            Self::Collision => "collision",
            Self::Abandoned => "abandoned",
            Self::Twins => "twins",
            Self::Probe => "probe",
            Self::SecurePause => "secure-pause",
            Self::Burst => "burst",
            Self::AgentToAgent => "agent-to-agent",
            Self::Dialer => "dialer",
            Self::Callback => "callback",
            Self::Monitored => "monitored",
            Self::Voicemail => "voicemail",
            Self::LostEvent => "lost-event",
            Self::ChannelExpiry => "channel-expiry",
            Self::TokenRevoked => "token-revoked",
            Self::MovedAdaptor => "moved-adaptor",
            Self::MovedAway => "moved-away",
            Self::TwoOrgs => "two-orgs",
        }
    }

    /// Returns one line for help texts.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Answered => "an agent rings, answers, talks, and the call ends",
            Self::Queued => "twenty seconds of queue before an agent is there",
            Self::EventFirst => "the agent already talks when the audio begins",
            Self::LateEvent => "Genesys tells of the answer two seconds late",
            Self::AutoAnswer => "the phone answers by itself, nobody sees it ring",
            Self::AutoAnswerReady => "the same with listen = ready: nothing is missed",
            Self::Hold => "the agent puts the customer on hold, twice",
            Self::Transfer => "an agent hands over to another agent",
            Self::Consult => "an agent asks another, who takes the customer",
            Self::Conference => "an agent asks another, all three talk, one leaves",
            Self::TwoSources => "sockets and an event bus tell the same, twice",
            Self::TransferAway => "handed over to somebody who is not ours, and back",
            Self::Outbound => "an agent calls a customer",
            Self::UnknownAgent => "somebody answers who is not provisioned",
            Self::Collision => "somebody answers whose agent id two users share",
            Self::Abandoned => "the customer hangs up while it rings",
            Self::Twins => "two audio sessions of one conversation",
            Self::Probe => "the test that Genesys makes of a connection",
            Self::SecurePause => "Genesys pauses while card numbers are spoken",
            Self::Burst => "a slow connect with 20 s of backlog, and dropped audio",
            Self::AgentToAgent => "an agent calls another: no audio, but it is told",
            Self::Dialer => "a dialer calls the customer, then rings an agent",
            Self::Callback => "an agent accepts a callback, and calls later",
            Self::Monitored => "a supervisor monitors, coaches or barges in",
            Self::Voicemail => "an agent declines, the voicemail box answers",
            Self::LostEvent => "notifications that never come are made up for",
            Self::ChannelExpiry => "the notification channels expire in mid-call",
            Self::TokenRevoked => "the tracker's token is revoked in mid-call",
            Self::MovedAdaptor => "the agent is moved to another adaptor, and back",
            Self::MovedAway => "the agent is moved to another adaptor for good",
            Self::TwoOrgs => "two organizations with the same agents and conversation id",
        }
    }

    /// Returns how Sidetone has to listen for the scenario's truth to hold.
    pub const fn listen(self) -> Listen {
        if matches!(self, Self::AutoAnswerReady) { Listen::Ready } else { Listen::Matched }
    }

    /// Returns whether it does something that other calls on the same platform would notice, so
    /// that it needs one of its own.
    pub const fn stands_alone(self) -> bool {
        matches!(
            self,
            Self::LostEvent
                | Self::ChannelExpiry
                | Self::TokenRevoked
                | Self::MovedAdaptor
                | Self::MovedAway
                | Self::TwoOrgs
        )
    }

    /// Reads a choice: `all`, or names with commas between them.
    ///
    /// `auto-answer` alone means both of its variants.
    /// Errors: [`UnknownScenario`] for the first name that is none.
    pub fn choose(text: &str) -> Result<Vec<Self>, UnknownScenario> {
        let mut chosen = Vec::new();
        for name in text.split(',').map(str::trim) {
            match name {
                "all" => chosen.extend(Self::ALL),
                "auto-answer" => chosen.extend([Self::AutoAnswer, Self::AutoAnswerReady]),
                name => chosen.push(name.parse()?),
            }
        }
        let mut seen = Vec::new();
        chosen.retain(|scenario| {
            let new = !seen.contains(scenario);
            seen.push(*scenario);
            new
        });
        Ok(chosen)
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    pub(super) fn draft(self, seed: u64) -> Draft {
        // Different stories of one seed are different calls.
        let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(self as u64);
        let goes_out = [Self::Outbound, Self::AgentToAgent, Self::Dialer, Self::Callback];
        let direction =
            if goes_out.contains(&self) { Direction::Outbound } else { Direction::Inbound };
        let mut draft = Draft::new(seed, direction);
        match self {
            Self::Answered => answered(&mut draft),
            Self::Queued => queued(&mut draft),
            Self::EventFirst => event_first(&mut draft),
            Self::LateEvent => late_event(&mut draft),
            Self::AutoAnswer | Self::AutoAnswerReady => auto_answer(&mut draft),
            Self::Hold => hold(&mut draft),
            Self::Transfer => transfer(&mut draft),
            Self::TransferAway => transfer_away(&mut draft),
            Self::Consult => consult(&mut draft),
            Self::Conference => conference(&mut draft),
            Self::TwoSources => two_sources(&mut draft),
            Self::Outbound => outbound(&mut draft),
            Self::UnknownAgent => {
                not_ours(&mut draft, Standing::Unknown, NotOurs::UnknownUser, 135_000..138_000);
            }
            Self::Collision => {
                not_ours(&mut draft, Standing::Colliding, NotOurs::Collision, 12_000..16_000);
            }
            Self::Abandoned => abandoned(&mut draft),
            Self::Twins => twins(&mut draft),
            Self::Probe => probe(&mut draft),
            Self::SecurePause => secure_pause(&mut draft),
            Self::Burst => burst(&mut draft),
            Self::AgentToAgent => other_calls::agent_to_agent(&mut draft),
            Self::Dialer => other_calls::dialer(&mut draft),
            Self::Callback => other_calls::callback(&mut draft),
            Self::Monitored => other_calls::monitored(&mut draft),
            Self::Voicemail => other_calls::voicemail(&mut draft),
            Self::LostEvent => troubled::lost_event(&mut draft),
            Self::ChannelExpiry => troubled::channel_expiry(&mut draft),
            Self::TokenRevoked => troubled::token_revoked(&mut draft),
            Self::MovedAdaptor => troubled::moved_adaptor(&mut draft),
            Self::MovedAway => troubled::moved_away(&mut draft),
            Self::TwoOrgs => troubled::two_orgs(&mut draft),
        }
        draft
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, UnknownScenario> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.as_str() == name);
        found.ok_or_else(|| UnknownScenario { name: name.to_owned() })
    }
}

fn answered(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    draft.wait(12_000..18_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

fn queued(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(50..200);
    draft.listens(Expected::Matched);
    draft.wait(16_000..17_000);
    draft.rings_and_answers(agent);
    draft.wait(10_000..14_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn event_first(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.rings_and_answers(agent);
    draft.wait(1_200..2_500);
    draft.listens(Expected::Matched);
    draft.wait(12_000..16_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

/// Answered by an agent who sat and waited for it.
pub(super) fn prompt(seed: u64) -> Draft {
    let mut draft = Draft::new(seed, Direction::Inbound);
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..200);
    draft.listens(Expected::Matched);
    draft.wait(300..400);
    draft.rings_and_answers_promptly(agent);
    draft.wait(12_000..18_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
    draft
}

/// An agent talks already when the audio begins, and the audio lasts just so long.
pub(super) fn of_length(length: Duration, seed: u64) -> Draft {
    let mut draft = Draft::new(seed, Direction::Inbound);
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.rings_and_answers(agent);
    draft.wait(1_200..2_500);
    draft.listens(Expected::Matched);
    // The call goes on to the next whole millisecond.
    let millis = u64::try_from(length.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    draft.wait(millis..millis + 1);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
    draft.stream(|session| session.ends = session.begins + length);
    draft
}

fn late_event(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.step(Act::Rings(agent));
    draft.wait(3_000..4_000);
    draft.step_told(Act::Answers(agent), 2_000..2_100);
    draft.wait(12_000..16_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn auto_answer(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(5_000..6_500);
    draft.step_told(Act::AnswersAlone(agent), 500..900);
    draft.wait(12_000..16_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

fn hold(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    draft.wait(5_000..7_000);
    draft.is_held(agent, 4_000..6_000);
    draft.wait(4_000..6_000);
    draft.is_held(agent, 2_500..4_000);
    draft.wait(5_000..7_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn transfer(draft: &mut Draft) {
    let first = draft.agent();
    let second = draft.agent_but(first);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(first);
    draft.wait(8_000..11_000);
    draft.is_handed_over(first, second);
    draft.wait(8_000..11_000);
    draft.ends(Act::AgentHangsUp(second), Some(second));
}

fn transfer_away(draft: &mut Draft) {
    let agent = draft.agent();
    let standing = if draft.coin() { Standing::Unknown } else { Standing::Elsewhere };
    let other = draft.one_of(standing);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    draft.wait(7_000..9_000);
    draft.is_handed_over(agent, other);
    draft.wait(7_000..9_000);
    draft.is_handed_over(other, agent);
    draft.wait(7_000..9_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn consult(draft: &mut Draft) {
    let first = draft.agent();
    let second = draft.agent_but(first);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(first);
    draft.wait(5_000..7_000);
    draft.is_muted(first, 2_000..3_000);
    draft.wait(2_000..3_000);
    draft.consults(first, second);
    draft.wait(4_000..6_000);
    draft.step(Act::CompletesConsult(first, second));
    draft.wait(7_000..9_000);
    draft.ends(Act::CustomerHangsUp, Some(second));
}

fn conference(draft: &mut Draft) {
    let first = draft.agent();
    let second = draft.agent_but(first);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(first);
    draft.wait(5_000..7_000);
    draft.consults(first, second);
    draft.wait(2_000..4_000);
    draft.step(Act::Confers(first));
    draft.wait(5_000..7_000);
    draft.step(Act::LeavesConsult(second, first));
    draft.wait(5_000..7_000);
    draft.ends(Act::AgentHangsUp(first), Some(first));
}

/// A hold, of which the bus knows nothing, and two agents.
fn two_sources(draft: &mut Draft) {
    let first = draft.agent();
    let second = draft.agent_but(first);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(first);
    draft.wait(4_000..6_000);
    draft.is_held(first, 2_500..4_000);
    draft.wait(4_000..6_000);
    draft.is_handed_over(first, second);
    draft.wait(6_000..8_000);
    draft.ends(Act::AgentHangsUp(second), Some(second));
}

fn outbound(draft: &mut Draft) {
    let agent = draft.agent();
    draft.step(Act::Begins(Some(agent)));
    draft.wait(700..1_200);
    draft.step(Act::Dials(agent));
    draft.wait(300..600);
    draft.listens(Expected::Matched);
    draft.wait(4_000..6_000);
    draft.step(Act::CustomerAnswers(agent));
    draft.wait(10_000..14_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}

fn not_ours(draft: &mut Draft, standing: Standing, reason: NotOurs, talk: std::ops::Range<u64>) {
    let stranger = draft.one_of(standing);
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Unmatched(UnmatchedReason::NotOurs(reason)));
    draft.wait(1_200..2_200);
    draft.rings_and_answers(stranger);
    draft.wait(talk);
    draft.ends(Act::CustomerHangsUp, Some(stranger));
}

fn abandoned(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Unmatched(UnmatchedReason::NotAnswered));
    draft.wait(8_000..10_000);
    draft.step(Act::Rings(agent));
    draft.wait(3_000..4_500);
    draft.ends(Act::CustomerHangsUp, None);
}

fn twins(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_000..1_500);
    draft.listens(Expected::Unmatched(UnmatchedReason::Duplicate));
    draft.wait(1_000..1_500);
    draft.rings_and_answers(agent);
    draft.wait(12_000..15_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

fn probe(draft: &mut Draft) {
    draft.listens(Expected::Probe);
    let ends = draft.wait(300..600);
    draft.stream(|session| session.ends = ends);
}

fn secure_pause(draft: &mut Draft) {
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(100..400);
    draft.listens(Expected::Matched);
    draft.wait(1_200..2_200);
    draft.rings_and_answers(agent);
    for talk in [5_000..7_000, 3_000..4_000] {
        draft.wait(talk);
        draft.step(Act::SecurePause(true));
        let from = draft.position();
        draft.wait(3_500..5_000);
        draft.step(Act::SecurePause(false));
        let to = draft.position();
        draft.stream(|session| session.pauses.push(Stretch::new(from, to)));
    }
    draft.wait(5_000..7_000);
    draft.ends(Act::AgentHangsUp(agent), Some(agent));
}

fn burst(draft: &mut Draft) {
    /// Almost the 20 s that a client keeps, so that no more is lost if `opened` takes a while.
    const BACKLOG: Duration = Duration::from_millis(19_200);
    let agent = draft.agent();
    draft.customer_calls();
    draft.wait(50..200);
    draft.listens(Expected::Matched);
    let lost = draft.wait(2_000..2_600);
    draft.stream(|session| {
        let lost = lost.saturating_sub(session.begins);
        session.connects_after = lost + BACKLOG;
        let stretch = Stretch::new(Position::ZERO, Position::ZERO.plus(lost));
        session.discards.push(Discard { stretch, stuck: Duration::ZERO });
    });
    draft.wait(1_000..2_000);
    draft.rings_and_answers(agent);
    draft.wait(24_000..26_000);
    // The network is stuck for a while: some of it is dropped, the rest comes at once.
    let from = draft.position();
    draft.wait(1_000..1_600);
    let stretch = Stretch::new(from, draft.position());
    let stuck = Duration::from_millis(1_500);
    draft.stream(|session| session.discards.push(Discard { stretch, stuck }));
    draft.wait(8_000..10_000);
    draft.ends(Act::CustomerHangsUp, Some(agent));
}
