//! The body of `PutRecords`, written in one pass.
//!
//! The SDK's own serializer copies the bytes of each record twice before it encodes them, and
//! encodes them into a string that it copies into another one, which grows.

use base64_simd::STANDARD;
use bytes::Bytes;
use sidetone_ports::StreamRecord;

const OPEN: &[u8] = br#"{"Records":["#;
const DATA: &[u8] = br#"{"Data":""#;
const KEY: &[u8] = br#"","PartitionKey":""#;
const END: &[u8] = br#""}"#;
const STREAM: &[u8] = br#"],"StreamName":"#;
const CLOSE: &[u8] = b"}";

/// Bytes of a partition key: a UUID in its usual form, which JSON does not escape.
const KEY_BYTES: usize = 36;

/// Returns the body of a put, which can be sent once and copied cheaply.
pub(super) fn put_records(stream: &str, records: &[StreamRecord]) -> Bytes {
    // A string is always a JSON value.
    let stream = serde_json::Value::from(stream).to_string();
    let record_bytes = |record: &StreamRecord| {
        let around = DATA.len() + KEY.len() + KEY_BYTES + END.len() + 1;
        STANDARD.encoded_length(record.data.len()) + around
    };
    let records_bytes: usize = records.iter().map(record_bytes).sum();
    let around = OPEN.len() + STREAM.len() + stream.len() + CLOSE.len();
    let mut body = Vec::with_capacity(records_bytes + around);
    body.extend_from_slice(OPEN);
    for (index, StreamRecord { partition_key, data }) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(DATA);
        STANDARD.encode_append(data, &mut body);
        body.extend_from_slice(KEY);
        body.extend_from_slice(partition_key.to_string().as_bytes());
        body.extend_from_slice(END);
    }
    body.extend_from_slice(STREAM);
    body.extend_from_slice(stream.as_bytes());
    body.extend_from_slice(CLOSE);
    body.into()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose;
    use serde_json::{Value, json};
    use sidetone_testkit::fresh_conversation;

    use super::*;

    #[test]
    fn body_is_the_json_of_the_service() {
        let record =
            |data: Vec<u8>| StreamRecord { partition_key: fresh_conversation(), data: data.into() };
        // Every remainder of three, which Base64 pads in its own way.
        let records: Vec<_> =
            [0, 1, 2, 3, 3_253].map(|bytes| record((0..bytes).map(|n| n as u8).collect())).into();
        for records in [&records[..], &records[..1]] {
            let body = put_records("calls \"a\"", records);
            let entries: Vec<_> = records
                .iter()
                .map(|record| {
                    json!({
                        "Data": general_purpose::STANDARD.encode(&record.data),
                        "PartitionKey": record.partition_key.to_string(),
                    })
                })
                .collect();
            let read: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(read, json!({ "Records": entries, "StreamName": "calls \"a\"" }));
        }
    }
}
