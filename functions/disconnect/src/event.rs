//! The event of `$disconnect`, as leniently as it can be read: what is missing or null is not
//! there.
//!
//! Source: the developer guide of API Gateway, "WebSocket API mapping template reference", and
//! the events in `events/`.

use serde::{Deserialize, Serialize};
use sidetone_lambda_door::DisconnectEvent;
use sidetone_model::ConnectionId;

/// What of the event is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(default)]
    request_context: Option<RequestContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(default)]
    connection_id: Option<String>,
    #[serde(default)]
    disconnect_status_code: Option<i64>,
}

/// What API Gateway is answered.
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
    /// Reads it as the door wants it; nothing if it does not say which connection is over.
    pub(crate) fn into_news(self) -> Option<DisconnectEvent> {
        let named = self.request_context.and_then(|context| {
            context.connection_id.map(|connection| (connection, context.disconnect_status_code))
        });
        let Some((connection, code)) = named else {
            tracing::error!("an event names no connection: is this function on a WebSocket route?");
            return None;
        };
        let code = code.and_then(|code| u16::try_from(code).ok());
        Some(DisconnectEvent { connection: ConnectionId::new(connection), code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<DisconnectEvent> {
        serde_json::from_str::<Event>(text).unwrap().into_news()
    }

    #[test]
    fn an_event_of_aws_is_read_whole() {
        let news = read(include_str!("../events/disconnect.json")).unwrap();
        assert_eq!((news.connection.as_str(), news.code), ("L0SM9cOFvHcCIhw=", Some(1005)));
    }

    #[test]
    fn nothing_but_the_connection_is_needed() {
        let news = read(include_str!("../events/disconnect_bare.json")).unwrap();
        assert_eq!(news.code, None);
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn the_answer_is_what_api_gateway_understands() {
        assert_eq!(serde_json::to_string(&Answer::DONE).unwrap(), r#"{"statusCode":200}"#);
    }
}
