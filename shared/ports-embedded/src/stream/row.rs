//! How the records of a put lie in its row.
//!
//! `heads`: for each record 16 bytes of partition key and 4 of length, little-endian. `data`:
//! the records' bytes, one after the other. A put that was trimmed away has no heads.

use bytes::Bytes;
use sidetone_model::ConversationId;
use sidetone_ports::StreamRecord;
use uuid::Uuid;

const KEY_BYTES: usize = 16;
const HEAD_BYTES: usize = KEY_BYTES + 4;

/// Returns the size of the heads of so many records.
pub(super) const fn heads_bytes(records: usize) -> usize {
    records * HEAD_BYTES
}

/// Returns how many records the heads describe.
pub(super) const fn count(heads: &[u8]) -> usize {
    heads.len() / HEAD_BYTES
}

/// Lays out records as heads and data.
pub(super) fn encode(records: &[StreamRecord]) -> (Vec<u8>, Vec<u8>) {
    let mut heads = Vec::with_capacity(heads_bytes(records.len()));
    let mut data = Vec::with_capacity(records.iter().map(|record| record.data.len()).sum());
    for record in records {
        let length = u32::try_from(record.data.len()).expect("a record has at most 1 MiB");
        heads.extend_from_slice(record.partition_key.uuid().as_bytes());
        heads.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(&record.data);
    }
    (heads, data)
}

/// Reads records back, sharing one copy of the data; nothing if heads and data disagree.
pub(super) fn decode(heads: &[u8], data: &[u8]) -> Option<Vec<StreamRecord>> {
    let mut rest = Bytes::copy_from_slice(data);
    let mut records = Vec::with_capacity(count(heads));
    for head in heads.chunks(HEAD_BYTES) {
        let (key, length) = head.split_first_chunk::<KEY_BYTES>()?;
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        if length > rest.len() {
            return None;
        }
        records.push(StreamRecord {
            partition_key: ConversationId::new(Uuid::from_bytes(*key)),
            data: rest.split_to(length),
        });
    }
    rest.is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use sidetone_testkit::fresh_conversation;

    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let records: Vec<_> = [&b"one"[..], b"", b"three"]
            .into_iter()
            .map(|data| StreamRecord { partition_key: fresh_conversation(), data: data.into() })
            .collect();
        let (heads, data) = encode(&records);
        assert_eq!((count(&heads), data.as_slice()), (3, &b"onethree"[..]));
        assert_eq!(decode(&heads, &data), Some(records));
        assert_eq!(decode(&[], &[]), Some(Vec::new()));
    }

    #[test]
    fn a_row_that_disagrees_with_itself_is_refused() {
        let record = StreamRecord { partition_key: fresh_conversation(), data: "abc".into() };
        let (heads, data) = encode(&[record]);
        assert_eq!(decode(&heads, &data[..2]), None);
        assert_eq!(decode(&heads, b"abcd"), None);
        assert_eq!(decode(&heads[..HEAD_BYTES - 1], &data), None);
    }
}
