//! The rules that no session shows by itself.

use std::collections::BTreeSet;

use sidetone_model::{
    Changes, ConnectionId, ConversationKey, Direction, DoorKind, NotOurs, OwnerId, ParticipantId,
    SessionId, SessionPhase, Timestamp, UserId,
};
use uuid::Uuid;

use super::*;

fn key() -> ConversationKey {
    ConversationKey {
        organization: sidetone_model::OrganizationId::new(Uuid::from_u128(1)),
        conversation: sidetone_model::ConversationId::new(Uuid::from_u128(2)),
    }
}

fn leg(name: &str, attribution: Attribution) -> Leg {
    Leg {
        key: key(),
        participant: ParticipantId::new(name),
        communication: sidetone_model::CommunicationId::new(name),
        user: UserId::new(Uuid::from_u128(3)),
        attribution,
        attributed_at: Timestamp::default(),
        earlier: BTreeSet::new(),
        direction: Direction::Inbound,
        queue: None,
        ringing_at: Some(Timestamp::from_millis(1)),
        connected_at: None,
        ended_at: None,
        end_reason: None,
        holds: Vec::new(),
        mutes: Changes::default(),
        conferences: Changes::default(),
        wrap_up_at: None,
        wrapped_up_at: None,
        late: false,
        sources: BTreeSet::new(),
    }
}

fn session(connection: &str, opened_ms: i64) -> SessionItem {
    SessionItem {
        key: key(),
        session: SessionId::new(Uuid::from_u128(4)),
        connection: ConnectionId::new(connection),
        participant: ParticipantId::new("customer"),
        owner: OwnerId::new("door"),
        opened_at: Timestamp::from_millis(opened_ms),
        phase: SessionPhase::Live,
        door: DoorKind::Socket,
        unheard: None,
        end: None,
    }
}

#[test]
fn the_last_stranger_says_why() {
    let conversation = Known::from(Conversation {
        legs: vec![
            leg("a", Attribution::NotOurs(NotOurs::Collision)),
            Leg {
                connected_at: Some(Timestamp::from_millis(5)),
                ..leg("b", Attribution::NotOurs(NotOurs::Inactive))
            },
        ],
        sessions: vec![],
    });
    assert_eq!(
        conversation.match_state(&session("c", 0), Listen::Matched),
        MatchState::Unmatched(UnmatchedReason::NotOurs(NotOurs::Inactive))
    );
}

#[test]
fn of_twins_exactly_one_goes_first() {
    let (one, two) = (session("a", 7), session("b", 7));
    assert!(one.goes_before(&two) && !two.goes_before(&one));
    let other = SessionItem { participant: ParticipantId::new("second"), ..two };
    assert!(!one.goes_before(&other));
}

#[test]
fn readings_join_in_any_order() {
    let ringing = Conversation {
        legs: vec![leg("a", Attribution::Ours(AgentId::new("ada")))],
        sessions: vec![session("c", 0)],
    };
    let mut later = ringing.clone();
    later.legs[0].connected_at = Some(Timestamp::from_millis(9));
    later.sessions[0].phase = SessionPhase::Ended;
    let mut one = Known::from(ringing.clone());
    one.join(later.clone());
    let mut other = Known::from(later);
    other.join(ringing);
    assert_eq!(one.agent(), Some(&AgentId::new("ada")));
    let (one, other) = (Conversation::from(one), Conversation::from(other));
    assert_eq!(one, other);
    assert_eq!(one.sessions[0].phase, SessionPhase::Ended);
}
