//! Records to bytes and back.

use std::borrow::Borrow;

use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use sidetone_model::{ConnectionId, ConversationKey, SessionId, Timestamp};

use crate::latest::{Body, CallRecord, CallRecords};

/// Bytes that are not a `CallRecords` message.
#[derive(Debug, thiserror::Error)]
#[error("a stream record does not hold call records")]
pub struct DecodeError(#[from] prost::DecodeError);

/// What every record of a session and connection has in common, encoded once.
///
/// Encoded fields may be concatenated, so a record is this and what is its own.
#[derive(Debug, Clone)]
pub struct Heading {
    key: ConversationKey,
    prefix: Bytes,
}

impl Heading {
    /// Prepares the heading; no session for a conversation that had none.
    pub fn new(
        key: ConversationKey,
        session: Option<SessionId>,
        connection: &ConnectionId,
    ) -> Self {
        let record = CallRecord {
            organization_id: key.organization.to_string(),
            conversation_id: key.conversation.to_string(),
            session_id: session.map(|id| id.to_string()).unwrap_or_default(),
            connection_id: connection.to_string(),
            ..CallRecord::default()
        };
        Self { key, prefix: record.encode_to_vec().into() }
    }

    /// Returns a heading that says nothing, for records that are put down and not sent.
    pub fn unsaid(&self) -> Self {
        Self { key: self.key, prefix: Bytes::new() }
    }

    /// Returns the conversation, whose id is the partition key.
    pub const fn key(&self) -> ConversationKey {
        self.key
    }

    /// Returns about how many bytes a record takes besides the data of its body.
    pub fn bytes_per_record(&self) -> usize {
        // Two tags, two varints and the body's own small fields.
        self.prefix.len() + 64
    }
}

/// Encodes records of one session and connection as the data of one stream record; bodies may
/// be lent.
pub fn encode<B: Borrow<Body>>(
    heading: &Heading,
    records: impl Iterator<Item = (u64, Timestamp, B)>,
) -> Bytes {
    let mut data = Vec::new();
    encode_behind(&mut data, heading, records);
    data.into()
}

/// Does the same behind what a buffer holds already, so that one may take many stream records.
pub fn encode_behind<B: Borrow<Body>>(
    data: &mut Vec<u8>,
    heading: &Heading,
    records: impl Iterator<Item = (u64, Timestamp, B)>,
) {
    for (number, made_at, body) in records {
        let body = body.borrow();
        // Without its body, which then need not be copied to be encoded.
        let own = CallRecord { number, made_at_us: made_at.as_micros(), ..CallRecord::default() };
        let length = heading.prefix.len() + own.encoded_len() + body.encoded_len();
        data.reserve(length + 1 + encoded_len_varint(length as u64));
        encode_key(1, WireType::LengthDelimited, data);
        encode_varint(length as u64, data);
        data.put_slice(&heading.prefix);
        own.encode_raw(data);
        body.encode(data);
    }
}

/// Decodes the data of one stream record; audio shares its memory.
///
/// Errors: [`DecodeError`] if it is something else.
pub fn decode(data: Bytes) -> Result<Vec<CallRecord>, DecodeError> {
    Ok(CallRecords::decode(data)?.records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latest::{Audio, Gap};

    fn heading() -> Heading {
        let key = ConversationKey {
            organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().expect("valid"),
            conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().expect("valid"),
        };
        let session = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().expect("valid");
        Heading::new(key, Some(session), &ConnectionId::new("door-1"))
    }

    #[test]
    fn what_is_encoded_piecewise_is_an_ordinary_message() {
        let audio = Audio {
            position: 1_600,
            samples: 2,
            data: vec![1, 2, 3, 4].into(),
            ..Audio::default()
        };
        let gap = Gap { from: 1_602, to: 3_202, ..Gap::default() };
        let at = Timestamp::from_millis(1_700_000_000_000);
        let data = encode(
            &heading(),
            [(1, at, Body::Audio(audio.clone())), (2, at, Body::Gap(gap.clone()))].into_iter(),
        );
        let records = decode(data).expect("own encoding");
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].session_id, "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071");
        assert_eq!(records[0].connection_id, "door-1");
        assert_eq!(records[0].number, 1);
        assert_eq!(records[0].made_at_us, at.as_micros());
        assert_eq!(records[0].body, Some(Body::Audio(audio)));
        assert_eq!(records[1].body, Some(Body::Gap(gap)));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(decode(Bytes::from_static(b"\xff\xff\xff")).is_err());
    }
}
