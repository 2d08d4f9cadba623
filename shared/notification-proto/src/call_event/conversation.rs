//! All communications of one conversation, and what they make of its agents' legs.

use std::collections::{BTreeMap, BTreeSet};

use sidetone_model::{CommunicationId, ConversationId, Direction, Leg, Timestamp};

use super::LegUpdate;
use super::line::{Arrival, Line, Phase, Role, phase_of};
use crate::wire::{Participant, Snapshot};

/// The most communications of one conversation: Genesys allows 25 participants at a time, so
/// this is twenty full changes of cast.
const LINES_MAX: usize = 500;

/// One conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    lines: BTreeMap<CommunicationId, Line>,
    reported: BTreeMap<CommunicationId, LegUpdate>,
    touched_at: Timestamp,
}

impl Conversation {
    /// Returns its place in the order of forgetting.
    pub(super) fn age(&self, id: ConversationId) -> (bool, Timestamp, ConversationId) {
        (!self.is_over(), self.touched_at, id)
    }

    pub(super) fn is_over(&self) -> bool {
        self.lines.values().all(|line| line.phase == Phase::Ended)
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = &LegUpdate> {
        self.reported.values()
    }

    /// Takes up legs that somebody else knew, and counts them as reported.
    pub(super) fn recall(&mut self, now: Timestamp, legs: &[Leg]) {
        self.touched_at = now;
        for leg in legs {
            self.lines.insert(leg.communication.clone(), Line::of_leg(leg));
            self.reported.insert(leg.communication.clone(), LegUpdate::of_leg(leg));
        }
    }

    pub(super) fn fold(&mut self, received_at: Timestamp, snapshot: &Snapshot) -> Vec<LegUpdate> {
        self.touched_at = self.touched_at.max(received_at);
        let current = snapshot.whole && !self.is_stale(snapshot);
        let arrival = Arrival { at: received_at, source: snapshot.source, current };
        for participant in &snapshot.participants {
            for call in &participant.calls {
                let Some(id) = call.communication_id() else { continue };
                let Some(phase) = phase_of(participant, call) else { continue };
                if self.lines.len() >= LINES_MAX && !self.lines.contains_key(&id) {
                    continue;
                }
                let line = self.lines.entry(id).or_insert_with(|| Line::new(participant, phase));
                line.fold(arrival, participant, call, phase);
            }
        }
        if current {
            self.fold_conference(received_at, snapshot);
        }
        self.report(snapshot.conversation, received_at)
    }

    /// Learns whether three or more talk with each other.
    ///
    /// Two agents and a customer do only in a consult: where an agent hands over, both are
    /// connected for a moment, and nobody would call that a conference.
    fn fold_conference(&mut self, received_at: Timestamp, snapshot: &Snapshot) {
        let mut talkers = BTreeSet::new();
        let (mut agents, mut outside) = (0, 0);
        for participant in &snapshot.participants {
            for call in participant.calls.iter().filter(|call| !call.held && !call.confined) {
                let talks = phase_of(participant, call) == Some(Phase::Connected);
                let Some(id) = call.communication_id().filter(|_| talks) else { continue };
                match self.lines.get(&id).map(|line| line.role) {
                    Some(Role::Agent(_)) => agents += 1,
                    Some(Role::Customer | Role::External) => outside += 1,
                    Some(Role::Other | Role::Unclear) | None => continue,
                }
                talkers.insert(id);
            }
        }
        // The mark of somebody who has left says nothing of those who stay.
        let is_there = |it: &Participant| {
            it.calls.iter().any(|call| phase_of(it, call).is_some_and(|it| it < Phase::Ended))
        };
        let consult = snapshot.participants.iter().any(|it| it.consult.is_some() && is_there(it));
        let on = talkers.len() >= 3 && (consult || outside >= 2 || agents >= 3);
        for (id, line) in &mut self.lines {
            if line.phase == Phase::Connected && matches!(line.role, Role::Agent(_)) {
                line.conferences.note(received_at, on && talkers.contains(id));
            }
        }
    }

    /// Returns whether a snapshot shows anybody in a state that is known to be past: then it
    /// is older than one seen before.
    fn is_stale(&self, snapshot: &Snapshot) -> bool {
        snapshot.participants.iter().any(|participant| {
            participant.calls.iter().any(|call| {
                let known = call.communication_id().and_then(|id| self.lines.get(&id));
                let shown = phase_of(participant, call);
                known.zip(shown).is_some_and(|(line, shown)| shown < line.phase)
            })
        })
    }

    fn report(&mut self, conversation: ConversationId, received_at: Timestamp) -> Vec<LegUpdate> {
        let mut updates = Vec::new();
        let agents: Vec<CommunicationId> = self
            .lines
            .iter()
            .filter(|(_, line)| matches!(line.role, Role::Agent(_)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in agents {
            let Some(update) = self.leg(conversation, &id, received_at) else { continue };
            if self.reported.get(&id) != Some(&update) {
                self.reported.insert(id, update.clone());
                updates.push(update);
            }
        }
        updates
    }

    fn leg(
        &self,
        conversation: ConversationId,
        id: &CommunicationId,
        received_at: Timestamp,
    ) -> Option<LegUpdate> {
        let line = self.lines.get(id)?;
        let Role::Agent(user) = line.role else { return None };
        let before = self.reported.get(id);
        let direction = self.direction_of(line);
        let start = self.start_of(id, line, direction);
        // What was said once is not taken back, only moved to an earlier moment.
        let connected_at = [start, line.talks_from, before.and_then(|leg| leg.connected_at)]
            .into_iter()
            .flatten()
            .min();
        let dials = line.phase == Phase::Connected && connected_at.is_none();
        let ringing_at = line
            .ringing_at
            .or_else(|| before.and_then(|leg| leg.ringing_at))
            .or_else(|| dials.then_some(received_at));
        Some(LegUpdate {
            conversation,
            participant: line.participant.clone(),
            communication: id.clone(),
            user,
            direction,
            queue: line.queue.clone(),
            ringing_at,
            connected_at,
            ended_at: line.end.map(|(at, _)| at),
            end_reason: line.end.map(|(_, reason)| reason),
            holds: line.holds.clone(),
            mutes: line.mutes.clone(),
            conferences: line.conferences.clone(),
            wrap_up_at: line.work_from,
            wrapped_up_at: line.work_to,
            late: line.late,
            sources: line.sources.clone(),
        })
    }

    /// Returns which way the call was set up: the customer's word before the agent's, because
    /// a dialer connects the agent inbound to a call it placed.
    fn direction_of(&self, line: &Line) -> Direction {
        self.lines
            .values()
            .filter(|other| other.role == Role::Customer)
            .find_map(|customer| customer.direction)
            .or(line.direction)
            .unwrap_or(Direction::Inbound)
    }

    /// Returns when agent and far side were connected.
    ///
    /// Who calls in is there before any agent. On an outbound call the agent's own phone is
    /// connected first, and the call starts when the far side answers.
    fn start_of(
        &self,
        id: &CommunicationId,
        line: &Line,
        direction: Direction,
    ) -> Option<Timestamp> {
        let own = line.connected_at?;
        match direction {
            Direction::Inbound => Some(own),
            Direction::Outbound => {
                let ended_at = line.end.map(|(at, _)| at);
                self.far_sides(id)
                    .filter(|far| far.end.is_none_or(|(at, _)| at > own))
                    .filter_map(|far| far.connected_at)
                    .map(|answered_at| answered_at.max(own))
                    .filter(|&start| ended_at.is_none_or(|end| start < end))
                    .min()
            }
        }
    }

    /// Returns the outside parties; on an internal call the other users.
    fn far_sides<'a>(&'a self, id: &'a CommunicationId) -> impl Iterator<Item = &'a Line> {
        let is_outside = |line: &Line| matches!(line.role, Role::Customer | Role::External);
        let internal = !self.lines.values().any(is_outside);
        self.lines
            .iter()
            .filter(move |(other, line)| {
                is_outside(line) || internal && *other != id && matches!(line.role, Role::Agent(_))
            })
            .map(|(_, line)| line)
    }
}
