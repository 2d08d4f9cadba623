//! A stream record taken apart: call records with typed ids.
//!
//! Source: `proto/sidetone/delivery/v1/call_record.proto`.

use std::sync::Arc;

use bytes::Bytes;
use sidetone_delivery_wire::Body;
use sidetone_model::{ConnectionId, ConversationId, ConversationKey, SessionId, Timestamp};
use sidetone_ports::{Delivered, Sequence};

use crate::error::RecordError;

/// The longest id of a connection; API Gateway's have sixteen letters, ours as many as a UUID.
const CONNECTION_BYTES_MAX: usize = 256;

/// A session within its conversation; without a session, the conversation's own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The conversation. Part of the key, so that nothing of one organization can pass for
    /// a session of another.
    pub key: ConversationKey,
    /// The session; absent for a conversation that had none.
    pub session: Option<SessionId>,
}

/// Where call records come from; they are numbered within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The session.
    pub session: SessionKey,
    /// The connection that produced the records.
    pub connection: ConnectionId,
}

/// One call record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it comes from.
    pub origin: Arc<Origin>,
    /// Its place among the records of its origin, from 1.
    pub number: u64,
    /// When its door made it.
    pub made_at: Timestamp,
    /// When the stream took it.
    pub committed_at: Timestamp,
    /// The place of the stream record it came in.
    pub sequence: Sequence,
    /// What it says; absent if a later version of the schema knows and this one does not.
    pub body: Option<Body>,
}

/// Takes a stream record apart.
///
/// Errors: [`RecordError`] if any of it is not as the schema says; then none of it is used.
pub fn decode(delivered: &Delivered) -> Result<Vec<Record>, RecordError> {
    decode_part(delivered.sequence, delivered.committed_at, delivered.record.data.clone())
}

/// Takes the data of a stream record apart, as the recorder keeps it.
pub(crate) fn decode_part(
    sequence: Sequence,
    committed_at: Timestamp,
    data: Bytes,
) -> Result<Vec<Record>, RecordError> {
    let wire = sidetone_delivery_wire::decode(data)
        .map_err(|source| RecordError::Unreadable { sequence, source })?;
    let mut records: Vec<Record> = Vec::with_capacity(wire.len());
    // All of a stream record share their heading as written; it is read once.
    let mut heading: Option<(Heading, Arc<Origin>)> = None;
    for one in wire {
        if one.number == 0 || one.number == u64::MAX {
            return Err(RecordError::Number { sequence, number: one.number });
        }
        let written =
            Heading(one.organization_id, one.conversation_id, one.session_id, one.connection_id);
        let origin = match &heading {
            Some((known, origin)) if *known == written => Arc::clone(origin),
            Some(_) | None => {
                let bytes = written.3.len();
                if bytes > CONNECTION_BYTES_MAX {
                    return Err(RecordError::Connection { sequence, bytes });
                }
                let origin = written
                    .origin()
                    .map(Arc::new)
                    .map_err(|source| RecordError::Id { sequence, source })?;
                heading = Some((written, Arc::clone(&origin)));
                origin
            }
        };
        records.push(Record {
            origin,
            number: one.number,
            made_at: Timestamp::from_micros(one.made_at_us),
            committed_at,
            sequence,
            body: one.body,
        });
    }
    Ok(records)
}

/// Organization, conversation, session and connection as written.
#[derive(PartialEq)]
struct Heading(String, String, String, String);

impl Heading {
    fn origin(&self) -> Result<Origin, sidetone_model::IdError> {
        let session: Option<SessionId> =
            if self.2.is_empty() { None } else { Some(self.2.parse()?) };
        let conversation: ConversationId = self.1.parse()?;
        Ok(Origin {
            session: SessionKey {
                key: ConversationKey { organization: self.0.parse()?, conversation },
                session,
            },
            connection: ConnectionId::new(self.3.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use sidetone_delivery_wire::CallRecord;

    use super::*;
    use crate::testing::{Script, delivered};

    #[test]
    fn what_one_door_sent_shares_one_origin() {
        let records = decode(&delivered(7, Script::new("c").start("matched").audio(0, 160).data()))
            .expect("own encoding");
        assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2]);
        assert!(Arc::ptr_eq(&records[0].origin, &records[1].origin));
        assert_eq!(records[0].sequence, 7);
    }

    #[test]
    fn what_is_not_as_the_schema_says_is_refused() {
        let valid = CallRecord {
            organization_id: "0f0e0d0c-0b0a-4908-8706-050403020100".into(),
            conversation_id: "c0ffee12-3456-4789-8abc-def012345678".into(),
            number: 1,
            ..CallRecord::default()
        };
        let read = |record: CallRecord| {
            let message = sidetone_delivery_wire::CallRecords { records: vec![record] };
            decode(&delivered(1, prost::Message::encode_to_vec(&message).into()))
        };
        assert_eq!(read(valid.clone()).expect("valid")[0].body, None);
        assert!(matches!(
            read(CallRecord { number: 0, ..valid.clone() }),
            Err(RecordError::Number { number: 0, .. })
        ));
        assert!(matches!(
            read(CallRecord { organization_id: "acme".into(), ..valid.clone() }),
            Err(RecordError::Id { .. })
        ));
        assert!(matches!(
            read(CallRecord { session_id: "../../etc/passwd".into(), ..valid }),
            Err(RecordError::Id { .. })
        ));
        assert!(matches!(
            decode(&delivered(1, Bytes::from_static(b"\xff\xff"))),
            Err(RecordError::Unreadable { .. })
        ));
    }
}
