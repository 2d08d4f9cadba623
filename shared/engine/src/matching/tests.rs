//! The rules that no session shows by itself.

use std::collections::BTreeSet;

use sidetone_model::{
    Changes, ConnectionId, ConversationKey, Direction, DoorKind, Format, Media, MediaChannel,
    MediaChannels, NotOurs, OwnerId, ParticipantId, SessionId, SessionPhase, Timestamp,
    UnheardReason, UserId,
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
        media: None,
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

fn carrying(channels: &[MediaChannel], connection: &str, opened_ms: i64) -> SessionItem {
    let channels = MediaChannels::new(channels).unwrap();
    let media = Some(Media { format: Format::Pcmu, channels });
    SessionItem { media, ..session(connection, opened_ms) }
}

#[test]
fn session_with_the_other_channel_is_heard_beside_the_first() {
    let customer = carrying(&[MediaChannel::External], "a", 1);
    let agent = carrying(&[MediaChannel::Internal], "b", 2);
    let known = with_ada(vec![customer.clone(), agent.clone()]);
    for own in [&customer, &agent] {
        assert_eq!(known.wish(own, Listen::Matched, OnHold::Keep), Wish::Listen);
        assert!(matches!(known.match_state(own, Listen::Matched), MatchState::Matched(_)));
    }
}

#[test]
fn session_with_both_channels_is_heard_instead_of_one_that_opened_first() {
    let mono = carrying(&[MediaChannel::External], "a", 1);
    let stereo = carrying(&[MediaChannel::External, MediaChannel::Internal], "b", 2);
    let known = with_ada(vec![mono.clone(), stereo.clone()]);
    assert_eq!(known.wish(&stereo, Listen::Matched, OnHold::Keep), Wish::Listen);
    assert_eq!(known.wish(&mono, Listen::Matched, OnHold::Keep), Wish::Pause);
    let gone = SessionItem { phase: SessionPhase::Lingering, ..stereo };
    let known = with_ada(vec![mono.clone(), gone]);
    assert_eq!(known.wish(&mono, Listen::Matched, OnHold::Keep), Wish::Listen);
}

#[test]
fn session_whose_channels_two_others_carry_is_a_duplicate() {
    let customer = carrying(&[MediaChannel::External], "a", 1);
    let agent = carrying(&[MediaChannel::Internal], "b", 2);
    let again = carrying(&[MediaChannel::Internal], "c", 3);
    let known = with_ada(vec![customer, agent, again.clone()]);
    let duplicate = MatchState::Unmatched(UnmatchedReason::Duplicate);
    assert_eq!(known.match_state(&again, Listen::Matched), duplicate);
}

#[test]
fn session_without_a_medium_keeps_no_other_from_being_heard() {
    let silent = SessionItem {
        unheard: Some(UnheardReason::TextOnlyDoor),
        ..carrying(&[MediaChannel::External, MediaChannel::Internal], "a", 1)
    };
    let own = carrying(&[MediaChannel::External], "b", 2);
    let known = with_ada(vec![silent.clone(), own.clone()]);
    assert_eq!(known.wish(&own, Listen::Matched, OnHold::Keep), Wish::Listen);
}

fn with_ada(sessions: Vec<SessionItem>) -> Known {
    let connected_at = Some(Timestamp::from_millis(5));
    let ada = Leg { connected_at, ..leg("a", Attribution::Ours(AgentId::new("ada"))) };
    Known::from(Conversation { legs: vec![ada], sessions })
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
