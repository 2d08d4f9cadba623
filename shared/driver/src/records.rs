//! Deliveries of the engine in the stream's own terms.

use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::Body;
use sidetone_engine::{Delivery, GapCause, MatchState, SessionEnded, SessionStarted};
use sidetone_model::{EndCause, UnheardReason};

/// Translates one delivery of the engine.
pub fn body(delivery: Delivery) -> Body {
    match delivery {
        Delivery::SessionStarted(started) => Body::SessionStarted(session_started(started)),
        Delivery::Audio(audio) => Body::Audio(wire::Audio {
            position: audio.position.samples(),
            samples: audio.samples,
            data: audio.data,
            agent_id: audio.agent.map(|agent| agent.to_string()).unwrap_or_default(),
            held: audio.held,
        }),
        Delivery::Gap(gap) => Body::Gap(wire::Gap {
            from: gap.from.samples(),
            to: gap.to.samples(),
            reason: match gap.cause {
                GapCause::Discarded => wire::GapReason::Discarded,
                GapCause::LateEvent => wire::GapReason::LateEvent,
                GapCause::Undelivered => wire::GapReason::Undelivered,
            }
            .into(),
            frames: gap.frames,
            ..wire::Gap::default()
        }),
        Delivery::Paused { position, asked } => {
            Body::Paused(wire::Paused { position: position.samples(), asked })
        }
        Delivery::Resumed { from, to } => {
            Body::Resumed(wire::Resumed { from: from.samples(), to: to.samples() })
        }
        Delivery::CallEvent(told) => {
            Body::CallEvent(wire::call_event(&told.leg, told.event, told.position))
        }
        Delivery::Match { state, position } => {
            let (agent_id, reason) = match state {
                MatchState::Matched(agent) => (agent.to_string(), ""),
                MatchState::Unmatched(reason) => (String::new(), wire::reason_name(reason)),
            };
            let reason = reason.to_owned();
            Body::Match(wire::Match { agent_id, reason, position: position.samples() })
        }
        Delivery::SessionEnded(ended) => Body::SessionEnded(session_ended(&ended)),
    }
}

fn session_started(started: SessionStarted) -> wire::SessionStarted {
    wire::SessionStarted {
        participant_id: started.participant.to_string(),
        listen: wire::listen_name(started.listen).to_owned(),
        opened_at_us: started.opened_at.as_micros(),
        language: started.language.unwrap_or_default(),
        unheard: match started.unheard {
            None => "",
            Some(UnheardReason::TextOnlyDoor) => "text-only-door",
            Some(UnheardReason::NothingOffered) => "nothing-offered",
        }
        .to_owned(),
        ..wire::session_media(started.media)
    }
}

fn session_ended(ended: &SessionEnded) -> wire::SessionEnded {
    wire::SessionEnded {
        cause: match ended.cause {
            EndCause::Closed => wire::EndCause::Closed,
            EndCause::ConnectionLost => wire::EndCause::ConnectionLost,
            EndCause::Violation => wire::EndCause::Violation,
            EndCause::Lost => wire::EndCause::Lost,
            EndCause::Shutdown => wire::EndCause::Shutdown,
            EndCause::Timeout => wire::EndCause::Timeout,
        }
        .into(),
        position: ended.position.samples(),
        frames_received: ended.frames_received,
        frames_accepted: ended.frames_accepted,
        // The outbox adds what it had to drop.
        frames_in_gaps: 0,
        streamed_ms: ended.streamed.as_millis(),
        paused_ms: ended.paused.as_millis(),
        ended_at_us: ended.ended_at.as_micros(),
    }
}
