//! Whose audio is whose in one session, from the call events received so far.
//!
//! Events may come late and correct what was said before; the last one received for a
//! (communication, kind, ordinal) counts.

use std::collections::BTreeMap;

use sidetone_delivery_wire as wire;
use sidetone_model::{
    AgentId, CallEventKind, CommunicationId, Direction, ParticipantId, Position, Segment, Span,
    Timeline, Timestamp, UserId,
};

/// A moment in both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the wall clock.
    pub at: Timestamp,
    /// In the media; zero for what came before the session.
    pub position: Position,
}

/// How a leg ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegEnd {
    /// Where.
    pub moment: Moment,
    /// Why, as the stream says it; empty if it does not.
    pub reason: Box<str>,
    /// How the agent handed the customer on, as the stream says it; absent if the agent did
    /// not, empty if how is not known.
    pub transfer: Option<&'static str>,
}

/// A Genesys user's part in the conversation, in media time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLeg {
    /// The leg.
    pub communication: CommunicationId,
    /// The participant entry.
    pub participant: ParticipantId,
    /// The Genesys user, if the stream says who.
    pub user: Option<UserId>,
    /// Which way the call was set up, if the stream says.
    pub direction: Option<Direction>,
    /// The queue it came through.
    pub queue: Option<Box<str>>,
    events: BTreeMap<(CallEventKind, u32), LegEvent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LegEvent {
    moment: Moment,
    agent: Option<AgentId>,
    end_reason: Box<str>,
    transfer: &'static str,
    late: bool,
}

/// A stretch of an agent's leg: a hold, a mute, a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegStretch {
    /// The leg.
    pub communication: CommunicationId,
    /// The agent.
    pub agent: AgentId,
    /// Where it began.
    pub from: Position,
    /// Where it was over or the leg ended; absent while it lasts.
    pub to: Option<Position>,
}

/// The call events of one session, and what follows from them.
#[derive(Debug, Clone, Default)]
pub struct Attribution {
    legs: BTreeMap<CommunicationId, MediaLeg>,
    timeline: Timeline,
    revision: u64,
}

impl Attribution {
    /// Takes a call event, in the order received.
    ///
    /// Returns the first position whose owner it changed, if it changed any. Events of a kind
    /// that this version does not know are nothing.
    pub fn apply(&mut self, event: &wire::CallEvent) -> Option<Position> {
        let kind = kind_of(event.kind())?;
        let communication = CommunicationId::new(event.communication_id.as_str());
        let leg = self.legs.entry(communication.clone()).or_insert_with(|| MediaLeg {
            communication,
            participant: ParticipantId::new(event.participant_id.as_str()),
            user: None,
            direction: None,
            queue: None,
            events: BTreeMap::new(),
        });
        leg.take(kind, event);
        let timeline = Timeline::new(self.legs.values().filter_map(MediaLeg::span));
        let changed = first_difference(&self.timeline, &timeline);
        if changed.is_some() {
            self.revision += 1;
            self.timeline = timeline;
        }
        changed
    }

    /// Returns how often the owner of any position changed; ask again when it grows.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns who owns which media.
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Returns the stretches of each agent, in order.
    pub fn segments(&self) -> &[Segment] {
        self.timeline.segments()
    }

    /// Returns whose the media from `from` to `to` is.
    pub fn owner_of(&self, from: Position, to: Position) -> Option<&Segment> {
        self.timeline.owner_of(from, to)
    }

    /// Returns what of the media from `from` to `to` belongs to an agent of ours, in order.
    pub fn owned(
        &self,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = (Position, Position)> {
        self.timeline.owned(from, to)
    }

    /// Returns every leg, ours or not, in order of its id.
    pub fn legs(&self) -> impl Iterator<Item = &MediaLeg> {
        self.legs.values()
    }

    /// Returns the holds of our agents, in order.
    pub fn holds(&self) -> Vec<LegStretch> {
        self.stretches(CallEventKind::Held, CallEventKind::Retrieved)
    }

    /// Returns when our agents were muted, in order.
    pub fn mutes(&self) -> Vec<LegStretch> {
        self.stretches(CallEventKind::Muted, CallEventKind::Unmuted)
    }

    /// Returns when our agents talked with more than one other, in order.
    pub fn conferences(&self) -> Vec<LegStretch> {
        self.stretches(CallEventKind::ConferenceStarted, CallEventKind::ConferenceEnded)
    }

    fn stretches(&self, begin: CallEventKind, end: CallEventKind) -> Vec<LegStretch> {
        let legs = self.legs.values();
        let mut all: Vec<LegStretch> = legs.flat_map(|leg| leg.stretches(begin, end)).collect();
        all.sort_by(|a, b| (a.from, &a.communication).cmp(&(b.from, &b.communication)));
        all
    }
}

impl MediaLeg {
    /// Returns the agent of ours whose leg it is, as far as is known.
    ///
    /// Who it was when the leg started decides; before that, who it rings at.
    pub fn agent(&self) -> Option<&AgentId> {
        match self.event(CallEventKind::Started) {
            Some(started) => started.agent.as_ref(),
            None => self.events.values().find_map(|event| event.agent.as_ref()),
        }
    }

    /// Returns when it began to ring.
    pub fn ringing(&self) -> Option<Moment> {
        self.event(CallEventKind::Ringing).map(|event| event.moment)
    }

    /// Returns when agent and customer were connected.
    pub fn started(&self) -> Option<Moment> {
        self.event(CallEventKind::Started).map(|event| event.moment)
    }

    /// Returns how it ended.
    pub fn end(&self) -> Option<LegEnd> {
        let transferred = self.event(CallEventKind::Transferred);
        let ended = self.event(CallEventKind::Ended)?;
        let reason = match transferred {
            Some(event) if ended.end_reason.is_empty() => event.end_reason.clone(),
            Some(_) | None => ended.end_reason.clone(),
        };
        let transfer = transferred.map(|event| event.transfer);
        Some(LegEnd { moment: ended.moment, reason, transfer })
    }

    /// Returns whether it was first heard of when it was connected already, or over.
    pub fn is_late(&self) -> bool {
        self.events.values().any(|event| event.late)
    }

    /// Returns where it is in the media, if it is an agent's and was connected.
    pub fn span(&self) -> Option<Span> {
        let started = self.event(CallEventKind::Started)?;
        Some(Span {
            communication: self.communication.clone(),
            agent: started.agent.clone()?,
            from: started.moment.position,
            to: self.event(CallEventKind::Ended).map(|event| event.moment.position),
        })
    }

    fn stretches(&self, begin: CallEventKind, end: CallEventKind) -> Vec<LegStretch> {
        let Some(span) = self.span() else { return Vec::new() };
        self.events
            .range((begin, 0)..=(begin, u32::MAX))
            .map(|((_, ordinal), begun)| {
                let over = self.events.get(&(end, *ordinal));
                let back = over.map(|event| event.moment.position);
                let to = match (back, span.to) {
                    (Some(back), Some(end)) => Some(back.min(end)),
                    (back, end) => back.or(end),
                };
                LegStretch {
                    communication: self.communication.clone(),
                    agent: span.agent.clone(),
                    from: begun.moment.position,
                    to,
                }
            })
            // What seems to end before it began lasted no time.
            .filter(|one| one.to.is_none_or(|to| to > one.from))
            .collect()
    }

    fn event(&self, kind: CallEventKind) -> Option<&LegEvent> {
        self.events.get(&(kind, 0))
    }

    fn take(&mut self, kind: CallEventKind, event: &wire::CallEvent) {
        let text = |text: &str| (!text.is_empty()).then(|| Box::<str>::from(text));
        if let Ok(user) = event.user_id.parse() {
            self.user = Some(user);
        }
        match event.direction() {
            wire::Direction::Inbound => self.direction = Some(Direction::Inbound),
            wire::Direction::Outbound => self.direction = Some(Direction::Outbound),
            wire::Direction::Unspecified => {}
        }
        if let Some(queue) = text(&event.queue_id) {
            self.queue = Some(queue);
        }
        let ordinal = if kind.is_counted() { event.ordinal } else { 0 };
        let event = LegEvent {
            moment: Moment {
                at: Timestamp::from_micros(event.at_us),
                position: Position::from_samples(event.position),
            },
            agent: text(&event.agent_id).map(AgentId::new),
            end_reason: event.end_reason.as_str().into(),
            transfer: wire::transfer_name(event.transfer()),
            late: event.late,
        };
        self.events.insert((kind, ordinal), event);
    }
}

const fn kind_of(kind: wire::CallEventKind) -> Option<CallEventKind> {
    match kind {
        wire::CallEventKind::Unspecified => None,
        wire::CallEventKind::Ringing => Some(CallEventKind::Ringing),
        wire::CallEventKind::Started => Some(CallEventKind::Started),
        wire::CallEventKind::Held => Some(CallEventKind::Held),
        wire::CallEventKind::Retrieved => Some(CallEventKind::Retrieved),
        wire::CallEventKind::Transferred => Some(CallEventKind::Transferred),
        wire::CallEventKind::Ended => Some(CallEventKind::Ended),
        wire::CallEventKind::Muted => Some(CallEventKind::Muted),
        wire::CallEventKind::Unmuted => Some(CallEventKind::Unmuted),
        wire::CallEventKind::ConferenceStarted => Some(CallEventKind::ConferenceStarted),
        wire::CallEventKind::ConferenceEnded => Some(CallEventKind::ConferenceEnded),
        wire::CallEventKind::WrapUpStarted => Some(CallEventKind::WrapUpStarted),
        wire::CallEventKind::WrapUpEnded => Some(CallEventKind::WrapUpEnded),
    }
}

/// Returns the first position that two timelines give to different owners.
fn first_difference(one: &Timeline, other: &Timeline) -> Option<Position> {
    let mut ones = one.segments().iter();
    let mut others = other.segments().iter();
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return None,
            (Some(only), None) | (None, Some(only)) => return Some(only.from),
            (Some(a), Some(b)) if a.from != b.from => return Some(a.from.min(b.from)),
            (Some(a), Some(b)) if (&a.agent, &a.communication) != (&b.agent, &b.communication) => {
                return Some(a.from);
            }
            (Some(a), Some(b)) if a.to != b.to => return a.to.into_iter().chain(b.to).min(),
            (Some(_), Some(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::CallEventKind::{Ended, Held, Retrieved, Ringing, Started, Transferred};

    use super::*;
    use crate::testing::event;

    fn ms(millis: u64) -> Position {
        Position::from_millis(millis)
    }

    fn applied(events: &[wire::CallEvent]) -> Attribution {
        let mut attribution = Attribution::default();
        for event in events {
            attribution.apply(event);
        }
        attribution
    }

    fn segments(attribution: &Attribution) -> Vec<(&str, u64, Option<u64>)> {
        attribution
            .segments()
            .iter()
            .map(|one| (one.agent.as_str(), one.from.as_millis(), one.to.map(Position::as_millis)))
            .collect()
    }

    #[test]
    fn the_last_event_received_of_a_kind_counts() {
        let mut attribution =
            applied(&[event(Ringing, "l1", "ada", 0), event(Started, "l1", "ada", 1_000)]);
        assert_eq!(segments(&attribution), [("ada", 1_000, None)]);
        assert_eq!(attribution.revision(), 1);
        assert_eq!(attribution.apply(&event(Started, "l1", "ada", 800)), Some(ms(800)));
        assert_eq!(segments(&attribution), [("ada", 800, None)]);
        assert_eq!(attribution.apply(&event(Started, "l1", "ada", 800)), None);
        assert_eq!(attribution.revision(), 2);
    }

    #[test]
    fn a_leg_that_turns_out_to_be_anothers_changes_from_its_start() {
        let mut attribution = applied(&[event(Started, "l1", "ada", 1_000)]);
        assert_eq!(attribution.apply(&event(Ended, "l1", "ada", 3_000)), Some(ms(3_000)));
        assert_eq!(attribution.apply(&event(Started, "l2", "bo", 3_000)), Some(ms(3_000)));
        assert_eq!(segments(&attribution), [("ada", 1_000, Some(3_000)), ("bo", 3_000, None)]);
        assert_eq!(attribution.apply(&event(Started, "l1", "", 1_000)), Some(ms(1_000)));
        assert_eq!(segments(&attribution), [("bo", 3_000, None)]);
    }

    #[test]
    fn somebody_elses_leg_owns_nothing_and_is_still_told() {
        let attribution =
            applied(&[event(Started, "l1", "", 1_000), event(Ended, "l1", "", 2_000)]);
        assert_eq!(segments(&attribution), []);
        let leg = attribution.legs().next().expect("one leg");
        assert_eq!(leg.agent(), None);
        assert_eq!(leg.started().map(|moment| moment.position), Some(ms(1_000)));
        assert_eq!(leg.end().map(|end| end.moment.position), Some(ms(2_000)));
    }

    #[test]
    fn holds_end_with_the_return_or_the_leg() {
        let second = wire::CallEvent { ordinal: 1, ..event(Held, "l1", "ada", 5_000) };
        let mut attribution = applied(&[
            event(Started, "l1", "ada", 1_000),
            event(Held, "l1", "ada", 2_000),
            event(Retrieved, "l1", "ada", 3_000),
            second,
        ]);
        let holds = |attribution: &Attribution| -> Vec<(u64, Option<u64>)> {
            let holds = attribution.holds();
            holds.iter().map(|h| (h.from.as_millis(), h.to.map(Position::as_millis))).collect()
        };
        assert_eq!(holds(&attribution), [(2_000, Some(3_000)), (5_000, None)]);
        attribution.apply(&event(Transferred, "l1", "ada", 7_000));
        attribution.apply(&event(Ended, "l1", "ada", 7_000));
        assert_eq!(holds(&attribution), [(2_000, Some(3_000)), (5_000, Some(7_000))]);
        let end = attribution.legs().next().and_then(MediaLeg::end).expect("ended");
        assert_eq!(end.transfer, Some(""));
    }

    #[test]
    fn a_kind_from_the_future_is_nothing() {
        let unknown = wire::CallEvent { kind: 99, ..event(Started, "l1", "ada", 0) };
        let attribution = applied(&[unknown]);
        assert_eq!(attribution.legs().count(), 0);
    }
}
