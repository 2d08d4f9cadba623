//! Transcripts: inputs and what must come of them, in one text.
//!
//! | line | means |
//! |---|---|
//! | `at 1200` | the clock stands at 1,200 ms |
//! | `< kind seq serverseq position {…}` | the client says this; `{}` may be left out |
//! | `< open 1 0 PT0S` | with usual parameters, unless some are given |
//! | `< raw …` | the client sends this text |
//! | `< audio 1600` | the client sends that many bytes |
//! | `< gone` | the socket ends |
//! | `tick` | the deadline is reported |
//! | `! open paused` | the engine's wishes: `open [paused] [none]`, `pause`, `resume`, … |
//! | `> kind seq clientseq {…}` | we must send this; or `> drop` |
//! | `* …` | this event must come |
//!
//! What comes of an input is compared whole and in order. Observed positions are left out.

use sidetone_model::{Media, OrganizationId, Position, Timestamp};

use crate::server::{
    ClosedBy, ClosingReason, Handshake, OpenAnswer, PauseCause, ServerCommand, ServerConfig,
    ServerInput, ServerOutput, ServerSession, SessionEvent,
};
use crate::wire::{DisconnectReason, ServerEnvelope, SessionIdText};

pub(super) const ID: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";
pub(super) const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
pub(super) const CALL: &str = "c0ffee12-3456-4789-8abc-def012345678";
pub(super) const PROBE: &str = "00000000-0000-0000-0000-000000000000";
pub(super) const STEREO: &str =
    r#"{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}"#;

/// Plays a transcript from the start of a session.
pub(super) fn check(transcript: &str) {
    check_with(ServerConfig::DEFAULT, transcript);
}

/// Plays a transcript under other limits.
pub(super) fn check_with(config: ServerConfig, transcript: &str) {
    let mut stage = Stage::new(config);
    let mut lines = transcript.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while let Some(input) = lines.next() {
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(['>', '*'])) {
            expected.push(line.to_owned());
        }
        let came = stage.play(input);
        assert_eq!(came, expected, "after: {input}");
    }
}

/// A session and its clock.
pub(super) struct Stage {
    pub(super) session: ServerSession,
    pub(super) now: Timestamp,
}

impl Stage {
    pub(super) fn new(config: ServerConfig) -> Self {
        let now = Timestamp::from_millis(0);
        let organization: OrganizationId = ORGANIZATION.parse().expect("valid");
        let session_id: SessionIdText = ID.parse().expect("valid");
        let handshake = Handshake { organization, session_id };
        Self { session: ServerSession::new(now, config, handshake), now }
    }

    /// Plays one input and returns all that comes of it.
    pub(super) fn play(&mut self, line: &str) -> Vec<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "at" => self.now = Timestamp::from_millis(rest.parse().expect("milliseconds")),
            "tick" => self.session.handle(self.now, ServerInput::Timeout),
            "<" => self.client(rest),
            "!" => self.engine(rest),
            other => panic!("no such line: {other}"),
        }
        let mut came = Vec::new();
        while let Some(output) = self.session.poll_output() {
            came.extend(render(&output));
        }
        came
    }

    fn client(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "raw" => self.session.handle(self.now, ServerInput::Text(rest)),
            "gone" => self.session.handle(self.now, ServerInput::Gone),
            "audio" => {
                let bytes = vec![0xFF; rest.parse().expect("bytes")];
                self.session.handle(self.now, ServerInput::Media(bytes.into()));
            }
            _ => self.session.handle(self.now, ServerInput::Text(&client_text(line))),
        }
    }

    fn engine(&mut self, line: &str) {
        let mut words = line.split(' ');
        let command = match words.next().expect("a command") {
            "open" => {
                let mut answer =
                    OpenAnswer { media: Some(Media::PCMU_STEREO), ..OpenAnswer::default() };
                for word in words {
                    match word.split_once('=').unwrap_or((word, "")) {
                        ("paused", _) => answer.start_paused = true,
                        ("none", _) => answer.media = None,
                        ("discard", millis) => {
                            let millis = millis.parse().expect("milliseconds");
                            answer.discard_to = Some(Position::from_millis(millis));
                        }
                        ("languages", list) => {
                            answer.supported_languages =
                                list.split(',').map(str::to_owned).collect();
                        }
                        other => panic!("no such answer: {other:?}"),
                    }
                }
                ServerCommand::Open(answer)
            }
            "pause" => ServerCommand::Pause,
            "resume" => ServerCommand::Resume,
            "reconnect" => ServerCommand::Reconnect,
            "disconnect" => {
                let reason = match words.next().expect("a reason") {
                    "completed" => DisconnectReason::Completed,
                    "unauthorized" => DisconnectReason::Unauthorized,
                    "error" => DisconnectReason::Error,
                    "rejected" => DisconnectReason::Rejected,
                    other => panic!("no such reason: {other}"),
                };
                ServerCommand::Disconnect { reason, info: None }
            }
            other => panic!("no such command: {other}"),
        };
        self.session.command(self.now, command).expect("the medium is offered");
    }
}

/// Writes `kind seq serverseq position {…}` as a message.
pub(super) fn client_text(line: &str) -> String {
    let mut parts = line.splitn(5, ' ');
    let mut next = |or: &'static str| parts.next().map_or(or.to_owned(), str::to_owned);
    let (kind, seq, serverseq, position) = (next("ping"), next("1"), next("0"), next("PT0S"));
    let parameters = match parts.next() {
        Some(given) => given.to_owned(),
        None if kind == "open" => open_parameters(CALL, &[STEREO]),
        None => "{}".to_owned(),
    };
    format!(
        r#"{{"version":"2","id":"{ID}","type":"{kind}","seq":{seq},"serverseq":{serverseq},"position":"{position}","parameters":{parameters}}}"#
    )
}

/// Writes the parameters of `open`.
pub(super) fn open_parameters(conversation: &str, media: &[&str]) -> String {
    let media = media.join(",");
    format!(
        r#"{{"organizationId":"{ORGANIZATION}","conversationId":"{conversation}","participant":{{"id":"beefcafe-4321-4cba-9fed-ba9876543210","ani":"+13175550101","aniName":"R. Example","dnis":"+18005550199"}},"media":[{media}],"customConfig":{{"pin":"4711"}}}}"#
    )
}

fn render(output: &ServerOutput) -> Option<String> {
    match output {
        ServerOutput::DropSocket => Some("> drop".to_owned()),
        ServerOutput::Event(event) => Some(format!("* {}", render_event(event)?)),
        ServerOutput::Send(text) => {
            let envelope = ServerEnvelope::parse(text).expect("our own message");
            assert!(envelope.id.as_str() == ID, "another id: {text}");
            assert!(text.len() <= 64_000);
            let ServerEnvelope { kind, seq, clientseq, .. } = &envelope;
            let parameters = match envelope.parameters() {
                "{}" => String::new(),
                given => format!(" {given}"),
            };
            Some(format!("> {kind} {seq} {clientseq}{parameters}"))
        }
    }
}

fn render_event(event: &SessionEvent) -> Option<String> {
    Some(match event {
        SessionEvent::PositionObserved { .. } => return None,
        SessionEvent::OpenRequested { position, open } => {
            let kind = if open.is_probe() { "probe" } else { "open" };
            format!("{kind} {} of {} offers", millis(*position), open.media.len())
        }
        SessionEvent::Audio { position, frame } => {
            format!("audio {} {}", millis(*position), frame.samples())
        }
        SessionEvent::Paused { position, cause } => {
            let cause = match cause {
                PauseCause::Answer => "answer",
                PauseCause::Client => "client",
                PauseCause::Repeat => "repeat",
            };
            format!("paused {} {cause}", millis(*position))
        }
        SessionEvent::Resumed { start, position } => {
            format!("resumed {}..{}", millis(*start), millis(*position))
        }
        SessionEvent::Discarded { start, to } => {
            format!("discarded {}..{}", millis(*start), millis(*to))
        }
        SessionEvent::Undelivered { start, to } => {
            format!("undelivered {}..{}", millis(*start), millis(*to))
        }
        SessionEvent::Drifted { expected, stated } => {
            format!("drifted {}->{}", millis(*expected), millis(*stated))
        }
        SessionEvent::LanguageUpdated { position, language } => {
            format!("language {} {}", millis(*position), language.as_deref().unwrap_or("-"))
        }
        SessionEvent::ClientError { code, retry_after, .. } => match retry_after {
            Some(wait) => format!("error {code} {}", wait.as_millis()),
            None => format!("error {code}"),
        },
        SessionEvent::Violation(violation) => format!("violation {}", violation.label()),
        SessionEvent::Tolerated(tolerated) => format!("tolerated {}", tolerated.label()),
        SessionEvent::Closing { position, reason } => {
            let reason = match reason {
                ClosingReason::Client(reason) => format!("client {reason:?}"),
                ClosingReason::Requested(reason) => format!("requested {reason:?}"),
                ClosingReason::Violation(violation) => format!("violation {}", violation.label()),
                ClosingReason::Unanswered => "unanswered".to_owned(),
            };
            format!("closing {} {reason}", millis(*position))
        }
        SessionEvent::Closed { position, by } => {
            let by = match by {
                ClosedBy::Agreement => "agreement",
                ClosedBy::Timeout => "timeout",
                ClosedBy::Loss => "loss",
            };
            format!("closed {} {by}", millis(*position))
        }
    })
}

/// Writes a position in milliseconds, with a fraction if it has one.
fn millis(position: Position) -> String {
    match position.samples() % 8 {
        0 => position.as_millis().to_string(),
        rest => format!("{}.{}", position.as_millis(), rest * 125),
    }
}

/// Plays a transcript that goes on from an open session: both channels, not paused.
pub(super) fn check_opened(transcript: &str) {
    check(&format!("{OPENED}\n{transcript}"));
}

/// The lines that open a session.
pub(super) const OPENED: &str = r#"
    < open 1 0 PT0S
    * open 0 of 1 offers
    ! open
    > opened 1 1 {"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":false}
"#;
