//! The bench: a client, a clock, and a server that says what a test tells it to.

use std::collections::VecDeque;
use std::time::Duration;

use sidetone_model::{Media, Position, Timestamp};

use crate::client::{
    ClientConfig, ClientEvent, ClientInput, ClientOutput, ClientSession, EndCause, FrameFault,
    ServerFault,
};
use crate::wire::{
    ClientBody, ClientMessage, Disconnect, DisconnectReason, Opened, ServerBody, ServerMessage,
};

/// The session of every test.
pub(super) const SESSION: &str = "5A1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

/// What the client did, in order, in a short spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// A text message: its type, and its position.
    Said(String, Position),
    /// Consecutive binary messages: from, to, how many.
    Audio(Position, Position, usize),
    /// A misplaced frame.
    Misplaced,
    /// It closed the socket.
    Closed,
}

pub(super) struct Bench {
    pub(super) client: ClientSession,
    pub(super) now: Timestamp,
    pub(super) deeds: Vec<Deed>,
    pub(super) texts: Vec<ClientMessage>,
    pub(super) events: VecDeque<ClientEvent>,
    pub(super) frames: Vec<(Position, Position, Option<FrameFault>)>,
    server_seq: u64,
    clientseq: u64,
}

pub(super) fn start() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

pub(super) fn ms(millis: u64) -> Position {
    Position::from_millis(millis)
}

pub(super) fn said(kind: &str, millis: u64) -> Deed {
    Deed::Said(kind.to_owned(), ms(millis))
}

pub(super) fn audio(from: u64, to: u64, frames: usize) -> Deed {
    Deed::Audio(ms(from), ms(to), frames)
}

pub(super) fn call() -> ClientConfig {
    let mut config = ClientConfig::call(
        SESSION.parse().unwrap(),
        "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap(),
        "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
        sidetone_model::ParticipantId::new("beefcafe-4321-4cba-9fed-ba9876543210"),
    );
    config.session = SESSION.parse().unwrap();
    config
}

pub(super) fn opened() -> ServerBody {
    ServerBody::Opened(Opened {
        media: vec![Media::PCMU_STEREO],
        start_paused: Some(false),
        discard_to: None,
        supported_languages: None,
    })
}

pub(super) fn opened_with(change: impl FnOnce(&mut Opened)) -> ServerBody {
    let ServerBody::Opened(mut opened) = opened() else { unreachable!() };
    change(&mut opened);
    ServerBody::Opened(opened)
}

pub(super) fn disconnect(reason: DisconnectReason) -> ServerBody {
    ServerBody::Disconnect(Disconnect { reason, info: None, output_variables: None })
}

impl Bench {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self {
            client: ClientSession::new(start(), config),
            now: start(),
            deeds: Vec::new(),
            texts: Vec::new(),
            events: VecDeque::new(),
            frames: Vec::new(),
            server_seq: 0,
            clientseq: 0,
        }
    }

    /// A client whose socket was there at once and whose `open` is out.
    pub(super) fn opening(config: ClientConfig) -> Self {
        let mut bench = Self::new(config);
        bench.input(ClientInput::SocketOpened);
        bench
    }

    /// A client that got `opened` in the same moment.
    pub(super) fn active(config: ClientConfig) -> Self {
        let mut bench = Self::opening(config);
        bench.say(opened());
        bench.deeds.clear();
        bench
    }

    pub(super) fn input(&mut self, input: ClientInput<'_>) {
        self.client.handle(self.now, input);
        while let Some(output) = self.client.poll_output() {
            self.note(output);
        }
    }

    fn note(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Send(text) => {
                let message = ClientMessage::parse(&text).expect("the client writes well");
                assert_eq!(message.id.as_str(), SESSION);
                self.clientseq = message.seq;
                let position = message.position.exact_position().expect("whole samples");
                self.deeds.push(Deed::Said(message.body.kind().to_owned(), position));
                self.texts.push(message);
            }
            ClientOutput::SendAudio { fault: Some(FrameFault::AfterPaused), .. } => {
                self.deeds.push(Deed::Misplaced);
            }
            ClientOutput::SendAudio { from, to, fault, media } => {
                let bytes = to.samples_since(from) as usize * media.bytes_per_step();
                assert!(bytes <= 64_000, "{bytes}");
                self.frames.push((from, to, fault));
                match self.deeds.last_mut() {
                    Some(Deed::Audio(_, end, frames)) if *end == from => {
                        *end = to;
                        *frames += 1;
                    }
                    _ => self.deeds.push(Deed::Audio(from, to, 1)),
                }
            }
            ClientOutput::CloseSocket => self.deeds.push(Deed::Closed),
            ClientOutput::Event(event) => self.events.push_back(event),
        }
    }

    /// The server says something properly numbered, acknowledging everything.
    pub(super) fn say(&mut self, body: ServerBody) {
        self.say_for(self.clientseq, body);
    }

    /// The server says something, acknowledging so much.
    pub(super) fn say_for(&mut self, clientseq: u64, body: ServerBody) {
        self.server_seq += 1;
        self.say_as(self.server_seq, clientseq, body);
    }

    /// The server says something with numbers of its own.
    pub(super) fn say_as(&mut self, seq: u64, clientseq: u64, body: ServerBody) {
        let id = SESSION.parse().unwrap();
        let text = ServerMessage { id, seq, clientseq, body }.to_json();
        self.input(ClientInput::Text(&text));
    }

    /// The clock runs; the server answers pings at once.
    pub(super) fn run(&mut self, length: Duration) {
        self.run_with(length, true);
    }

    /// The clock runs; the server is silent.
    pub(super) fn run_silent(&mut self, length: Duration) {
        self.run_with(length, false);
    }

    pub(super) fn run_millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }

    fn run_with(&mut self, length: Duration, pongs: bool) {
        let until = self.now + length;
        for _ in 0..100_000 {
            match self.client.deadline() {
                Some(deadline) if deadline <= until => {
                    assert!(deadline >= self.now, "the deadline lies in the past");
                    self.now = deadline;
                    self.input(ClientInput::Timeout);
                    while pongs && self.awaits_pong() {
                        self.say(ServerBody::Pong);
                    }
                }
                Some(_) | None => {
                    self.now = until;
                    return;
                }
            }
        }
        panic!("the client never rests");
    }

    fn awaits_pong(&self) -> bool {
        self.client.ping.is_some()
    }

    /// Returns what happened since the last call.
    pub(super) fn deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds)
    }

    /// Returns what happened since the last call, pings left out.
    pub(super) fn deeds_but_pings(&mut self) -> Vec<Deed> {
        let mut deeds: Vec<Deed> = Vec::new();
        for deed in self.deeds() {
            match (deeds.last_mut(), deed) {
                (_, Deed::Said(kind, _)) if kind == "ping" => {}
                (Some(Deed::Audio(_, end, count)), Deed::Audio(from, to, more)) if *end == from => {
                    *end = to;
                    *count += more;
                }
                (_, deed) => deeds.push(deed),
            }
        }
        deeds
    }

    pub(super) fn last_body(&self) -> &ClientBody {
        &self.texts.last().expect("something was said").body
    }

    /// Returns the fault codes the client reported.
    pub(super) fn codes(&self) -> Vec<u32> {
        let mut codes = Vec::new();
        for message in &self.texts {
            if let ClientBody::Error(fault) = &message.body {
                codes.push(fault.code);
            }
        }
        codes
    }

    pub(super) fn faults(&self) -> &[ServerFault] {
        self.client.server_faults()
    }

    pub(super) fn end(&self) -> Option<(EndCause, bool)> {
        end_of(&self.events)
    }
}

/// Returns how a session ended, and whether it would be tried again.
pub(super) fn end_of<'a>(
    events: impl IntoIterator<Item = &'a ClientEvent>,
) -> Option<(EndCause, bool)> {
    for event in events {
        if let ClientEvent::Ended { cause, retry } = event {
            return Some((*cause, *retry));
        }
    }
    None
}
