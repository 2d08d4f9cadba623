//! One communication of a conversation, as its snapshots tell.

use std::time::Duration;

use sidetone_model::{Direction, EndReason, Hold, ParticipantId, Timestamp, UserId};

use crate::wire::{Call, CallState, Participant, Purpose};

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
    pub(super) end: Option<(Timestamp, EndReason)>,
    pub(super) holds: Vec<Hold>,
    pub(super) late: bool,
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
            end: None,
            holds: Vec::new(),
            late: phase != Phase::Waiting,
        }
    }

    /// Folds what a snapshot says of this communication.
    ///
    /// Times are facts whenever they come; what has no time of its own, such as the end of a
    /// hold, is believed only of a snapshot that is not `stale`.
    pub(super) fn fold(
        &mut self,
        received_at: Timestamp,
        participant: &Participant,
        call: &Call,
        phase: Phase,
        stale: bool,
    ) {
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
        self.learn_holds(call.hold_history.as_deref().unwrap_or_default());
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
                if !stale && self.phase == Phase::Connected && call.hold_history.is_none() {
                    self.fold_hold(received_at, call);
                }
            }
            Phase::Ended => {
                if let Some(at) = connected_at(participant, call) {
                    self.learn_connected(at);
                }
                let at = call.ended_at.or(participant.ended_at).unwrap_or(received_at);
                let end = (at, call.end_reason());
                self.end = Some(self.end.map_or(end, |known| known.min(end)));
            }
        }
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
