//! What a text message says of its place among the others: its envelope is read, and of its
//! parameters only what order needs.
//!
//! Refuses: judging. A message that is not well formed has no place and is the engine's affair.
//! Source: docs/wire/audiohook.md, "Envelope"; docs/wire/text-media.md.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sidetone_audiohook_proto::{ClientBody, ClientEnvelope};
use sidetone_model::Position;

/// The type of a message that carries media.
const MEDIA: &str = "media";

/// The place of a message in its session: a text, then the frames sent after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The `seq` of the text; for a frame, of the last text before it.
    pub(crate) seq: u64,
    /// 0 for the text, else the frame's number, which runs through the session.
    pub(crate) frame: u64,
}

/// A message as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A message with a place.
    Placed {
        /// Where it belongs.
        place: Place,
        /// The highest `seq` of ours that the client had seen.
        heard: u64,
        /// Tells a repeat from another message of the same place.
        print: u64,
        /// What it is.
        content: Content,
    },
    /// A text without a place, for the engine to refuse.
    Unplaced,
    /// Media that does not say what it must.
    BadMedia,
}

/// What is to be handed to the engine once it is its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// A message of the protocol.
    Text {
        /// As it came.
        text: String,
        /// Where media stood when it was sent, if media counts on to it.
        follows: Option<Position>,
        /// Whether it is `close`.
        closes: bool,
    },
    /// A frame.
    Media {
        /// Where its first sample belongs.
        position: Position,
        /// Its samples, as a binary message would have had them.
        data: Vec<u8>,
    },
}

impl Content {
    /// Returns about how many bytes it takes while it waits.
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len(),
            Self::Media { data, .. } => data.len(),
        }
    }
}

impl Arrival {
    /// Reads a text message that is at most `bytes_max` long; longer ones have no place.
    pub(crate) fn read(text: &str, bytes_max: usize) -> Self {
        if text.len() > bytes_max {
            return Self::Unplaced;
        }
        let Ok(envelope) = ClientEnvelope::parse(text) else { return Self::Unplaced };
        let (place, content) = if envelope.kind == MEDIA {
            let Some((frame, data)) = read_media(&envelope) else { return Self::BadMedia };
            let position = envelope.position.position();
            (Place { seq: envelope.seq, frame }, Content::Media { position, data })
        } else {
            let content = Content::Text {
                text: text.to_owned(),
                follows: follows(&envelope),
                closes: envelope.kind == "close",
            };
            (Place { seq: envelope.seq, frame: 0 }, content)
        };
        // There is no message before the first.
        if place.seq == 0 {
            return Self::Unplaced;
        }
        Self::Placed { place, heard: envelope.serverseq, print: print(text), content }
    }
}

#[derive(Deserialize)]
struct MediaParameters<'a> {
    frame: u64,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

fn read_media(envelope: &ClientEnvelope<'_>) -> Option<(u64, Vec<u8>)> {
    let MediaParameters { frame, data } = serde_json::from_str(envelope.parameters()).ok()?;
    let data = STANDARD.decode(data.as_bytes()).ok()?;
    (frame > 0).then_some((frame, data))
}

/// Returns up to where the frames lie that were sent before this text.
fn follows(envelope: &ClientEnvelope<'_>) -> Option<Position> {
    match &*envelope.kind {
        // Their position is where media goes on, which is not how far it had come.
        "discarded" | "resumed" => match envelope.body() {
            Ok(ClientBody::Discarded(skip) | ClientBody::Resumed(skip)) => {
                Some(skip.start.position())
            }
            Ok(_) | Err(_) => None,
        },
        _ => Some(envelope.position.position()),
    }
}

/// FNV-1a: short, and the same in every version that may read what another wrote.
fn print(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |print, byte| {
        (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 65_536;

    fn message(kind: &str, seq: u64, position: &str, parameters: &str) -> String {
        format!(
            r#"{{"version":"2","id":"5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071","type":"{kind}","seq":{seq},"serverseq":4,"position":"{position}","parameters":{parameters}}}"#
        )
    }

    fn placed(text: &str) -> (Place, Content) {
        let arrival = Arrival::read(text, BYTES_MAX);
        let Arrival::Placed { place, heard: 4, content, .. } = arrival else {
            panic!("{arrival:?}")
        };
        (place, content)
    }

    fn followed(text: &str) -> Option<u64> {
        match placed(text).1 {
            Content::Text { follows, .. } => follows.map(Position::as_millis),
            Content::Media { .. } => panic!("media"),
        }
    }

    #[test]
    fn media_names_number_and_position() {
        let text = message("media", 3, "PT1.2S", r#"{"frame":7,"data":"AQID"}"#);
        let position = Position::from_millis(1_200);
        let content = Content::Media { position, data: vec![1, 2, 3] };
        assert_eq!(placed(&text), (Place { seq: 3, frame: 7 }, content));
    }

    #[test]
    fn a_text_follows_the_media_sent_before_it() {
        assert_eq!(followed(&message("ping", 3, "PT1.2S", "{}")), Some(1_200));
        let skip = r#"{"start":"PT1S","discarded":"PT4S"}"#;
        assert_eq!(followed(&message("discarded", 3, "PT5S", skip)), Some(1_000));
        assert_eq!(followed(&message("resumed", 3, "PT5S", skip)), Some(1_000));
    }

    #[test]
    fn what_is_not_well_formed_has_no_place() {
        let long = message("ping", 3, "PT1S", &format!(r#"{{"x":"{}"}}"#, "x".repeat(BYTES_MAX)));
        for text in ["", "no message", "{}", &message("ping", 0, "PT0S", "{}"), &long] {
            assert_eq!(Arrival::read(text, BYTES_MAX), Arrival::Unplaced);
        }
        for parameters in [r#"{"data":"AQID"}"#, r#"{"frame":1}"#, r#"{"frame":1,"data":"*"}"#] {
            let text = message("media", 1, "PT0S", parameters);
            assert_eq!(Arrival::read(&text, BYTES_MAX), Arrival::BadMedia);
        }
    }
}
