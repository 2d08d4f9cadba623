//! The `$connect` event as API Gateway writes it: header names as the client spelled them,
//! milliseconds, a direction. The local AWS writes another one.

use serde_json::{Map, Value, json};
use sidetone_model::Timestamp;
use uuid::Uuid;

use super::handshake::Upgrade;

/// Writes the event of a handshake.
pub(super) fn connect_event(upgrade: &Upgrade, now: Timestamp) -> Value {
    let mut single = Map::new();
    let mut multiple = Map::new();
    for (name, value) in &upgrade.headers {
        single.insert(name.clone(), json!(value));
        let values = multiple.entry(name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(value));
        }
    }
    for (name, value) in [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https")] {
        single.insert(name.to_owned(), json!(value));
        multiple.insert(name.to_owned(), json!([value]));
    }
    let request = Uuid::new_v4().simple().to_string();
    json!({
        "headers": single,
        "multiValueHeaders": multiple,
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "messageDirection": "IN",
            "extendedRequestId": request,
            "requestId": request,
            "requestTime": now.to_string(),
            "requestTimeEpoch": now.as_millis(),
            "connectedAt": now.as_millis(),
            "stage": "local",
            "domainName": upgrade.header("host").unwrap_or_default(),
            "apiId": "front",
            "connectionId": format!("{}=", &Uuid::new_v4().simple().to_string()[..15]),
            "identity": {
                "sourceIp": "127.0.0.1",
                "userAgent": upgrade.header("user-agent"),
            },
        },
        "isBase64Encoded": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_header_names_as_they_were_written() {
        let headers = [("Host", "door.example"), ("X-API-KEY", "k"), ("Signature", "s=:a:")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let upgrade = Upgrade { target: "/prod".to_owned(), headers };
        let event = connect_event(&upgrade, Timestamp::from_millis(1_795_327_200_123));
        assert_eq!(event["headers"]["X-API-KEY"], "k");
        assert_eq!(event["multiValueHeaders"]["Signature"][0], "s=:a:");
        assert_eq!(event["requestContext"]["domainName"], "door.example");
        assert_eq!(event["requestContext"]["connectedAt"], 1_795_327_200_123_u64);
    }
}
