//! What the client is told when its message could not be taken.
//!
//! A message that was not taken leaves a hole in the client's count, so its session cannot go
//! on. Saying nothing would leave Genesys to its time-outs; what API Gateway says of a failed
//! function is no AudioHook message. So the session is ended as the protocol ends sessions.

use std::borrow::Cow;

use sidetone_audiohook_proto::{
    ClientEnvelope, Disconnect, DisconnectReason, ServerBody, ServerMessage,
};

/// Returns what to answer; nothing to what is not a message, or whose loss does not end the
/// session.
///
/// `reply_seq` is the last `seq` of ours, if that is known; else it is what the client has seen.
pub(crate) fn last_resort(text: &str, reply_seq: Option<u64>) -> Option<String> {
    let envelope = ClientEnvelope::parse(text).ok()?;
    let body = match &*envelope.kind {
        // A frame that is missing becomes a gap.
        "media" => return None,
        // Never `disconnect` after `close`.
        "close" => ServerBody::Closed,
        _ => ServerBody::Disconnect(Disconnect {
            reason: DisconnectReason::Error,
            info: Some(Cow::Borrowed("temporarily unavailable")),
            output_variables: None,
        }),
    };
    let said = reply_seq.unwrap_or(envelope.serverseq).max(envelope.serverseq);
    let seq = said.saturating_add(1);
    Some(ServerMessage { id: envelope.id, seq, clientseq: envelope.seq, body }.to_json())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(kind: &str, reply_seq: Option<u64>) -> Option<Value> {
        let text = json!({
            "version": "2", "id": "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071", "type": kind,
            "seq": 7, "serverseq": 4, "position": "PT1S", "parameters": {},
        });
        let answer = last_resort(&text.to_string(), reply_seq)?;
        Some(serde_json::from_str(&answer).unwrap())
    }

    #[test]
    fn a_message_that_is_lost_ends_the_session_in_order() {
        let answer = answer("ping", None).unwrap();
        assert_eq!(answer["type"], "disconnect");
        assert_eq!((&answer["seq"], &answer["clientseq"]), (&json!(5), &json!(7)));
        assert_eq!(answer["parameters"]["reason"], "error");
        assert_eq!(super::tests::answer("ping", Some(6)).unwrap()["seq"], 7);
    }

    #[test]
    fn close_is_answered_by_closed_and_media_by_nothing() {
        assert_eq!(answer("close", None).unwrap()["type"], "closed");
        assert_eq!(answer("media", None), None);
        assert_eq!(last_resort("no message", None), None);
    }
}
