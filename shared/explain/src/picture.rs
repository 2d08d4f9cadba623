//! The facts put together: what doors wrote, what the tracker wrote, what the stream was told.
//!
//! Stores forget after a day, the stream may keep longer or shorter: each fills what the other
//! has not.

use std::collections::{BTreeMap, btree_map};
use std::time::Duration;

use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::Body;
use sidetone_model::{
    AgentId, Attribution, BreachReport, CallEventKind, DoorKind, EndCause, Leg, NotOurs,
    RefusalReport, SessionEnd, SessionId, SessionItem, SessionPhase, Timestamp, TrackerReport,
    UnheardReason,
};

use crate::facts::{Audio, Facts, Told};

/// Two sessions of one call end together, give or take.
const TOGETHER: Duration = Duration::from_secs(2);

/// A tracker that lives says so several times a minute.
const SILENT_AFTER: Duration = Duration::from_secs(90);

/// How long after a call a tracker may begin to listen: it asks for what it missed.
const MADE_GOOD: Duration = Duration::from_secs(60);

/// How long before its first event, and after its last, a call may have knocked at a door.
const KNOCKED_AROUND: Duration = Duration::from_secs(60);

/// A Genesys user on the call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) communication: String,
    pub(crate) user: String,
    pub(crate) attribution: Attribution,
    /// When that was found out; not known of what only the stream remembers.
    pub(crate) looked_up_at: Option<Timestamp>,
    pub(crate) queue: Option<String>,
    pub(crate) events: Vec<(CallEventKind, Timestamp)>,
    pub(crate) end_reason: Option<String>,
    /// How it was heard of; not known of what only the stream remembers.
    pub(crate) sources: Vec<&'static str>,
    pub(crate) late: bool,
}

/// An audio session of the call.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) participant: String,
    pub(crate) door: DoorKind,
    pub(crate) unheard: Option<UnheardReason>,
    pub(crate) opened_at: Timestamp,
    pub(crate) end: Option<SessionEnd>,
    /// Whether its door holds it and lives.
    pub(crate) live: bool,
    /// What the stream was told of its match last.
    pub(crate) told: Option<wire::Match>,
    /// Whether the call's own flow ever paused it, and whether that is in force.
    pub(crate) flow_paused: bool,
    pub(crate) flow_pauses: bool,
    pub(crate) audio: Option<Audio>,
}

/// The facts put together, with one session in focus or all.
#[derive(Debug)]
pub(crate) struct Picture<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) calls: Vec<Call>,
    pub(crate) sessions: Vec<Session>,
    focus: Option<usize>,
}

impl Call {
    pub(crate) fn at(&self, kind: CallEventKind) -> Option<Timestamp> {
        self.events.iter().find(|(its, _)| *its == kind).map(|(_, at)| *at)
    }

    pub(crate) fn connected_at(&self) -> Option<Timestamp> {
        self.at(CallEventKind::Started)
    }

    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        self.at(CallEventKind::Ended)
    }

    pub(crate) const fn agent(&self) -> Option<&AgentId> {
        self.attribution.agent()
    }

    /// Returns when the user came onto the call.
    fn came_at(&self) -> Option<Timestamp> {
        self.events.iter().map(|(_, at)| *at).min()
    }
}

impl Session {
    /// Returns whether some of what was said while `call` was connected could be heard.
    fn covers(&self, call: &Call) -> bool {
        let Some(connected) = call.connected_at() else { return false };
        let begun = call.ended_at().is_none_or(|ended| self.opened_at < ended);
        begun && self.end.is_none_or(|end| connected < end.at)
    }

    /// Returns whether another session of the same participant went first for all of this
    /// one's life.
    fn is_behind(&self, other: &Self) -> bool {
        let outlived = match (other.end, self.end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(theirs), Some(own)) => theirs.at + TOGETHER >= own.at,
        };
        self.participant == other.participant
            && (other.opened_at, other.id) < (self.opened_at, self.id)
            && outlived
    }
}

impl<'f> Picture<'f> {
    pub(crate) fn new(facts: &'f Facts) -> Self {
        Self { facts, calls: calls(facts), sessions: sessions(facts), focus: None }
    }

    /// Looks at one session alone.
    pub(crate) const fn focus_on(&mut self, session: Option<usize>) {
        self.focus = session;
    }

    /// Returns the sessions that are looked at.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &Session> {
        let focus = self.focus;
        let numbered = self.sessions.iter().enumerate();
        numbered.filter(move |(at, _)| focus.is_none_or(|one| one == *at)).map(|(_, one)| one)
    }

    /// Returns the agents of ours on the call, each with what is known of the part.
    pub(crate) fn ours(&self) -> impl Iterator<Item = (&Call, &AgentId)> {
        self.calls.iter().filter_map(|call| call.agent().map(|agent| (call, agent)))
    }

    /// Returns the agents of ours who talked.
    pub(crate) fn talkers(&self) -> impl Iterator<Item = (&Call, &AgentId)> {
        self.ours().filter(|(call, _)| call.connected_at().is_some())
    }

    /// Returns whether a session that is looked at was there while an agent of ours talked.
    pub(crate) fn is_matched(&self) -> bool {
        self.talkers().any(|(call, _)| self.heard().any(|session| session.covers(call)))
    }

    /// Returns the last who came and is not ours, with why.
    pub(crate) fn stranger(&self) -> Option<(&Call, NotOurs)> {
        let strangers = self.calls.iter().filter_map(|call| match &call.attribution {
            Attribution::NotOurs(reason) => Some((call, *reason)),
            Attribution::Ours(_) => None,
        });
        strangers.max_by_key(|(call, _)| call.came_at())
    }

    pub(crate) fn ended_by(&self, cause: EndCause) -> bool {
        self.heard().any(|session| session.end.is_some_and(|end| end.cause == cause))
    }

    /// Returns whether a session's connection was lost and no other took its place.
    pub(crate) fn is_cut_off(&self) -> bool {
        let lost = |session: &&Session| {
            session.end.is_some_and(|end| match end.cause {
                EndCause::ConnectionLost | EndCause::Timeout => true,
                EndCause::Closed | EndCause::Violation | EndCause::Lost | EndCause::Shutdown => {
                    false
                }
            })
        };
        self.heard().filter(lost).any(|session| !self.is_followed(session))
    }

    fn is_followed(&self, session: &Session) -> bool {
        self.sessions.iter().any(|other| {
            other.id != session.id
                && session.end.is_some_and(|end| other.end.is_none_or(|its| its.at > end.at))
        })
    }

    /// Returns whether a door that held a session died without saying how it ended.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.ended_by(EndCause::Lost)
            || self.heard().any(|session| session.end.is_none() && !session.live)
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        let Some(session) = self.focus.and_then(|at| self.sessions.get(at)) else {
            return false;
        };
        match &session.told {
            Some(told) => told.reason == "duplicate",
            None => self.sessions.iter().any(|other| session.is_behind(other)),
        }
    }

    /// Returns how the tracker was doing, if it ran when it had to hear of this call.
    pub(crate) fn tracker(&self) -> Option<&TrackerReport> {
        let until = self.last_moment();
        self.facts.tracker.as_ref().filter(|report| report.at + SILENT_AFTER >= until)
    }

    /// Returns whether the tracker could hear of everybody whom it follows before the call was
    /// over.
    pub(crate) fn is_subscribed(&self) -> bool {
        let until = self.last_moment();
        self.tracker().is_some_and(|report| {
            let in_time = |since: Timestamp| since <= until + MADE_GOOD;
            report.rejected == 0 && report.connected_since.is_some_and(in_time)
        })
    }

    /// Returns whether a session that is looked at goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.heard().any(|session| session.live && session.end.is_none())
    }

    /// Returns whether no session was accepted, and one broke the protocol before it could be.
    pub(crate) fn is_refused_by_protocol(&self) -> bool {
        self.sessions.is_empty() && !self.facts.breaches.is_empty()
    }

    /// Returns the breaches of sessions whose conversation is unknown, at about the time of this
    /// call, if no session was accepted.
    pub(crate) fn unnamed_breaches(&self) -> impl Iterator<Item = &BreachReport> {
        let span = self.span().filter(|_| self.sessions.is_empty());
        let fits = move |at| span.is_some_and(|(from, to)| from <= at && at <= to);
        self.facts.unnamed_breaches.iter().filter(move |one| fits(one.at))
    }

    /// Returns the refusals in the organization's name at about the time of this call.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &RefusalReport> {
        let span = self.span();
        self.facts.refusals.iter().filter(move |one| {
            span.is_some_and(|(from, to)| one.last_at >= from && one.first_at <= to)
        })
    }

    /// Returns from when to when a session of the call may have come to a door.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let moments = self.calls.iter().flat_map(|call| &call.events).map(|(_, at)| *at);
        let span = moments.fold(None, |span: Option<(Timestamp, Timestamp)>, at| {
            Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
        });
        span.map(|(first, last)| (first - KNOCKED_AROUND, last + KNOCKED_AROUND))
    }

    /// Returns until when events of the call could have come.
    fn last_moment(&self) -> Timestamp {
        if self.sessions.is_empty() || self.goes_on() {
            return self.facts.now;
        }
        let ends = self.sessions.iter().map(|one| one.end.map_or(one.opened_at, |end| end.at));
        ends.max().unwrap_or(self.facts.now)
    }
}

fn calls(facts: &Facts) -> Vec<Call> {
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for leg in facts.legs.iter().flat_map(Leg::stints) {
        let call = Call {
            communication: leg.communication.to_string(),
            user: leg.user.to_string(),
            attribution: leg.attribution.clone(),
            looked_up_at: Some(leg.attributed_at),
            queue: leg.queue.as_deref().map(str::to_owned),
            events: leg.events().iter().map(|event| (event.kind, event.at)).collect(),
            end_reason: leg.end_reason.map(|reason| wire::end_reason_name(reason).to_owned()),
            sources: leg.sources.iter().map(|source| source.as_str()).collect(),
            late: leg.late,
        };
        calls.insert(call.communication.clone(), call);
    }
    let stored: Vec<String> = calls.keys().cloned().collect();
    let reason = last_reason(&facts.told);
    for told in &facts.told {
        let Body::CallEvent(event) = &told.body else { continue };
        let Some(kind) = kind(event.kind()) else { continue };
        if stored.contains(&event.communication_id) {
            continue;
        }
        let call = calls.entry(event.communication_id.clone()).or_insert_with(|| Call {
            communication: event.communication_id.clone(),
            user: event.user_id.clone(),
            attribution: Attribution::NotOurs(reason),
            looked_up_at: None,
            queue: Some(event.queue_id.clone()).filter(|queue| !queue.is_empty()),
            events: Vec::new(),
            end_reason: None,
            sources: Vec::new(),
            late: event.late,
        });
        if !event.agent_id.is_empty() {
            call.attribution = Attribution::Ours(AgentId::new(event.agent_id.as_str()));
        }
        if !event.end_reason.is_empty() {
            call.end_reason = Some(event.end_reason.clone());
        }
        let moment = (kind, Timestamp::from_micros(event.at_us));
        if !call.events.contains(&moment) {
            call.events.push(moment);
        }
    }
    calls.into_values().collect()
}

/// Returns the reason that the stream gave last; without one, nobody was found.
fn last_reason(told: &[Told]) -> NotOurs {
    let mut reasons = told.iter().rev().filter_map(|told| {
        if let Body::Match(told) = &told.body { not_ours(&told.reason) } else { None }
    });
    reasons.next().unwrap_or(NotOurs::UnknownUser)
}

fn not_ours(name: &str) -> Option<NotOurs> {
    Some(match name {
        "unknown-user" => NotOurs::UnknownUser,
        "collision" => NotOurs::Collision,
        "other-adaptor" => NotOurs::OtherAdaptor,
        "inactive" => NotOurs::Inactive,
        "lookup-failed" => NotOurs::LookupFailed,
        _ => return None,
    })
}

const fn kind(kind: wire::CallEventKind) -> Option<CallEventKind> {
    Some(match kind {
        wire::CallEventKind::Unspecified => return None,
        wire::CallEventKind::Ringing => CallEventKind::Ringing,
        wire::CallEventKind::Started => CallEventKind::Started,
        wire::CallEventKind::Held => CallEventKind::Held,
        wire::CallEventKind::Retrieved => CallEventKind::Retrieved,
        wire::CallEventKind::Transferred => CallEventKind::Transferred,
        wire::CallEventKind::Ended => CallEventKind::Ended,
        wire::CallEventKind::Muted => CallEventKind::Muted,
        wire::CallEventKind::Unmuted => CallEventKind::Unmuted,
        wire::CallEventKind::ConferenceStarted => CallEventKind::ConferenceStarted,
        wire::CallEventKind::ConferenceEnded => CallEventKind::ConferenceEnded,
        wire::CallEventKind::WrapUpStarted => CallEventKind::WrapUpStarted,
        wire::CallEventKind::WrapUpEnded => CallEventKind::WrapUpEnded,
    })
}

fn sessions(facts: &Facts) -> Vec<Session> {
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    for item in &facts.sessions {
        let session = of_item(item, facts);
        match sessions.entry(item.session) {
            btree_map::Entry::Vacant(place) => drop(place.insert(session)),
            // A client that came again under the same id: the later connection counts.
            btree_map::Entry::Occupied(mut place) => {
                if place.get().opened_at < session.opened_at {
                    place.insert(session);
                }
            }
        }
    }
    for told in &facts.told {
        let Some(id) = told.session else { continue };
        if let Body::SessionStarted(started) = &told.body {
            sessions.entry(id).or_insert_with(|| of_start(id, started));
        }
        if let Some(session) = sessions.get_mut(&id) {
            session.is_told(told);
        }
    }
    for (id, audio) in &facts.audio {
        if let Some(session) = sessions.get_mut(id) {
            session.audio = Some(*audio);
        }
    }
    let mut sessions: Vec<Session> = sessions.into_values().collect();
    sessions.sort_by_key(|session| (session.opened_at, session.id));
    sessions
}

fn of_item(item: &SessionItem, facts: &Facts) -> Session {
    // Behind API Gateway no process holds a session that could die.
    let holder_lives = item.door == DoorKind::ApiGateway || facts.alive.contains(&item.owner);
    Session {
        id: item.session,
        participant: item.participant.to_string(),
        door: item.door,
        unheard: item.unheard,
        opened_at: item.opened_at,
        end: item.end,
        live: item.phase == SessionPhase::Live && holder_lives,
        told: None,
        flow_paused: false,
        flow_pauses: false,
        audio: None,
    }
}

fn of_start(id: SessionId, started: &wire::SessionStarted) -> Session {
    let unheard = match started.unheard.as_str() {
        "text-only-door" => Some(UnheardReason::TextOnlyDoor),
        "nothing-offered" => Some(UnheardReason::NothingOffered),
        _ => None,
    };
    let door = match unheard {
        Some(UnheardReason::TextOnlyDoor) => DoorKind::ApiGateway,
        Some(UnheardReason::NothingOffered) | None => DoorKind::Socket,
    };
    Session {
        id,
        participant: started.participant_id.clone(),
        door,
        unheard,
        opened_at: Timestamp::from_micros(started.opened_at_us),
        end: None,
        live: false,
        told: None,
        flow_paused: false,
        flow_pauses: false,
        audio: None,
    }
}

impl Session {
    fn is_told(&mut self, told: &Told) {
        match &told.body {
            Body::Match(told) => self.told = Some(told.clone()),
            Body::Paused(paused) => {
                self.flow_paused |= !paused.asked;
                self.flow_pauses = !paused.asked;
            }
            Body::Resumed(_) => self.flow_pauses = false,
            Body::SessionEnded(ended) => {
                let cause = end_cause(ended.cause());
                // Of a door that was taken for dead, what it says itself counts.
                let is_known = self.live || self.end.is_some_and(|end| end.cause != EndCause::Lost);
                if let (false, Some(cause)) = (is_known, cause) {
                    self.end = Some(SessionEnd { at: told.at, cause });
                }
            }
            Body::SessionStarted(_) | Body::Audio(_) | Body::Gap(_) | Body::CallEvent(_) => {}
        }
    }
}

const fn end_cause(cause: wire::EndCause) -> Option<EndCause> {
    Some(match cause {
        wire::EndCause::Unspecified => return None,
        wire::EndCause::Closed => EndCause::Closed,
        wire::EndCause::ConnectionLost => EndCause::ConnectionLost,
        wire::EndCause::Violation => EndCause::Violation,
        wire::EndCause::Lost => EndCause::Lost,
        wire::EndCause::Shutdown => EndCause::Shutdown,
        wire::EndCause::Timeout => EndCause::Timeout,
    })
}
