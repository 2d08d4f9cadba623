//! The event of `$connect`, as leniently as it can be read: what is missing or null is not there.
//!
//! Source: the developer guide of API Gateway, "WebSocket API mapping template reference", and
//! the events in `events/`.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sidetone_lambda_door::ConnectRequest;
use sidetone_model::{ConnectionId, Timestamp};

/// What of the event is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectEvent {
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Option<Vec<Option<String>>>>>,
    #[serde(default)]
    query_string_parameters: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    multi_value_query_string_parameters: Option<BTreeMap<String, serde_json::Value>>,
    request_context: RequestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    connection_id: String,
    #[serde(default)]
    request_time_epoch: Option<i64>,
    #[serde(default)]
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    source_ip: Option<String>,
}

impl ConnectEvent {
    /// Reads it as the door wants it.
    pub(crate) fn into_request(self) -> ConnectRequest {
        let has_query = has_any(self.query_string_parameters.as_ref())
            || has_any(self.multi_value_query_string_parameters.as_ref());
        let context = self.request_context;
        let peer = context.identity.and_then(|identity| identity.source_ip);
        ConnectRequest {
            connection: ConnectionId::new(context.connection_id),
            headers: headers(
                self.multi_value_headers.unwrap_or_default(),
                self.headers.unwrap_or_default(),
            ),
            has_query,
            received_at: context.request_time_epoch.map(Timestamp::from_millis),
            peer: peer.unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

fn has_any<V>(parameters: Option<&BTreeMap<String, V>>) -> bool {
    parameters.is_some_and(|parameters| !parameters.is_empty())
}

/// Puts all values of all headers together; the map of single values only has the last of each,
/// so it counts where the other has none. What no header can be is left out.
fn headers(
    all: BTreeMap<String, Option<Vec<Option<String>>>>,
    last: BTreeMap<String, Option<String>>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in all {
        for value in values.into_iter().flatten().flatten() {
            add(&mut headers, &name, &value);
        }
    }
    let listed: Vec<HeaderName> = headers.keys().cloned().collect();
    for (name, value) in last {
        if let Some(value) = value
            && !listed.iter().any(|known| known.as_str().eq_ignore_ascii_case(&name))
        {
            add(&mut headers, &name, &value);
        }
    }
    headers
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        // An error means more names than a map holds: far more than any client may send.
        let _ = headers.try_append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ConnectRequest {
        serde_json::from_str::<ConnectEvent>(text).unwrap().into_request()
    }

    fn values<'r>(request: &'r ConnectRequest, name: &str) -> Vec<&'r str> {
        request.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn an_event_of_aws_is_read_whole() {
        let request = read(include_str!("../events/connect.json"));
        assert_eq!(request.connection.to_string(), "L0SM9cOFvHcCIhw=");
        assert_eq!(request.received_at, Some(Timestamp::from_millis(1_795_327_200_123)));
        assert_eq!(request.peer, "203.0.113.7");
        assert!(!request.has_query);
        assert_eq!(values(&request, "x-api-key"), ["demo-key-0001"]);
        assert_eq!(values(&request, "host"), ["abc123.execute-api.us-east-1.amazonaws.com"]);
        assert_eq!(request.headers.len(), 14);
    }

    #[test]
    fn a_local_aws_spells_names_small_and_leaves_things_out() {
        let request = read(include_str!("../events/connect_lower_case.json"));
        assert_eq!(values(&request, "X-API-KEY"), ["demo-key-0001"]);
        assert!(!request.has_query);
        assert_eq!(request.peer, "127.0.0.1");
    }

    #[test]
    fn a_query_is_noticed_and_so_is_a_header_that_came_twice() {
        let request = read(include_str!("../events/connect_odd.json"));
        assert!(request.has_query);
        assert_eq!(values(&request, "x-api-key"), ["demo-key-0001", "demo-key-0002"]);
        assert_eq!(values(&request, "audiohook-session-id").len(), 1);
        assert_eq!(values(&request, "host").len(), 1, "only in the map of single values");
    }

    #[test]
    fn nothing_but_the_connection_is_needed() {
        let request = read(include_str!("../events/connect_bare.json"));
        assert!(request.headers.is_empty());
        assert_eq!(request.received_at, None);
        assert_eq!(request.peer, "unknown");
        let without = serde_json::from_str::<ConnectEvent>(r#"{"requestContext":{}}"#);
        assert!(without.is_err());
    }
}
