//! Client and server machine against each other, on one clock, over a wire that takes time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sidetone_model::{Media, Position, Timestamp};

use super::bench::{call, end_of, ms, start};
use crate::client::{
    ClientConfig, ClientEvent, ClientInput, ClientOutput, ClientSession, EndCause,
};
use crate::server::{
    ClosedBy, Handshake, OpenAnswer, ServerCommand, ServerConfig, ServerInput, ServerOutput,
    ServerSession, SessionEvent,
};
use crate::wire::DisconnectReason;

/// What travels.
#[derive(Debug, Clone)]
enum Parcel {
    Text(String),
    Binary(usize),
    Gone,
}

/// What a test makes happen.
#[derive(Debug, Clone)]
enum Action {
    Answer(OpenAnswer),
    Server(ServerCommand),
    Client(ClientInput<'static>),
}

struct Duet {
    now: Timestamp,
    latency: Duration,
    client: ClientSession,
    server: ServerSession,
    to_server: VecDeque<(Timestamp, Parcel)>,
    to_client: VecDeque<(Timestamp, Parcel)>,
    script: VecDeque<(Timestamp, Action)>,
    client_events: Vec<ClientEvent>,
    server_events: Vec<SessionEvent>,
}

impl Duet {
    fn new(config: ClientConfig, latency_ms: u64, script: Vec<(u64, Action)>) -> Self {
        let handshake =
            Handshake { organization: config.open.organization_id, session_id: config.session };
        let mut script: Vec<_> = script
            .into_iter()
            .map(|(millis, action)| (start() + Duration::from_millis(millis), action))
            .collect();
        script.sort_by_key(|(at, _)| *at);
        Self {
            now: start(),
            latency: Duration::from_millis(latency_ms),
            client: ClientSession::new(start(), config),
            server: ServerSession::new(start(), ServerConfig::DEFAULT, handshake),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            script: script.into(),
            client_events: Vec::new(),
            server_events: Vec::new(),
        }
    }

    /// Plays until nothing can happen any more.
    fn play(mut self) -> Self {
        self.client(ClientInput::SocketOpened);
        for _ in 0..20_000 {
            let arrivals = [self.to_server.front(), self.to_client.front()];
            let next = arrivals
                .into_iter()
                .flatten()
                .map(|(at, _)| *at)
                .chain(self.script.front().map(|(at, _)| *at))
                .chain(self.client.deadline())
                .chain(self.server.deadline())
                .min();
            let Some(next) = next else { return self };
            assert!(next >= self.now, "a deadline lies in the past");
            self.now = next;
            self.step();
        }
        panic!("the two never come to rest");
    }

    fn step(&mut self) {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= self.now);
        if is_due(self.to_server.front().map(|(at, _)| *at)) {
            let (_, parcel) = self.to_server.pop_front().unwrap();
            match parcel {
                Parcel::Text(text) => self.server(ServerInput::Text(&text)),
                Parcel::Binary(bytes) => {
                    self.server(ServerInput::Media(Bytes::from(vec![0xff; bytes])));
                }
                Parcel::Gone => self.server(ServerInput::Gone),
            }
        } else if is_due(self.to_client.front().map(|(at, _)| *at)) {
            let (_, parcel) = self.to_client.pop_front().unwrap();
            match parcel {
                Parcel::Text(text) => self.client(ClientInput::Text(&text)),
                Parcel::Binary(bytes) => self.client(ClientInput::Binary(bytes)),
                Parcel::Gone => self.client(ClientInput::SocketClosed),
            }
        } else if is_due(self.script.front().map(|(at, _)| *at)) {
            match self.script.pop_front().unwrap().1 {
                Action::Answer(answer) => self.command(ServerCommand::Open(answer)),
                Action::Server(command) => self.command(command),
                Action::Client(input) => self.client(input),
            }
        } else if is_due(self.client.deadline()) {
            self.client(ClientInput::Timeout);
        } else {
            self.server(ServerInput::Timeout);
        }
    }

    fn client(&mut self, input: ClientInput<'_>) {
        self.client.handle(self.now, input);
        let arrival = self.now + self.latency;
        while let Some(output) = self.client.poll_output() {
            let parcel = match output {
                ClientOutput::Send(text) => Parcel::Text(text),
                ClientOutput::SendAudio { media, from, to, .. } => {
                    Parcel::Binary(to.samples_since(from) as usize * media.bytes_per_step())
                }
                ClientOutput::CloseSocket => Parcel::Gone,
                ClientOutput::Event(event) => {
                    self.client_events.push(event);
                    continue;
                }
            };
            self.to_server.push_back((arrival, parcel));
        }
    }

    fn server(&mut self, input: ServerInput<'_>) {
        self.server.handle(self.now, input);
        self.drain_server();
    }

    fn command(&mut self, command: ServerCommand) {
        self.server.command(self.now, command).unwrap();
        self.drain_server();
    }

    fn drain_server(&mut self) {
        let arrival = self.now + self.latency;
        while let Some(output) = self.server.poll_output() {
            match output {
                ServerOutput::Send(text) => {
                    self.to_client.push_back((arrival, Parcel::Text(text)));
                }
                ServerOutput::Event(event) => self.server_events.push(event),
                ServerOutput::DropSocket => self.to_client.push_back((arrival, Parcel::Gone)),
            }
        }
    }

    /// Returns the media that the server counted as received, as stretches.
    fn received(&self) -> Vec<(Position, Position)> {
        let mut stretches: Vec<(Position, Position)> = Vec::new();
        for event in &self.server_events {
            if let SessionEvent::Audio { position, frame } = event {
                let to = position.plus_samples(frame.samples());
                match stretches.last_mut() {
                    Some((_, end)) if end == position => *end = to,
                    Some(_) | None => stretches.push((*position, to)),
                }
            }
        }
        stretches
    }

    /// In peace, and what one sent the other counted.
    fn check_harmony(&self) {
        self.check_peace();
        assert_eq!(self.received(), self.client.sent_ranges());
    }

    /// Neither side found anything wrong with the other, and both came to their end.
    fn check_peace(&self) {
        assert_eq!(self.client.server_faults(), []);
        for event in &self.server_events {
            assert!(
                !matches!(
                    event,
                    SessionEvent::Violation(_)
                        | SessionEvent::Drifted { .. }
                        | SessionEvent::Tolerated(_)
                        | SessionEvent::ClientError { .. }
                ),
                "{event:?}"
            );
        }
        assert!(self.client.is_over());
        assert!(self.server.is_over());
        assert!(matches!(
            self.server_events.last(),
            Some(SessionEvent::Closed { by: ClosedBy::Agreement, .. })
        ));
    }

    fn end(&self) -> Option<(EndCause, bool)> {
        end_of(&self.client_events)
    }
}

fn stereo(start_paused: bool) -> Action {
    Action::Answer(OpenAnswer {
        media: Some(Media::PCMU_STEREO),
        start_paused,
        ..OpenAnswer::default()
    })
}

const PAUSE: Action = Action::Server(ServerCommand::Pause);
const RESUME: Action = Action::Server(ServerCommand::Resume);
const END: Action = Action::Client(ClientInput::End);

#[test]
fn a_whole_call_with_queue_agent_hold_transfer_and_card_number() {
    for latency_ms in [0, 15, 240] {
        let script = vec![
            (200 + latency_ms, stereo(true)),
            (8_000, RESUME),
            (21_350, Action::Client(ClientInput::Pause)),
            (33_333, Action::Client(ClientInput::Resume)),
            (40_000, PAUSE),
            (41_000, Action::Client(ClientInput::Pause)),
            (45_000, RESUME),
            (46_000, Action::Client(ClientInput::Resume)),
            (50_000, Action::Client(ClientInput::Discard(Duration::from_millis(750)))),
            (55_000, Action::Client(ClientInput::Update { language: "es-US".to_owned() })),
            (60_100, END),
        ];
        let duet = Duet::new(call(), latency_ms, script).play();
        duet.check_harmony();
        assert_eq!(duet.end(), Some((EndCause::Completed, false)));
        let sent = duet.client.sent_ranges();
        assert_eq!(sent.len(), 4, "{sent:?}");
        assert_eq!(sent[0].0, ms(8_000 + latency_ms));
        assert_eq!(sent[1].0, ms(33_333));
        assert_eq!(sent[2].0, ms(46_000));
        assert_eq!(sent[3].1, ms(60_100));
        assert!(duet.client_events.contains(&ClientEvent::Updated));
        let paused =
            duet.server_events.iter().filter(|event| matches!(event, SessionEvent::Paused { .. }));
        assert!(paused.count() >= 4);
    }
}

#[test]
fn a_late_answer_is_followed_by_the_whole_backlog() {
    let script = vec![(3_900, stereo(false)), (10_000, END)];
    let duet = Duet::new(call(), 30, script).play();
    duet.check_harmony();
    assert_eq!(duet.received(), [(ms(0), ms(10_000))]);
}

#[test]
fn a_probe_comes_and_goes() {
    let session: crate::wire::SessionIdText = super::bench::SESSION.parse().unwrap();
    let config = ClientConfig::probe(session.session_id(), call().open.organization_id);
    let duet = Duet::new(config, 10, vec![(20, stereo(false))]).play();
    duet.check_harmony();
    assert_eq!(duet.end(), Some((EndCause::Completed, false)));
    assert_eq!(duet.received(), []);
}

#[test]
fn a_refusal_while_opening_is_retried_and_a_silent_engine_too() {
    let refuse = Action::Server(ServerCommand::Disconnect {
        reason: DisconnectReason::Error,
        info: Some("capacity"),
    });
    for script in [vec![(500, refuse)], vec![]] {
        let duet = Duet::new(call(), 20, script).play();
        duet.check_harmony();
        let expected = EndCause::Disconnected(DisconnectReason::Error);
        assert_eq!(duet.end(), Some((expected, true)));
    }
}

#[test]
fn an_end_that_crosses_pauses_and_a_disconnect_is_peaceful() {
    for offset in [0, 100, 199, 200, 201, 300] {
        let done = ServerCommand::Disconnect { reason: DisconnectReason::Completed, info: None };
        let script = vec![
            (400, stereo(false)),
            (2_900, PAUSE),
            (3_000, Action::Server(done)),
            (2_800 + offset, END),
        ];
        // What was on its way when the server said `disconnect` counts nowhere.
        Duet::new(call(), 100, script).play().check_peace();
    }
}

#[test]
fn frames_after_paused_cost_the_session_and_count_nowhere() {
    let mut config = call();
    config.faults.frames_after_paused = 1;
    let script = vec![(100, stereo(false)), (1_000, PAUSE), (9_000, END)];
    let duet = Duet::new(config, 5, script).play();
    assert_eq!(duet.received(), duet.client.sent_ranges());
    assert!(duet.server_events.iter().any(|event| matches!(event, SessionEvent::Violation(_))));
    let expected = EndCause::Disconnected(DisconnectReason::Error);
    assert_eq!(duet.end(), Some((expected, false)));
    assert_eq!(duet.client.server_faults(), []);
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(PAUSE),
        Just(RESUME),
        Just(Action::Client(ClientInput::Pause)),
        Just(Action::Client(ClientInput::Resume)),
        (1..2_000_u64).prop_map(|millis| {
            Action::Client(ClientInput::Discard(Duration::from_millis(millis)))
        }),
        Just(Action::Client(ClientInput::Update { language: "es-US".to_owned() })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_paused_when_both_agree_on_every_sample(
        latency_ms in prop_oneof![Just(0), 0..400_u64],
        answer_ms in 0..3_500_u64,
        start_paused: bool,
        frame_ms in prop_oneof![Just(100), Just(200), 5..900_u64],
        actions in prop::collection::vec((0..20_000_u64, any_action()), 0..24),
    ) {
        let mut config = call();
        config.frame = Duration::from_millis(frame_ms);
        let mut script = actions;
        script.push((latency_ms + answer_ms, stereo(start_paused)));
        script.push((20_100, END));
        let duet = Duet::new(config, latency_ms, script).play();
        duet.check_harmony();
        prop_assert_eq!(duet.end(), Some((EndCause::Completed, false)));
    }
}
