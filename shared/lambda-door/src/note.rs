//! What a step noted, for log and metrics; called once a step is written, so never twice.

use sidetone_audiohook_proto::SessionEvent;
use sidetone_model::Outside;

use crate::desk::Duty;
use crate::state::{ConnectionState, Note};

/// Logs and counts one.
pub(crate) fn note(state: &ConnectionState, note: &Note) {
    let (session, connection) = (state.session_id(), &state.rest.connection);
    match note {
        Note::Session(event) => note_event(state, event),
        Note::Doubled => metrics::counter!("sidetone_messages_doubled_total").increment(1),
        Note::Late => {
            metrics::counter!("sidetone_messages_late_total").increment(1);
            tracing::warn!(%session, %connection, "media came after it was given up");
        }
        Note::Missed => {
            metrics::counter!("sidetone_messages_missed_total").increment(1);
            tracing::warn!(%session, %connection, "waited in vain for a message before this one");
        }
        Note::Dropped(frames) => {
            metrics::counter!("sidetone_frames_dropped_total").increment(*frames);
            tracing::warn!(%session, %connection, frames, "the stream takes nothing: frames dropped");
        }
        Note::TakenOver(duty) => {
            metrics::counter!("sidetone_turns_taken_over_total").increment(1);
            let duty = match duty {
                Duty::Speak => "speak",
                Duty::Save => "save",
                Duty::Publish => "publish",
            };
            tracing::warn!(%session, %connection, duty, "took over from an invocation that died");
        }
        Note::Unreachable => {
            tracing::error!(%session, %connection, "the client cannot be told anything any more");
        }
    }
}

fn note_event(state: &ConnectionState, event: &SessionEvent) {
    let (session, connection) = (state.session_id(), &state.rest.connection);
    match event {
        SessionEvent::Violation(violation) => {
            let label = violation.label();
            metrics::counter!("sidetone_violations_total", "violation" => label).increment(1);
            tracing::warn!(%session, %connection, %violation, "client broke the protocol");
        }
        SessionEvent::ClientError { code, message, .. } => {
            let text = message.as_deref().map(Outside::new).map(tracing::field::display);
            tracing::warn!(%session, %connection, code, text, "client reported a fault");
        }
        SessionEvent::Tolerated(tolerated) => {
            let label = tolerated.label();
            metrics::counter!("sidetone_oddities_total", "oddity" => label).increment(1);
            tracing::debug!(%session, %connection, oddity = label, "let pass");
        }
        // The engine notes none of these.
        SessionEvent::OpenRequested { .. }
        | SessionEvent::Audio { .. }
        | SessionEvent::Paused { .. }
        | SessionEvent::Resumed { .. }
        | SessionEvent::Discarded { .. }
        | SessionEvent::Undelivered { .. }
        | SessionEvent::Drifted { .. }
        | SessionEvent::PositionObserved { .. }
        | SessionEvent::LanguageUpdated { .. }
        | SessionEvent::Closing { .. }
        | SessionEvent::Closed { .. } => {}
    }
}
