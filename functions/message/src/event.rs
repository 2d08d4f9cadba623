//! The event of a message, as leniently as it can be read: what is missing or null is not there.
//!
//! Source: the developer guide of API Gateway, "WebSocket API mapping template reference", and
//! the events in `events/`.

use serde::{Deserialize, Serialize};
use sidetone_lambda_door::MessageEvent;
use sidetone_model::ConnectionId;

/// What of the event is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    request_context: Option<RequestContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(default)]
    connection_id: Option<String>,
}

/// What API Gateway is answered, whatever came of the message.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    status_code: u16,
}

impl Answer {
    /// The only one there is.
    pub(crate) const DONE: Self = Self { status_code: 200 };
}

impl Event {
    /// Reads it as the door wants it; nothing if it does not say whose message it is.
    pub(crate) fn into_message(self) -> Option<MessageEvent> {
        let Some(connection) = self.request_context.and_then(|context| context.connection_id)
        else {
            tracing::error!("an event names no connection: is this function on a WebSocket route?");
            return None;
        };
        Some(MessageEvent {
            connection: ConnectionId::new(connection),
            body: self.body.unwrap_or_default(),
            is_base64: self.is_base64_encoded.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<MessageEvent> {
        serde_json::from_str::<Event>(text).unwrap().into_message()
    }

    #[test]
    fn an_event_of_aws_is_read_whole() {
        let message = read(include_str!("../events/message.json")).unwrap();
        assert_eq!(message.connection.as_str(), "L0SM9cOFvHcCIhw=");
        assert!(message.body.starts_with(r#"{"version":"2""#));
        assert!(!message.is_base64);
    }

    #[test]
    fn nothing_but_the_connection_is_needed() {
        let message = read(include_str!("../events/message_bare.json")).unwrap();
        assert_eq!((message.body.as_str(), message.is_base64), ("", false));
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"requestContext":{}}"#), None);
    }

    #[test]
    fn the_answer_is_what_api_gateway_understands() {
        assert_eq!(serde_json::to_string(&Answer::DONE).unwrap(), r#"{"statusCode":200}"#);
    }
}
