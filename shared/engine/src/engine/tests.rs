//! Whole sessions through the engine, as a call would bring them.

use bytes::Bytes;
use sidetone_model::{
    AgentId, Attribution, CallEventKind, Changes, CommunicationId, Direction, EndReason, Hold,
    NotOurs, OnHold, ParticipantId, UserId,
};

use super::*;
use crate::matching::Conversation;

mod clocks;
mod transfers;
mod unheard;

const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CONVERSATION: &str = "c0ffee12-3456-4789-8abc-def012345678";
const SESSION: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

/// One call: an engine, and a client that keeps the counters right.
struct Call {
    engine: Engine,
    seq: u64,
    server_seq: u64,
    /// The moment of media position zero.
    start: Timestamp,
    replies: Vec<String>,
    delivered: Vec<Delivery>,
    items: Vec<SessionItem>,
    done: bool,
}

fn again<'a>(input: &Input<'a>) -> Input<'a> {
    match input {
        Input::Text(text) => Input::Text(text),
        Input::Media(bytes) => Input::Media(bytes.clone()),
        Input::Conversation(conversation) => Input::Conversation(conversation.clone()),
        Input::WorldTime(world) => Input::WorldTime(*world),
        Input::Skipped { to } => Input::Skipped { to: *to },
        Input::Timeout => Input::Timeout,
        Input::Breach(violation) => Input::Breach(*violation),
        Input::Gone => Input::Gone,
        Input::Refuse => Input::Refuse,
        Input::Shutdown => Input::Shutdown,
    }
}

impl Call {
    fn new(listen: Listen) -> Self {
        Self::with(EngineConfig { listen, ..EngineConfig::default() })
    }

    fn with(config: EngineConfig) -> Self {
        let start = Timestamp::from_millis(1_800_000_000_000);
        let handshake = Handshake {
            organization: ORGANIZATION.parse().unwrap(),
            session_id: SESSION.parse().unwrap(),
        };
        let engine = Engine::new(
            start,
            Arc::new(config),
            handshake,
            ConnectionId::new("c-1"),
            OwnerId::new("door"),
        );
        Self {
            engine,
            seq: 0,
            server_seq: 0,
            start,
            replies: Vec::new(),
            delivered: Vec::new(),
            items: Vec::new(),
            done: false,
        }
    }

    fn at(&self, ms: u64) -> Timestamp {
        self.start + Duration::from_millis(ms)
    }

    /// Feeds an input to the engine, and to one that was at rest as bytes before.
    fn feed(&mut self, ms: u64, input: Input<'_>) {
        let snapshot = self.engine.snapshot().unwrap();
        let mut restored = Engine::restore(Arc::clone(&self.engine.config), &snapshot).unwrap();
        restored.handle(self.at(ms), again(&input));
        self.engine.handle(self.at(ms), input);
        while let Some(output) = self.engine.poll_output() {
            assert_eq!(restored.poll_output().as_ref(), Some(&output));
            match output {
                Output::Reply(text) => {
                    self.server_seq += 1;
                    let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let mut name = message["type"].as_str().unwrap().to_owned();
                    if message["parameters"]["startPaused"] == true {
                        name.push_str(" paused");
                    }
                    self.replies.push(name);
                }
                Output::Publish(delivery) => self.delivered.push(delivery),
                Output::Join(item) | Output::Save(item) => self.items.push(item),
                Output::DropSocket | Output::Noted(_) => {}
                Output::Done => self.done = true,
            }
        }
        assert_eq!(restored.poll_output(), None);
        assert_eq!(restored.deadline(), self.engine.deadline());
        assert_eq!(restored.snapshot().unwrap(), self.engine.snapshot().unwrap());
    }

    fn text(&mut self, ms: u64, kind: &str, position_ms: u64, parameters: &str) {
        self.seq += 1;
        let text = format!(
            r#"{{"version":"2","id":"{SESSION}","type":"{kind}","seq":{},"serverseq":{},"position":"PT{}S","parameters":{parameters}}}"#,
            self.seq,
            self.server_seq,
            position_ms as f64 / 1000.0
        );
        self.feed(ms, Input::Text(&text));
    }

    fn open(&mut self, ms: u64) {
        self.text(
            ms,
            "open",
            0,
            &format!(
                r#"{{"organizationId":"{ORGANIZATION}","conversationId":"{CONVERSATION}","participant":{{"id":"beefcafe-4321-4cba-9fed-ba9876543210","ani":"","aniName":"","dnis":""}},"media":[{{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}}]}}"#
            ),
        );
    }

    /// Feeds frames of 200 ms, each as it is complete.
    fn audio(&mut self, from_ms: u64, to_ms: u64) {
        for begin in (from_ms..to_ms).step_by(200) {
            self.feed(begin + 200, Input::Media(Bytes::from(vec![0x7f; 3_200])));
        }
    }

    fn legs(&mut self, ms: u64, legs: Vec<Leg>) {
        let sessions = self.items.last().cloned().into_iter().collect();
        self.feed(ms, Input::Conversation(Conversation { legs, sessions }));
    }

    /// The stretches of audio that were delivered, per agent, in milliseconds.
    fn audio_of(&self) -> Vec<(&str, u64, u64)> {
        let mut stretches: Vec<(&str, u64, u64)> = Vec::new();
        for delivery in &self.delivered {
            let Delivery::Audio(audio) = delivery else { continue };
            let agent = audio.agent.as_ref().map_or("-", |agent| agent.as_str());
            let (from, to) = (audio.position.as_millis(), audio.end().as_millis());
            match stretches.last_mut() {
                Some(last) if last.0 == agent && last.2 == from => last.2 = to,
                _ => stretches.push((agent, from, to)),
            }
        }
        stretches
    }

    fn matches(&self) -> Vec<MatchState> {
        let mut states = Vec::new();
        for delivery in &self.delivered {
            if let Delivery::Match { state, .. } = delivery {
                states.push(state.clone());
            }
        }
        states
    }

    fn events(&self) -> Vec<(CallEventKind, u64)> {
        let mut events = Vec::new();
        for delivery in &self.delivered {
            if let Delivery::CallEvent(told) = delivery {
                events.push((told.event.kind, told.position.as_millis()));
            }
        }
        events
    }

    fn leg(&self, agent: &str) -> Leg {
        Leg {
            key: ConversationKey {
                organization: ORGANIZATION.parse().unwrap(),
                conversation: CONVERSATION.parse().unwrap(),
            },
            participant: ParticipantId::new(format!("p-{agent}")),
            communication: CommunicationId::new(format!("c-{agent}")),
            user: UserId::new(uuid::Uuid::nil()),
            attribution: Attribution::Ours(AgentId::new(agent)),
            attributed_at: self.start,
            earlier: std::collections::BTreeSet::new(),
            direction: Direction::Inbound,
            queue: None,
            ringing_at: None,
            connected_at: None,
            ended_at: None,
            end_reason: None,
            holds: Vec::new(),
            mutes: Changes::default(),
            conferences: Changes::default(),
            wrap_up_at: None,
            wrapped_up_at: None,
            late: false,
            sources: std::collections::BTreeSet::new(),
        }
    }

    fn ringing(&self, agent: &str, ms: u64) -> Leg {
        Leg { ringing_at: Some(self.at(ms)), ..self.leg(agent) }
    }

    fn connected(&self, agent: &str, ms: u64) -> Leg {
        Leg { connected_at: Some(self.at(ms)), ..self.leg(agent) }
    }

    fn ended(&self, agent: &str, from_ms: u64, to_ms: u64, reason: EndReason) -> Leg {
        let ended_at = Some(self.at(to_ms));
        Leg { ended_at, end_reason: Some(reason), ..self.connected(agent, from_ms) }
    }
}

fn ada() -> MatchState {
    MatchState::Matched(AgentId::new("ada"))
}

#[test]
fn s67_opens_paused_until_an_agent_rings_and_keeps_the_greeting() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![]);
    assert_eq!(call.replies, ["opened paused"]);
    call.text(10, "paused", 0, "{}");
    call.legs(20_000, vec![call.ringing("ada", 19_900)]);
    assert_eq!(call.replies[1..], ["resume"]);
    call.text(20_050, "resumed", 20_000, r#"{"start":"PT0S","discarded":"PT20S"}"#);
    call.audio(20_000, 26_000);
    assert_eq!(call.audio_of(), []);
    // Answered at 24.0 s, heard of 2 s later.
    call.legs(26_000, vec![call.connected("ada", 24_000)]);
    call.audio(26_000, 28_000);
    assert_eq!(call.audio_of(), [("ada", 23_800, 28_000)]);
    assert_eq!(call.matches(), [ada()]);
    assert_eq!(call.events(), [(CallEventKind::Ringing, 19_900), (CallEventKind::Started, 24_000)]);
}

#[test]
fn s68_opens_listening_if_the_agent_was_first() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    assert_eq!(call.replies, ["opened"]);
    call.audio(0, 1_000);
    assert_eq!(call.audio_of(), [("ada", 0, 1_000)]);
}

#[test]
fn a_backlog_in_one_message_is_given_out_by_the_piece() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(4_005, vec![call.connected("ada", 1_500)]);
    let whole: Vec<u8> = (0..64_000u32).map(|byte| (byte % 251) as u8).collect();
    call.feed(4_010, Input::Media(Bytes::from(whole.clone())));
    assert_eq!(call.audio_of(), [("ada", 1_400, 4_000)]);
    let mut delivered = Vec::new();
    for delivery in &call.delivered {
        if let Delivery::Audio(audio) = delivery {
            delivered.extend_from_slice(&audio.data);
        }
    }
    assert_eq!(delivered, whole[1_400 * 16..]);
}

#[test]
fn opens_within_200_ms_whatever_the_store_does() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    assert_eq!(call.engine.deadline(), Some(call.at(200)));
    call.feed(200, Input::Timeout);
    assert_eq!(call.replies, ["opened paused"]);
    call.text(250, "paused", 0, "{}");
    call.legs(3_000, vec![call.connected("ada", 0)]);
    assert_eq!(call.replies, ["opened paused", "resume"]);
}

#[test]
fn the_frame_with_the_last_words_is_waited_for() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 4_000);
    call.legs(4_080, vec![call.ended("ada", 0, 4_050, EndReason::Client)]);
    assert_eq!(call.replies, ["opened"]);
    assert_eq!(call.engine.deadline(), Some(call.at(4_350)));
    call.audio(4_000, 4_200);
    call.feed(4_350, Input::Timeout);
    assert_eq!(call.replies, ["opened", "pause"]);
    assert_eq!(call.audio_of(), [("ada", 0, 4_200)]);
}

#[test]
fn ready_listens_from_the_start_and_delivers_from_the_connected_time() {
    let mut call = Call::new(Listen::Ready);
    call.open(0);
    call.legs(5, vec![]);
    assert_eq!(call.replies, ["opened"]);
    call.audio(0, 12_000);
    call.legs(12_000, vec![call.connected("ada", 11_000)]);
    assert_eq!(call.audio_of(), [("ada", 10_800, 12_000)]);
    call.legs(12_300, vec![call.ended("ada", 11_000, 12_000, EndReason::Client)]);
    assert_eq!(call.replies, ["opened", "pause"]);
}

#[test]
fn an_event_that_comes_too_late_for_the_ring_leaves_a_declared_gap() {
    let mut call = Call::new(Listen::Ready);
    call.open(0);
    call.legs(5, vec![]);
    call.audio(0, 20_000);
    call.legs(20_000, vec![call.connected("ada", 5_000)]);
    let gap = GapDelivery {
        from: Position::from_millis(5_000),
        to: Position::from_millis(11_800),
        cause: GapCause::LateEvent,
        frames: 0,
    };
    assert!(call.delivered.contains(&Delivery::Gap(gap)));
    assert_eq!(call.audio_of(), [("ada", 11_800, 20_000)]);
}

#[test]
fn always_delivers_everything_and_still_knows_whose_it_is() {
    let mut call = Call::new(Listen::Always);
    call.open(0);
    call.legs(5, vec![]);
    assert_eq!(call.replies, ["opened"]);
    call.audio(0, 1_000);
    call.legs(1_000, vec![call.connected("ada", 1_000)]);
    call.audio(1_000, 2_000);
    call.legs(2_000, vec![call.ended("ada", 1_000, 2_000, EndReason::Peer)]);
    call.audio(2_000, 3_000);
    assert_eq!(call.replies, ["opened"]);
    assert_eq!(call.audio_of(), [("-", 0, 1_000), ("ada", 1_000, 2_400), ("-", 2_400, 3_000)]);
}

#[test]
fn hold_is_kept_and_marked_unless_told_to_pause() {
    for (on_hold, replies) in
        [(OnHold::Keep, vec!["opened"]), (OnHold::Pause, vec!["opened", "pause"])]
    {
        let mut call = Call::with(EngineConfig { on_hold, ..EngineConfig::default() });
        call.open(0);
        call.legs(5, vec![call.connected("ada", 0)]);
        call.audio(0, 1_000);
        let holds = vec![Hold { from: call.at(1_000), to: None }];
        call.legs(1_000, vec![Leg { holds, ..call.connected("ada", 0) }]);
        call.audio(1_000, 1_400);
        assert_eq!(call.replies, replies);
        let mut held = Vec::new();
        for delivery in &call.delivered {
            if let Delivery::Audio(audio) = delivery {
                held.push(audio.held);
            }
        }
        assert_eq!(held, [false, false, false, false, false, true, true]);
    }
}

#[test]
fn the_second_session_of_a_participant_waits_and_takes_over() {
    let mut call = Call::new(Listen::Matched);
    call.open(1_000);
    let own = call.items[0].clone();
    let first = SessionItem {
        session: SessionId::new(uuid::Uuid::nil()),
        connection: ConnectionId::new("c-0"),
        opened_at: call.at(0),
        ..own.clone()
    };
    let legs = vec![call.connected("ada", 0)];
    let sessions = vec![first.clone(), own.clone()];
    call.feed(1_005, Input::Conversation(Conversation { legs: legs.clone(), sessions }));
    assert_eq!(call.replies, ["opened paused"]);
    assert_eq!(call.matches(), [MatchState::Unmatched(UnmatchedReason::Duplicate)]);
    call.text(1_010, "paused", 0, "{}");
    let sessions = vec![SessionItem { phase: SessionPhase::Lingering, ..first }, own];
    call.feed(3_000, Input::Conversation(Conversation { legs, sessions }));
    assert_eq!(call.replies, ["opened paused", "resume"]);
    assert_eq!(call.matches().last(), Some(&ada()));
}

#[test]
fn an_unmatched_call_says_why_after_two_minutes_and_still_opens_late() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    let stranger = Leg {
        attribution: Attribution::NotOurs(NotOurs::Collision),
        ..call.connected("somebody", 10)
    };
    call.legs(5, vec![stranger.clone()]);
    call.text(10, "paused", 0, "{}");
    for n in 1..25 {
        call.text(n * 5_000, "ping", n * 5_000, "{}");
        call.feed(n * 5_000, Input::Timeout);
    }
    let reason = UnmatchedReason::NotOurs(NotOurs::Collision);
    assert_eq!(call.matches(), [MatchState::Unmatched(reason)]);
    call.legs(125_000, vec![stranger, call.connected("ada", 125_000)]);
    assert_eq!(call.matches().last(), Some(&ada()));
    assert_eq!(call.replies.last().map(String::as_str), Some("resume"));
}

#[test]
fn s69_a_call_without_an_agent_of_ours_is_nobodys_from_beginning_to_end() {
    for (listen, reason) in [
        (Listen::Matched, NotOurs::UnknownUser),
        (Listen::Ready, NotOurs::Collision),
        (Listen::Matched, NotOurs::OtherAdaptor),
    ] {
        let mut call = Call::new(listen);
        call.open(0);
        let stranger =
            Leg { attribution: Attribution::NotOurs(reason), ..call.connected("somebody", 10) };
        call.legs(5, vec![]);
        let hears = listen == Listen::Ready;
        if hears {
            call.audio(0, 3_000);
        } else {
            call.text(10, "paused", 0, "{}");
        }
        call.legs(3_000, vec![stranger.clone()]);
        if hears {
            call.audio(3_000, 6_000);
        }
        let gone = Leg { ended_at: Some(call.at(6_000)), ..stranger };
        call.legs(6_050, vec![gone]);
        call.text(6_100, "close", 6_000, r#"{"reason":"end"}"#);
        call.feed(6_200, Input::Gone);
        assert_eq!(call.audio_of(), [], "{listen:?} {reason:?}");
        let of_somebody = |state: &MatchState| matches!(state, MatchState::Matched(_));
        assert!(!call.matches().iter().any(of_somebody), "{:?}", call.matches());
    }
}

#[test]
fn what_rang_and_was_not_answered_is_dropped() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.ringing("ada", 0)]);
    call.audio(0, 2_000);
    let missed = Leg { ended_at: Some(call.at(2_000)), ..call.ringing("ada", 0) };
    call.legs(2_050, vec![missed]);
    assert_eq!(call.replies, ["opened", "pause"]);
    call.text(2_100, "close", 2_000, r#"{"reason":"end"}"#);
    call.feed(2_200, Input::Gone);
    assert!(call.done);
    assert_eq!(call.matches(), [MatchState::Unmatched(UnmatchedReason::NotAnswered)]);
    assert_eq!(call.audio_of(), []);
}

#[test]
fn lingers_for_an_event_that_comes_after_the_end() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.ringing("ada", 0)]);
    call.audio(0, 3_000);
    call.text(3_000, "close", 3_000, r#"{"reason":"end"}"#);
    call.feed(3_100, Input::Gone);
    assert!(!call.done);
    assert_eq!(call.items.last().map(|item| item.phase), Some(SessionPhase::Lingering));
    call.legs(4_000, vec![call.ended("ada", 1_000, 3_000, EndReason::Peer)]);
    assert!(call.done);
    assert_eq!(call.audio_of(), [("ada", 800, 3_000)]);
    assert_eq!(call.matches(), [ada()]);
    let Some(Delivery::SessionEnded(ended)) = call.delivered.last() else { panic!("no end") };
    assert_eq!(
        (ended.cause, ended.frames_received, ended.frames_accepted),
        (EndCause::Closed, 15, 11)
    );
    assert_eq!(call.items.last().map(|item| item.phase), Some(SessionPhase::Ended));
}

#[test]
fn ends_without_waiting_for_ever() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 1_000);
    call.feed(1_000, Input::Gone);
    assert_eq!(call.engine.deadline(), Some(call.at(6_000)));
    call.feed(6_000, Input::Timeout);
    assert!(call.done);
    assert_eq!(call.engine.deadline(), None);
}

#[test]
fn s70_a_probe_is_answered_and_leaves_no_trace() {
    let mut call = Call::new(Listen::Matched);
    let nil = "00000000-0000-0000-0000-000000000000";
    call.text(
        0,
        "open",
        0,
        &format!(
            r#"{{"organizationId":"{ORGANIZATION}","conversationId":"{nil}","participant":{{"id":"{nil}","ani":"","aniName":"","dnis":""}},"media":[{{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}}]}}"#
        ),
    );
    assert_eq!(call.replies, ["opened"]);
    call.feed(5, Input::Media(Bytes::new()));
    call.text(10, "close", 0, r#"{"reason":"end"}"#);
    call.feed(20, Input::Gone);
    assert_eq!(call.replies, ["opened", "closed"]);
    assert!(call.done && call.delivered.is_empty() && call.items.is_empty());
}

#[test]
fn nothing_after_paused_is_delivered() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 1_000);
    call.text(1_000, "paused", 1_000, "{}");
    call.feed(1_000, Input::Media(Bytes::from(vec![0x01; 3_200])));
    call.feed(1_200, Input::Media(Bytes::from(vec![0x01; 3_200])));
    assert_eq!(call.audio_of(), [("ada", 0, 1_000)]);
    assert_eq!(call.replies, ["opened", "disconnect"]);
}

#[test]
fn a_replay_found_late_is_unauthorized() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.feed(3, Input::Refuse);
    assert_eq!(call.replies, ["disconnect"]);
}

#[test]
fn a_better_clock_moves_the_events() {
    let mut call = Call::new(Listen::Matched);
    // The first message came half a second late.
    call.open(500);
    call.legs(505, vec![call.connected("ada", 2_000)]);
    call.audio(0, 3_000);
    assert_eq!(call.events(), [(CallEventKind::Started, 1_500), (CallEventKind::Started, 2_000)]);
    assert_eq!(call.audio_of(), [("ada", 1_800, 3_000)]);
}

#[test]
fn the_same_conversation_again_says_nothing_new() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 1_000);
    let before = (call.replies.len(), call.delivered.len());
    for _ in 0..5 {
        call.legs(1_000, vec![call.connected("ada", 0)]);
        // An older reading that comes late.
        call.legs(1_000, vec![call.ringing("ada", 0)]);
    }
    // Ringing was never heard of before: one event, and no more.
    assert_eq!((call.replies.len(), call.delivered.len()), (before.0, before.1 + 1));
}
