//! What a simulated client is told before it starts.

use std::time::Duration;

use sidetone_model::{
    ConversationId, Format, Media, MediaChannel, MediaChannels, OrganizationId, ParticipantId, Pii,
    SessionId,
};

use super::message_rate::MessageRate;
use crate::wire::{Open, Participant, RawJson, SessionIdText};

/// Bytes of the largest message, text or binary, in either direction.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 64_000;

/// How much audio the client keeps while the server has not answered.
pub const HISTORY: Duration = Duration::from_secs(20);

/// How much audio one message holds, as production sends it.
const FRAME: Duration = Duration::from_millis(200);

/// The offers of a Monitor session in their usual order: both channels, external, internal.
pub fn usual_offers() -> Vec<Media> {
    let only = |channel| MediaChannels::new(&[channel]).ok();
    [Some(MediaChannels::BOTH), only(MediaChannel::External), only(MediaChannel::Internal)]
        .into_iter()
        .flatten()
        .map(|channels| Media { format: Format::Pcmu, channels })
        .collect()
}

/// The client's waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimers {
    /// From `open` to `opened`.
    pub open: Duration,
    /// From `close` to `closed`.
    pub close: Duration,
    /// From `ping` to `pong`.
    pub pong: Duration,
    /// From `opened` to the first `ping`.
    pub first_ping: Duration,
    /// From one `ping` to the next; the second follows the first `pong` at once.
    pub ping_interval: Duration,
}

impl Default for ClientTimers {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(5),
            close: Duration::from_secs(10),
            pong: Duration::from_secs(5),
            first_ping: Duration::from_secs(1),
            ping_interval: Duration::from_secs(5),
        }
    }
}

/// Ways in which this client breaks the protocol on purpose. None by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Frames sent directly after each `paused`, which must go nowhere.
    pub frames_after_paused: u32,
    /// The text message that skips a number, counted from 1.
    pub wrong_seq_at: Option<u64>,
    /// The frame that has a byte too many, counted from 1.
    pub odd_frame_at: Option<u64>,
    /// The frame that is larger than any message may be, counted from 1.
    pub oversize_frame_at: Option<u64>,
    /// Never sends `close`: it just goes quiet when asked to end.
    pub never_closes: bool,
}

/// One session to be played.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The session's id, spelt as it is to appear in every message.
    pub session: SessionIdText,
    /// What `open` will say.
    pub open: Open,
    /// The waits.
    pub timers: ClientTimers,
    /// How much audio is kept before `opened`.
    pub history: Duration,
    /// How much audio one message holds in real time: 100 or 200 ms.
    pub frame: Duration,
    /// How many messages the server may send; nothing for any number.
    pub rate: Option<MessageRate>,
    /// Planted misbehaviour.
    pub faults: Faults,
}

impl ClientConfig {
    /// A call of one customer with everything as usual.
    pub fn call(
        session: SessionId,
        organization: OrganizationId,
        conversation: ConversationId,
        participant: ParticipantId,
    ) -> Self {
        let nobody = || Pii::new(String::new());
        Self {
            session: session.into(),
            open: Open {
                organization_id: organization,
                conversation_id: conversation,
                participant: Participant {
                    id: participant,
                    ani: nobody(),
                    ani_name: nobody(),
                    dnis: nobody(),
                },
                media: usual_offers(),
                language: None,
                supported_languages: None,
                continued_sessions: None,
                custom_config: None::<RawJson>,
                input_variables: None,
            },
            timers: ClientTimers::default(),
            history: HISTORY,
            frame: FRAME,
            rate: Some(MessageRate::default()),
            faults: Faults::default(),
        }
    }

    /// Genesys' test of an integration: null ids, no numbers, closed as soon as it is opened.
    pub fn probe(session: SessionId, organization: OrganizationId) -> Self {
        let nil = "00000000-0000-0000-0000-000000000000";
        let conversation = nil.parse().expect("the null UUID is a UUID");
        Self::call(session, organization, conversation, ParticipantId::new(nil))
    }
}
