//! One communication of a conversation, as its snapshots tell.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{
    Changes, Direction, EndReason, EventSource, Hold, Leg, ParticipantId, Timestamp, UserId,
};

use crate::wire::{Call, CallState, Participant, Purpose, WorkState};

/// How far apart the starts of two holds lie at least: sources of one hold differ by tens of
/// milliseconds, and nobody comes back and presses hold again within this.
const HOLD_APART_MIN: Duration = Duration::from_millis(500);

/// How far a call has come; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Offered, ringing or dialing.
    Waiting,
    /// Answered.
    Connected,
    /// Over; final.
    Ended,
}

/// Whose communication it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A Genesys user's who talks to the far side.
    Agent(UserId),
    /// A customer's.
    Customer,
    /// Another outside party's.
    External,
    /// A queue's, a flow's, a voicemail box's, a supervisor's beside another's call.
    Other,
    /// Not said so far.
    Unclear,
}

/// One communication.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) role: Role,
    pub(super) participant: ParticipantId,
    pub(super) queue: Option<Box<str>>,
    pub(super) direction: Option<Direction>,
    pub(super) phase: Phase,
    pub(super) ringing_at: Option<Timestamp>,
    pub(super) connected_at: Option<Timestamp>,
    /// When it was connected with the far side, where that is told.
    pub(super) talks_from: Option<Timestamp>,
    pub(super) end: Option<(Timestamp, EndReason)>,
    pub(super) holds: Vec<Hold>,
    pub(super) mutes: Changes,
    pub(super) conferences: Changes,
    pub(super) work_from: Option<Timestamp>,
    pub(super) work_to: Option<Timestamp>,
    /// It was never seen to wait.
    pub(super) late: bool,
    pub(super) sources: BTreeSet<EventSource>,
}

/// How a snapshot reached whoever folds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    pub(super) source: EventSource,
    /// Its flags are those of this moment: it is whole, and no newer one was seen.
    pub(super) current: bool,
}

impl Line {
    pub(super) fn new(participant: &Participant, phase: Phase) -> Self {
        Self {
            role: role_of(participant),
            participant: participant.participant_id(),
            queue: None,
            direction: None,
            phase,
            ringing_at: None,
            connected_at: None,
            talks_from: None,
            end: None,
            holds: Vec::new(),
            mutes: Changes::default(),
            conferences: Changes::default(),
            work_from: None,
            work_to: None,
            late: true,
            sources: BTreeSet::new(),
        }
    }

    /// Takes up a leg that somebody else knew.
    pub(super) fn of_leg(leg: &Leg) -> Self {
        let phase = match (leg.connected_at, leg.ended_at) {
            (_, Some(_)) => Phase::Ended,
            (Some(_), None) => Phase::Connected,
            (None, None) => Phase::Waiting,
        };
        Self {
            role: Role::Agent(leg.user),
            participant: leg.participant.clone(),
            queue: leg.queue.clone(),
            direction: Some(leg.direction),
            phase,
            ringing_at: leg.ringing_at,
            connected_at: leg.connected_at,
            talks_from: leg.connected_at,
            end: leg.ended_at.map(|at| (at, leg.end_reason.unwrap_or(EndReason::Other))),
            holds: leg.holds.clone(),
            mutes: leg.mutes.clone(),
            conferences: leg.conferences.clone(),
            work_from: leg.wrap_up_at,
            work_to: leg.wrapped_up_at,
            late: leg.late,
            sources: leg.sources.clone(),
        }
    }

    /// Folds what a snapshot says of this communication.
    ///
    /// Times are facts whenever they come; what has no time of its own, such as the end of a
    /// hold, is believed only of a snapshot that is current.
    pub(super) fn fold(
        &mut self,
        arrival: Arrival,
        participant: &Participant,
        call: &Call,
        phase: Phase,
    ) {
        let received_at = arrival.at;
        self.sources.insert(arrival.source);
        self.late &= phase != Phase::Waiting;
        if self.queue.is_none() {
            self.queue.clone_from(&participant.queue);
        }
        if self.direction.is_none() {
            self.direction = direction_of(call);
        }
        // A role, once known, stays: who listened in on another's call does not become its
        // agent when Genesys drops the mark.
        if self.role == Role::Unclear {
            self.role = role_of(participant);
        }
        self.phase = self.phase.max(phase);
        self.learn_holds(&call.hold_history);
        self.talks_from = self.talks_from.into_iter().chain(call.talks_from).min();
        if let Some(at) = call.alerting_at {
            self.learn_ringing(at);
        }
        match phase {
            Phase::Waiting if self.phase == Phase::Waiting => {
                self.learn_ringing(call.alerting_at.unwrap_or(received_at));
            }
            Phase::Waiting => {}
            Phase::Connected => {
                let at = connected_at(participant, call);
                self.learn_connected(at.unwrap_or(received_at));
                if arrival.current && self.phase == Phase::Connected {
                    self.fold_hold(received_at, call);
                    self.mutes.note(received_at, call.muted);
                }
            }
            Phase::Ended => {
                if let Some(at) = connected_at(participant, call) {
                    self.learn_connected(at);
                }
                let at = call.ended_at.or(participant.ended_at).unwrap_or(received_at);
                let end = (at, call.end_reason());
                self.end = Some(self.end.map_or(end, |known| known.min(end)));
                self.fold_work(received_at, participant, call);
            }
        }
    }

    /// Learns of the work after the call. What has no moment of its own has that of the end of
    /// the call, or, if it is done, of arrival.
    fn fold_work(&mut self, received_at: Timestamp, participant: &Participant, call: &Call) {
        let work = &call.work;
        let only = participant.calls.len() == 1;
        let began = work.from.or(participant.work_from.filter(|_| only));
        let done = work.to.or(participant.work_to.filter(|_| only));
        let ended = self.end.map(|(at, _)| at);
        let (from, to) = match work.state.unwrap_or_default() {
            WorkState::Pending => (began.or(ended), done),
            WorkState::Complete => (began.or(ended), done.or(Some(received_at))),
            // Of no length: there is none.
            WorkState::Skipped => (began.or(ended), began.or(ended)),
            WorkState::Other => (began.or(ended.filter(|_| done.is_some())), done),
        };
        self.work_from = self.work_from.into_iter().chain(from).min();
        self.work_to = self.work_to.into_iter().chain(to).min();
    }

    fn learn_ringing(&mut self, at: Timestamp) {
        self.ringing_at = Some(self.ringing_at.map_or(at, |known| known.min(at)));
    }

    fn learn_connected(&mut self, at: Timestamp) {
        self.connected_at = Some(self.connected_at.map_or(at, |known| known.min(at)));
    }

    /// Joins holds whose times are facts; one that is known by a start of another source stays
    /// that hold.
    fn learn_holds(&mut self, recorded: &[Hold]) {
        let known = self.holds.len();
        for hold in recorded {
            let same = |it: &&mut Hold| are_one_hold(it.from, hold.from);
            match self.holds[..known].iter_mut().find(same) {
                Some(it) => it.to = it.to.into_iter().chain(hold.to).min(),
                None => self.holds.push(*hold),
            }
        }
        self.holds.sort_by_key(|hold| hold.from);
    }

    fn fold_hold(&mut self, received_at: Timestamp, call: &Call) {
        let held = call.held || call.state == Some(CallState::Parked);
        match (self.holds.last_mut(), held) {
            (Some(hold), false) if hold.to.is_none() => {
                hold.to = Some(received_at.max(hold.from));
            }
            (_, false) => {}
            (Some(hold), true) if hold.to.is_none() => {
                let Some(from) = call.hold_from.filter(|&from| is_later(from, hold.from)) else {
                    return;
                };
                // The return between two holds was not seen; it came before the second.
                hold.to = Some(from);
                self.holds.push(Hold { from, to: None });
            }
            (last, true) => {
                let from = call.hold_from.unwrap_or(received_at);
                // An old start is an old snapshot: that hold is known to be over.
                if last.is_none_or(|last| is_later(from, last.from)) {
                    self.holds.push(Hold { from, to: None });
                }
            }
        }
    }
}

/// Returns whether two starts of holds on one leg are the same hold's, told by different
/// sources.
pub fn are_one_hold(from: Timestamp, other: Timestamp) -> bool {
    from.since(other) < HOLD_APART_MIN && other.since(from) < HOLD_APART_MIN
}

fn is_later(from: Timestamp, than: Timestamp) -> bool {
    from.since(than) >= HOLD_APART_MIN
}

/// Returns how far a call has come by what one snapshot says; nothing if it says nothing.
pub(super) fn phase_of(participant: &Participant, call: &Call) -> Option<Phase> {
    let phase = match call.state.unwrap_or_default() {
        CallState::Offering | CallState::Alerting | CallState::Contacting | CallState::Dialing => {
            Some(Phase::Waiting)
        }
        CallState::Connected | CallState::Parked => Some(Phase::Connected),
        CallState::Disconnected | CallState::Terminated => Some(Phase::Ended),
        CallState::Other => None,
    };
    // Who has left the conversation is on no call of it.
    phase.map(|phase| if participant.ended_at.is_some() { Phase::Ended } else { phase })
}

fn role_of(participant: &Participant) -> Role {
    match (participant.purpose, participant.user) {
        (Some(Purpose::Agent | Purpose::User), _) if participant.is_beside_another() => Role::Other,
        (Some(Purpose::Agent | Purpose::User), Some(user)) => Role::Agent(user),
        (Some(Purpose::Agent | Purpose::User) | None, _) => Role::Unclear,
        (Some(Purpose::Customer), _) => Role::Customer,
        (Some(Purpose::External), _) => Role::External,
        (Some(Purpose::Voicemail | Purpose::Other), _) => Role::Other,
    }
}

fn direction_of(call: &Call) -> Option<Direction> {
    let text = call.direction.as_deref()?;
    if text.eq_ignore_ascii_case("outbound") {
        Some(Direction::Outbound)
    } else {
        text.eq_ignore_ascii_case("inbound").then_some(Direction::Inbound)
    }
}

/// Returns when a call was answered; the participant's time only where it is about this call.
fn connected_at(participant: &Participant, call: &Call) -> Option<Timestamp> {
    let only = participant.calls.len() == 1;
    call.connected_at.or_else(|| participant.connected_at.filter(|_| only))
}
