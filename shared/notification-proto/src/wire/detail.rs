//! Detail events of a conversation: deltas, of which each says one thing.
//!
//! A delta is kept as a value, and what a set of them says is a [`Snapshot`] of moments: it does
//! not matter in which order they came, or how often. They know less than a conversation's own
//! state does. That a user's leg begins is not that it was answered; when it was is told by the
//! end of the queue's leg, by the state of the agent's session, or by the durations of the end.
//! Source: docs/wire/notification.md, "Detail events".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{ConversationId, EventSource, Hold, Timestamp, UserId};

use super::conversation::{AfterCallWork, Call, Participant, Snapshot};
use super::loose;
use super::value::{CallState, Purpose};

/// How much later than an answer told by the queue's leg a user's leg may seem to begin: the
/// two have different clocks.
const ANSWER_SLACK: Duration = Duration::from_secs(1);

/// One thing that a detail event says of a voice call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delta {
    /// When it happened, by Genesys' clock.
    pub at: Timestamp,
    session: Option<Box<str>>,
    participant: Option<Box<str>>,
    user: Option<UserId>,
    queue: Option<Box<str>>,
    direction: Option<Box<str>>,
    what: What,
}

/// What a detail event says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// A user's leg begins: it rings, or dials.
    UserStarts,
    /// A user's leg is over.
    UserEnds { reason: Option<Box<str>>, talked: Option<Duration> },
    /// The queue's leg is over because the user answered.
    Answered,
    /// A user's work after the call is done.
    Worked { lasted: Duration },
    /// A customer's leg begins.
    CustomerStarts,
    /// A customer's leg is over.
    CustomerEnds { reason: Option<Box<str>> },
    /// A user's leg is in a state from `at` on.
    State(State),
}

/// The state of a user's leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Waits,
    Talks,
    Holds,
    Works,
    /// Listens in on another's call.
    Beside,
    Gone,
}

/// The body of a detail event, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DetailBody {
    #[serde(deserialize_with = "loose::moment")]
    event_time: Option<Timestamp>,
    #[serde(deserialize_with = "loose::parsed")]
    conversation_id: Option<ConversationId>,
    #[serde(deserialize_with = "loose::text")]
    participant_id: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    session_id: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    media_type: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    direction: Option<Box<str>>,
    #[serde(deserialize_with = "loose::parsed")]
    user_id: Option<UserId>,
    #[serde(deserialize_with = "loose::text")]
    queue_id: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    disconnect_type: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    acd_outcome: Option<Box<str>>,
    #[serde(deserialize_with = "loose::parsed")]
    answered_user_id: Option<UserId>,
    #[serde(deserialize_with = "loose::millis")]
    interacting_duration_ms: Option<Duration>,
    #[serde(deserialize_with = "loose::millis")]
    held_duration_ms: Option<Duration>,
    #[serde(deserialize_with = "loose::millis")]
    wrapup_duration_ms: Option<Duration>,
    #[serde(deserialize_with = "loose::moment")]
    current_state_start: Option<Timestamp>,
    #[serde(deserialize_with = "loose::text")]
    current_state: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    originating_direction: Option<Box<str>>,
}

/// What is known of one session.
#[derive(Default)]
struct Told {
    participant: Option<Box<str>>,
    user: Option<UserId>,
    queue: Option<Box<str>>,
    direction: Option<Box<str>>,
    customer: bool,
    beside: bool,
    began_at: Option<Timestamp>,
    talks_from: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    reason: Option<Box<str>>,
    work: AfterCallWork,
    /// From when on it was held, or was not.
    states: BTreeMap<Timestamp, State>,
}

impl Delta {
    /// Reads the body of `v2.detail.events.conversation.{id}.<kind>`, or of
    /// `v2.detail.events.agent.{id}.state`; nothing if it says nothing of a voice call's legs.
    pub(super) fn read(kind: &str, body: DetailBody) -> Option<(ConversationId, Self)> {
        let conversation = body.conversation_id?;
        if body.media_type.as_deref().is_some_and(|it| !it.eq_ignore_ascii_case("voice")) {
            return None;
        }
        let mut user = body.user_id;
        let mut at = body.event_time;
        let what = match kind {
            "user.start" => What::UserStarts,
            "user.end" => {
                let (talk, hold) = (body.interacting_duration_ms, body.held_duration_ms);
                let talked = talk.unwrap_or_default() + hold.unwrap_or_default();
                let talked = (talked > Duration::ZERO).then_some(talked);
                What::UserEnds { reason: body.disconnect_type, talked }
            }
            "acd.end" => {
                let outcome = body.acd_outcome?;
                user = outcome.eq_ignore_ascii_case("answered").then_some(body.answered_user_id)?;
                What::Answered
            }
            "acw" => What::Worked { lasted: body.wrapup_duration_ms.unwrap_or_default() },
            "customer.start" => What::CustomerStarts,
            "customer.end" => What::CustomerEnds { reason: body.disconnect_type },
            "state" => {
                at = body.current_state_start;
                What::State(State::read(body.current_state.as_deref()?)?)
            }
            // Queues, flows, voicemail boxes, campaigns, attributes: no legs of ours.
            _ => return None,
        };
        let concerns_user = !matches!(what, What::CustomerStarts | What::CustomerEnds { .. });
        if concerns_user && user.is_none() {
            return None;
        }
        let delta = Self {
            at: at?,
            session: body.session_id,
            participant: body.participant_id,
            user: user.filter(|_| concerns_user),
            queue: body.queue_id,
            direction: body.direction.or(body.originating_direction),
            what,
        };
        Some((conversation, delta))
    }
}

impl State {
    fn read(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "alert" | "contacting" | "dialing" => Self::Waits,
            "interact" => Self::Talks,
            "hold" | "parked" => Self::Holds,
            "wrapup" => Self::Works,
            "monitoring" | "coaching" | "barging" => Self::Beside,
            "terminated" => Self::Gone,
            _ => return None,
        })
    }
}

/// Returns what a conversation's deltas say of it, as far as they came.
pub fn snapshot_of_deltas(conversation: ConversationId, deltas: &BTreeSet<Delta>) -> Snapshot {
    let mut sessions: BTreeMap<Box<str>, Told> = BTreeMap::new();
    for delta in deltas {
        // The end of a queue's leg names its own session.
        let Some(id) = delta.session.clone().filter(|_| delta.what != What::Answered) else {
            continue;
        };
        sessions.entry(id).or_default().take(delta);
    }
    for answer in deltas.iter().filter(|delta| delta.what == What::Answered) {
        let fits = |told: &&mut Told| {
            told.user == answer.user
                && told.began_at.is_some_and(|began| began <= answer.at + ANSWER_SLACK)
                && told.ended_at.is_none_or(|end| end > answer.at)
        };
        let rung = sessions.values_mut().filter(fits).max_by_key(|told| told.began_at);
        if let Some(told) = rung {
            told.talks(answer.at);
        }
    }
    let participants = sessions.into_iter().map(|(id, told)| told.into_participant(id)).collect();
    Snapshot { conversation, participants, source: EventSource::EventBus, whole: false }
}

impl Told {
    fn take(&mut self, delta: &Delta) {
        fn first<T: Clone>(known: &mut Option<T>, told: &Option<T>) {
            *known = known.take().or_else(|| told.clone());
        }
        first(&mut self.participant, &delta.participant);
        first(&mut self.user, &delta.user);
        first(&mut self.queue, &delta.queue);
        first(&mut self.direction, &delta.direction);
        match &delta.what {
            What::UserStarts => self.begins(delta.at),
            What::UserEnds { reason, talked } => {
                self.ends(delta.at);
                first(&mut self.reason, reason);
                if let Some(talked) = talked {
                    self.talks(delta.at - *talked);
                }
            }
            What::Answered => self.talks(delta.at),
            What::Worked { lasted } => {
                self.work.from = Some(delta.at - *lasted);
                self.work.to = Some(delta.at);
            }
            What::CustomerStarts => {
                self.customer = true;
                self.begins(delta.at);
            }
            What::CustomerEnds { reason } => {
                self.customer = true;
                self.ends(delta.at);
                first(&mut self.reason, reason);
            }
            What::State(state) => self.take_state(delta.at, *state),
        }
    }

    fn take_state(&mut self, at: Timestamp, state: State) {
        self.states.insert(at, state);
        match state {
            State::Waits => self.begins(at),
            State::Talks | State::Holds => self.talks(at),
            State::Works => {
                self.ends(at);
                self.work.from = Some(self.work.from.map_or(at, |known| known.min(at)));
            }
            State::Beside => self.beside = true,
            State::Gone => {
                self.ends(at);
                // The session outlives the call by the work after it.
                if self.states.values().any(|state| *state == State::Works) {
                    self.work.to = Some(self.work.to.map_or(at, |known| known.min(at)));
                }
            }
        }
    }

    fn begins(&mut self, at: Timestamp) {
        self.began_at = Some(self.began_at.map_or(at, |known| known.min(at)));
    }

    fn talks(&mut self, at: Timestamp) {
        self.talks_from = Some(self.talks_from.map_or(at, |known| known.min(at)));
    }

    fn ends(&mut self, at: Timestamp) {
        self.ended_at = Some(self.ended_at.map_or(at, |known| known.min(at)));
    }

    fn is_outbound(&self) -> bool {
        self.direction.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("outbound"))
    }

    fn into_participant(self, id: Box<str>) -> Participant {
        let holds = self.holds();
        // Who calls in is there from the start; who is called answers at some moment that
        // nothing tells.
        let customer_from = self.began_at.filter(|_| self.customer && !self.is_outbound());
        let talks_from = self.talks_from;
        let connected_at = talks_from.or(customer_from);
        let state = match (connected_at, self.ended_at) {
            (_, Some(_)) => CallState::Terminated,
            (Some(_), None) => CallState::Connected,
            (None, None) if self.is_outbound() => CallState::Contacting,
            (None, None) if self.began_at.is_some() => CallState::Alerting,
            // Such as work after a call of which nothing else came.
            (None, None) => CallState::Other,
        };
        let call = Call {
            id: Some(id),
            state: Some(state),
            direction: self.direction,
            alerting_at: self.began_at.filter(|_| !self.customer),
            talks_from,
            connected_at,
            ended_at: self.ended_at,
            disconnect_type: self.reason,
            hold_history: holds,
            work: self.work,
            ..Call::default()
        };
        Participant {
            id: self.participant.clone(),
            user: self.user,
            purpose: Some(if self.customer { Purpose::Customer } else { Purpose::Agent }),
            queue: self.queue,
            monitored: self.participant.filter(|_| self.beside),
            calls: vec![call],
            ..Participant::default()
        }
    }

    fn holds(&self) -> Vec<Hold> {
        let mut holds = Vec::new();
        for (from, _) in self.states.iter().filter(|(_, state)| **state == State::Holds) {
            let next = self.states.range(*from + Duration::from_micros(1)..).next();
            // The end of a leg ends a hold without a return.
            let to = next.filter(|(_, state)| **state == State::Talks).map(|(at, _)| *at);
            holds.push(Hold { from: *from, to });
        }
        holds
    }
}
