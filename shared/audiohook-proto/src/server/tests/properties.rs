//! What holds whatever comes: no panic, gapless counting, silence when paused, rest.

use proptest::prelude::*;
use sidetone_model::{Media, Timestamp};

use super::transcript::{Stage, client_text};
use crate::server::{
    OpenAnswer, ServerCommand, ServerConfig, ServerInput, ServerOutput, ServerSession, SessionEvent,
};
use crate::wire::{DisconnectReason, ServerBody, ServerMessage};

/// One thing that may happen.
#[derive(Debug, Clone)]
enum Step {
    /// A message with the right counters.
    Client(&'static str),
    /// A message with any counters.
    Odd(&'static str, u64, u64),
    Garbage(String),
    Media(usize),
    Wait(u64),
    Gone,
    Engine(ServerCommand),
}

const MESSAGES: &[&str] = &[
    "open",
    "ping",
    "paused",
    r#"resumed {"start":"PT1S","discarded":"PT0.5S"}"#,
    r#"discarded {"start":"PT0.1S","discarded":"PT2S"}"#,
    r#"update {"language":"en-US"}"#,
    r#"error {"code":429,"retryAfter":"PT1S"}"#,
    r#"error {"code":500}"#,
    "telepathy",
    r#"dtmf {"digit":"1"}"#,
    r#"close {"reason":"end"}"#,
    "resumed",
];

fn step() -> impl Strategy<Value = Step> {
    let open =
        |media| Step::Engine(ServerCommand::Open(OpenAnswer { media, ..Default::default() }));
    prop_oneof![
        20 => prop::sample::select(MESSAGES).prop_map(Step::Client),
        8 => Just(Step::Client("ping")),
        1 => (prop::sample::select(MESSAGES), 0..5_u64, 0..5_u64)
            .prop_map(|(message, seq, serverseq)| Step::Odd(message, seq, serverseq)),
        1 => "\\PC{0,40}".prop_map(Step::Garbage),
        10 => (0_usize..400).prop_map(|samples| Step::Media(samples * 2)),
        1 => (0_usize..70_000).prop_map(Step::Media),
        6 => (0..12_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Gone),
        8 => Just(open(Some(Media::PCMU_STEREO))),
        1 => Just(open(None)),
        4 => Just(Step::Engine(ServerCommand::Pause)),
        4 => Just(Step::Engine(ServerCommand::Resume)),
        1 => Just(Step::Engine(ServerCommand::Reconnect)),
        1 => Just(Step::Engine(ServerCommand::Disconnect {
            reason: DisconnectReason::Completed,
            info: Some("done"),
        })),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let opening = Just(vec![
        Step::Client("open"),
        Step::Engine(ServerCommand::Open(OpenAnswer {
            media: Some(Media::PCMU_STEREO),
            ..Default::default()
        })),
    ]);
    let start = prop_oneof![3 => opening, 1 => Just(Vec::new())];
    (start, prop::collection::vec(step(), 0..60)).prop_map(|(mut start, rest)| {
        start.extend(rest);
        start
    })
}

/// The client's side of the counting, as far as the steps need it.
#[derive(Default)]
struct Counters {
    seq: u64,
    seen: u64,
}

fn apply(session: &mut ServerSession, now: &mut Timestamp, counters: &mut Counters, step: &Step) {
    let message = |message: &str, seq: u64, serverseq: u64| {
        let (kind, parameters) = message.split_once(' ').unwrap_or((message, ""));
        client_text(format!("{kind} {seq} {serverseq} PT1S {parameters}").trim_end())
    };
    match step {
        Step::Client(text) => {
            counters.seq += 1;
            let text = message(text, counters.seq, counters.seen);
            session.handle(*now, ServerInput::Text(&text));
        }
        Step::Odd(text, seq, serverseq) => {
            session.handle(*now, ServerInput::Text(&message(text, *seq, *serverseq)));
        }
        Step::Garbage(text) => session.handle(*now, ServerInput::Text(text)),
        Step::Media(bytes) => session.handle(*now, ServerInput::Media(vec![0xFF; *bytes].into())),
        Step::Wait(millis) => {
            *now = Timestamp::from_millis(now.as_millis() + i64::try_from(*millis).expect("small"));
            session.handle(*now, ServerInput::Timeout);
        }
        Step::Gone => session.handle(*now, ServerInput::Gone),
        Step::Engine(command) => {
            let _ = session.command(*now, command.clone());
        }
    }
}

fn drain(session: &mut ServerSession) -> Vec<ServerOutput> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

/// What a client that trusts nothing checks of us.
#[derive(Default)]
struct Judge {
    seq: u64,
    opened: bool,
    closing: bool,
    closed: bool,
    paused: bool,
    ended: bool,
    pings: u64,
    pongs: u64,
}

impl Judge {
    fn judge(&mut self, output: &ServerOutput) {
        assert!(!self.ended || *output == ServerOutput::DropSocket, "after the end: {output:?}");
        match output {
            ServerOutput::Send(text) => self.judge_message(text),
            ServerOutput::Event(SessionEvent::Audio { frame, .. }) => {
                assert!(self.opened && !self.paused && !self.closing, "illegal audio");
                assert!(!frame.is_empty());
            }
            ServerOutput::Event(SessionEvent::Paused { .. }) => self.paused = true,
            ServerOutput::Event(SessionEvent::Resumed { .. }) => self.paused = false,
            ServerOutput::Event(SessionEvent::Closing { .. }) => {
                assert!(!self.closing, "two beginnings of the end");
                self.closing = true;
            }
            ServerOutput::Event(SessionEvent::Closed { .. }) => self.ended = true,
            ServerOutput::Event(
                SessionEvent::OpenRequested { .. }
                | SessionEvent::Discarded { .. }
                | SessionEvent::Undelivered { .. }
                | SessionEvent::Drifted { .. }
                | SessionEvent::PositionObserved { .. }
                | SessionEvent::LanguageUpdated { .. }
                | SessionEvent::ClientError { .. }
                | SessionEvent::Violation(_)
                | SessionEvent::Tolerated(_),
            )
            | ServerOutput::DropSocket => {}
        }
    }

    fn judge_message(&mut self, text: &str) {
        let message = ServerMessage::parse(text).expect("well formed");
        assert_eq!(message.seq, self.seq + 1, "gap in seq: {text}");
        assert!(!self.closed, "after closed: {text}");
        self.seq = message.seq;
        match message.body {
            ServerBody::Opened(_) => {
                assert!(!self.opened, "opened twice");
                self.opened = true;
            }
            ServerBody::Pong => {
                self.pongs += 1;
                assert!(self.opened && self.pongs <= self.pings, "unsolicited pong");
            }
            ServerBody::Pause | ServerBody::Resume | ServerBody::Updated => {
                assert!(self.opened && !self.closing, "out of place: {text}");
            }
            ServerBody::Disconnect(_) => assert!(!self.closing, "disconnect after the end began"),
            ServerBody::Closed => self.closed = true,
            ServerBody::Reconnect { .. }
            | ServerBody::Event { .. }
            | ServerBody::Unknown { .. } => panic!("never sent: {text}"),
        }
    }
}

proptest! {
    #[test]
    fn c28_whatever_happens_the_rules_of_the_wire_hold(steps in steps()) {
        let Stage { mut session, mut now } = Stage::new(ServerConfig::DEFAULT);
        let (mut counters, mut judge) = (Counters::default(), Judge::default());
        for step in &steps {
            judge.pings += u64::from(matches!(step, Step::Client("ping") | Step::Odd("ping", ..)));
            apply(&mut session, &mut now, &mut counters, step);
            for output in drain(&mut session) {
                judge.judge(&output);
            }
            counters.seen = judge.seq;
            prop_assert_eq!(session.is_over(), session.deadline().is_none());
        }
    }

    #[test]
    fn rests_between_any_two_inputs(steps in steps()) {
        let Stage { session: mut awake, mut now } = Stage::new(ServerConfig::DEFAULT);
        let mut rested = awake.clone();
        let (mut counters, mut others) = (Counters::default(), Counters::default());
        for step in &steps {
            let snapshot = serde_json::to_string(&rested).expect("serialises");
            rested = serde_json::from_str(&snapshot).expect("restores");
            let mut same_moment = now;
            apply(&mut awake, &mut now, &mut counters, step);
            apply(&mut rested, &mut same_moment, &mut others, step);
            let outputs = drain(&mut awake);
            prop_assert_eq!(&outputs, &drain(&mut rested));
            prop_assert_eq!(awake.deadline(), rested.deadline());
            let sends = outputs.iter().filter(|output| matches!(output, ServerOutput::Send(_)));
            counters.seen += sends.count() as u64;
            others.seen = counters.seen;
        }
    }

    #[test]
    fn following_the_deadlines_always_reaches_the_end(steps in steps()) {
        let Stage { mut session, mut now } = Stage::new(ServerConfig::DEFAULT);
        let mut counters = Counters::default();
        for step in &steps {
            apply(&mut session, &mut now, &mut counters, step);
            drain(&mut session);
        }
        for _ in 0..100 {
            let Some(deadline) = session.deadline() else { return Ok(()) };
            now = now.max(deadline);
            session.handle(now, ServerInput::Timeout);
            drain(&mut session);
        }
        prop_assert!(false, "still waiting for {:?}", session.deadline());
    }

    #[test]
    fn no_text_and_no_bytes_make_it_panic(
        texts in prop::collection::vec("\\PC{0,80}", 0..5),
        media in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let Stage { mut session, now } = Stage::new(ServerConfig::DEFAULT);
        for text in &texts {
            session.handle(now, ServerInput::Text(text));
            session.handle(now, ServerInput::Media(media.clone().into()));
        }
        drain(&mut session);
    }
}
