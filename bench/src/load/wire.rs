//! The client's bytes: upgrade requests, masked frames, protocol messages; and what comes back.
//!
//! Source: RFC 6455, section 5; docs/wire/audiohook.md, "Handshake" and "Messages".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidetone_audiohook_proto::{KeyId, SIGNATURE_LIFETIME, Secret, SigningRequest, sign};
use sidetone_model::Timestamp;
use uuid::Uuid;

use crate::Failure;
use crate::serve::{KEY_ID, ORGANIZATION, PATH, SECRET};

/// Samples of a frame, both channels: 200 ms.
pub(crate) const FRAME_BYTES: usize = 3_200;
/// Fixed, as nobody is protected here; none of its bytes is zero, so unmasking is real work.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Builds a whole message as a client sends it.
fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 8);
    bytes.push(0x80 | opcode);
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            let length = u16::try_from(payload.len()).expect("the bench sends nothing so large");
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Returns a frame of sound, no two samples next to each other alike.
pub(super) fn audio() -> Vec<u8> {
    let samples: Vec<u8> = (0..FRAME_BYTES).map(|place| (place * 31 % 251) as u8).collect();
    message(BINARY, &samples)
}

/// Returns a ping of the WebSocket itself.
pub(super) fn websocket_ping() -> Vec<u8> {
    message(PING, &[])
}

/// Returns the close of the WebSocket itself: normal.
pub(super) fn websocket_close() -> Vec<u8> {
    message(CLOSE, &1_000_u16.to_be_bytes())
}

/// Returns the protocol's ping.
pub(super) fn ping(id: &str, seq: u64, serverseq: u64, frames: u64) -> Vec<u8> {
    protocol_message("ping", r#"{"rtt":"PT0.018754S"}"#, id, seq, serverseq, frames)
}

/// Returns the protocol's `close`, at the end of a call.
pub(super) fn close(id: &str, seq: u64, serverseq: u64, frames: u64) -> Vec<u8> {
    protocol_message("close", r#"{"reason":"end"}"#, id, seq, serverseq, frames)
}

fn protocol_message(
    kind: &str,
    parameters: &str,
    id: &str,
    seq: u64,
    serverseq: u64,
    frames: u64,
) -> Vec<u8> {
    let (seconds, tenths) = (frames / 5, frames % 5 * 2);
    let text = format!(
        r#"{{"version":"2","id":"{id}","type":"{kind}","seq":{seq},"serverseq":{serverseq},"position":"PT{seconds}.{tenths}S","parameters":{parameters}}}"#
    );
    message(TEXT, text.as_bytes())
}

/// Returns the protocol's `open`.
pub(super) fn open(id: &str) -> Vec<u8> {
    let (conversation, participant) = (Uuid::new_v4(), Uuid::new_v4());
    let text = format!(
        r#"{{"version":"2","id":"{id}","type":"open","seq":1,"serverseq":0,"position":"PT0S","parameters":{{"organizationId":"{ORGANIZATION}","conversationId":"{conversation}","participant":{{"id":"{participant}","ani":"+13175550101","aniName":"R. Example","dnis":"+18005550199"}},"media":[{{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}},{{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}},{{"type":"audio","format":"PCMU","channels":["internal"],"rate":8000}}],"language":"en-US"}}}}"#
    );
    message(TEXT, text.as_bytes())
}

/// Returns the upgrade request of a session, signed as the real client does.
pub(super) fn signed_upgrade(
    authority: &str,
    id: &str,
    now: Timestamp,
) -> Result<Vec<u8>, Failure> {
    let correlation = Uuid::new_v4().to_string();
    let nonce = STANDARD.encode(Uuid::new_v4().as_bytes());
    let signed = sign(
        &SigningRequest {
            target: PATH,
            authority,
            organization_id: ORGANIZATION,
            session_id: id,
            correlation_id: &correlation,
            key_id: &KeyId::new(KEY_ID),
            nonce: &nonce,
            created: now,
            lifetime: SIGNATURE_LIFETIME,
        },
        &Secret::from_base64(SECRET)?,
    )?;
    let (input, signature) = (signed.signature_input, signed.signature);
    let own = format!(
        "Audiohook-Organization-Id: {ORGANIZATION}\r\nAudiohook-Session-Id: {id}\r\n\
         Audiohook-Correlation-Id: {correlation}\r\nX-API-KEY: {KEY_ID}\r\n\
         Signature-Input: {input}\r\nSignature: {signature}\r\n"
    );
    Ok(request(PATH, authority, &own))
}

/// Returns the upgrade request for the sink.
pub(super) fn plain_upgrade(authority: &str) -> Vec<u8> {
    request("/", authority, "")
}

fn request(target: &str, authority: &str, own: &str) -> Vec<u8> {
    let key = STANDARD.encode(Uuid::new_v4().as_bytes());
    format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
         User-Agent: GenesysCloud-AudioHook-Client\r\n{own}\r\n"
    )
    .into_bytes()
}

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// `opened`.
    Opened,
    /// `pong`, of either protocol.
    Pong,
    /// Another text.
    Other,
    /// Nothing will follow.
    End,
}

/// Puts together what comes from a server in pieces.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    rest: Vec<u8>,
}

impl Hearing {
    /// Takes the head of the answer to an upgrade out of what came; nothing if it is not whole.
    ///
    /// Errors: if it is not a 101.
    pub(super) fn upgraded(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(false);
        };
        if !self.rest.starts_with(b"HTTP/1.1 101") {
            let line = self.rest.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Err(format!("answered {}", String::from_utf8_lossy(line)).into());
        }
        self.rest.drain(..end + 4);
        Ok(true)
    }

    /// Takes what came, and tells of every whole message in it.
    pub(super) fn hear(&mut self, bytes: &[u8], mut tell: impl FnMut(Said)) {
        if self.rest.is_empty() {
            let used = hear_all(bytes, &mut tell);
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = hear_all(&self.rest, &mut tell);
            self.rest.drain(..used);
        }
    }
}

fn hear_all(bytes: &[u8], tell: &mut impl FnMut(Said)) -> usize {
    let mut used = 0;
    while let Some((said, length)) = hear_one(&bytes[used..]) {
        tell(said);
        used += length;
    }
    used
}

fn hear_one(bytes: &[u8]) -> Option<(Said, usize)> {
    let (opcode, short) = (bytes.first()? & 0x0f, usize::from(bytes.get(1)? & 0x7f));
    let (start, length) = match short {
        // A server of ours never sends so much; whatever it is, nothing readable follows.
        127 => return Some((Said::End, bytes.len())),
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        short => (2, short),
    };
    let payload = bytes.get(start..start + length)?;
    let has = |text: &[u8]| payload.windows(text.len()).any(|part| part == text);
    let said = match opcode {
        PONG => Said::Pong,
        CLOSE => Said::End,
        TEXT if has(br#""type":"pong""#) => Said::Pong,
        TEXT if has(br#""type":"opened""#) => Said::Opened,
        TEXT if has(br#""type":"disconnect""#) || has(br#""type":"closed""#) => Said::End,
        _ => Said::Other,
    };
    Some((said, start + length))
}

#[cfg(test)]
mod tests {
    use sidetone_audiohook_proto::ClientEnvelope;

    use super::*;

    fn unmasked(message: &[u8]) -> Vec<u8> {
        let start = if message[1] & 0x7f == 126 { 4 } else { 2 };
        let (mask, payload) = message[start..].split_at(4);
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
    }

    #[test]
    fn messages_are_those_of_the_protocol() {
        let id = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";
        for message in [open(id), ping(id, 7, 3, 12), close(id, 8, 3, 12)] {
            let text = String::from_utf8(unmasked(&message)).unwrap();
            let envelope = ClientEnvelope::parse(&text).unwrap();
            envelope.body().unwrap();
        }
        assert!(String::from_utf8(unmasked(&ping(id, 7, 3, 12))).unwrap().contains("PT2.4S"));
        assert_eq!(unmasked(&audio()).len(), FRAME_BYTES);
    }

    #[test]
    fn hears_messages_whole_in_pieces_and_together() {
        let pong = br#"{"version":"2","type":"pong","parameters":{}}"#;
        let mut bytes = vec![0x81, pong.len() as u8];
        bytes.extend_from_slice(pong);
        bytes.extend_from_slice(&[0x8a, 0]);
        bytes.extend_from_slice(&[0x88, 2, 3, 232]);
        for piece in [1, 5, bytes.len()] {
            let (mut hearing, mut said) = (Hearing::default(), Vec::new());
            bytes.chunks(piece).for_each(|chunk| hearing.hear(chunk, |one| said.push(one)));
            assert_eq!(said, [Said::Pong, Said::Pong, Said::End], "pieces of {piece}");
        }
    }

    #[test]
    fn an_upgrade_is_101_or_an_error() {
        let mut hearing = Hearing::default();
        assert!(!hearing.upgraded(b"HTTP/1.1 101 Switching").unwrap());
        assert!(hearing.upgraded(b" Protocols\r\nA: b\r\n\r\n\x8a").unwrap());
        assert_eq!(hearing.rest, [0x8a]);
        assert!(Hearing::default().upgraded(b"HTTP/1.1 401 Unauthorized\r\n\r\n").is_err());
    }
}
