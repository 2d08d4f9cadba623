//! The model's nouns in the stream's own terms.

use sidetone_model::{
    CallEventKind, Direction, EndReason, Format, Leg, Listen, Media, MediaChannel, NotOurs,
    Position, TransferKind, UnmatchedReason,
};

use crate::latest as wire;

/// Returns an event of a leg as the stream tells it.
pub fn call_event(
    leg: &Leg,
    event: sidetone_model::CallEvent,
    position: Position,
) -> wire::CallEvent {
    let is_transfer = event.kind == CallEventKind::Transferred;
    let is_end = is_transfer || event.kind == CallEventKind::Ended;
    let end_reason = leg.end_reason.filter(|_| is_end).map(end_reason_name);
    let transfer = leg.end_reason.filter(|_| is_transfer).and_then(EndReason::transfer);
    wire::CallEvent {
        kind: kind(event.kind).into(),
        ordinal: event.ordinal,
        at_us: event.at.as_micros(),
        position: position.samples(),
        communication_id: leg.communication.to_string(),
        participant_id: leg.participant.to_string(),
        agent_id: leg.attribution.agent().map(ToString::to_string).unwrap_or_default(),
        user_id: leg.user.to_string(),
        direction: match leg.direction {
            Direction::Inbound => wire::Direction::Inbound,
            Direction::Outbound => wire::Direction::Outbound,
        }
        .into(),
        queue_id: leg.queue.as_deref().unwrap_or_default().to_owned(),
        end_reason: end_reason.unwrap_or_default().to_owned(),
        transfer: transfer.map_or(wire::TransferKind::Unspecified, transfer_kind).into(),
        late: leg.late,
    }
}

/// Returns the format, rate and channels of a session; no media is the unspecified format.
pub fn session_media(media: Option<Media>) -> wire::SessionStarted {
    let format = match media.map(|media| media.format) {
        None => wire::AudioFormat::Unspecified,
        Some(Format::Pcmu) => wire::AudioFormat::Pcmu,
        Some(Format::L16) => wire::AudioFormat::L16,
    };
    let mut started = wire::SessionStarted {
        format: format.into(),
        rate: sidetone_model::SAMPLE_RATE,
        ..wire::SessionStarted::default()
    };
    if let Some(media) = media {
        started.channels = media.channels.iter().map(|one| channel(one).into()).collect();
    }
    started
}

/// Returns the name of a listening mode, in the stream and in configuration.
pub const fn listen_name(listen: Listen) -> &'static str {
    match listen {
        Listen::Matched => "matched",
        Listen::Ready => "ready",
        Listen::Always => "always",
    }
}

/// Returns the name of a reason, in the stream and for people.
pub const fn reason_name(reason: UnmatchedReason) -> &'static str {
    match reason {
        UnmatchedReason::NoAgent => "no-agent",
        UnmatchedReason::NotAnswered => "not-answered",
        UnmatchedReason::Duplicate => "duplicate",
        UnmatchedReason::NotOurs(NotOurs::UnknownUser) => "unknown-user",
        UnmatchedReason::NotOurs(NotOurs::Collision) => "collision",
        UnmatchedReason::NotOurs(NotOurs::OtherAdaptor) => "other-adaptor",
        UnmatchedReason::NotOurs(NotOurs::Inactive) => "inactive",
        UnmatchedReason::NotOurs(NotOurs::LookupFailed) => "lookup-failed",
    }
}

/// Returns the name of a way to hand a call on, in sidecars and for people; empty for none.
pub const fn transfer_name(kind: wire::TransferKind) -> &'static str {
    match kind {
        wire::TransferKind::Unspecified => "",
        wire::TransferKind::Blind => "blind",
        wire::TransferKind::Consult => "consult",
        wire::TransferKind::Conference => "conference",
        wire::TransferKind::Forward => "forward",
    }
}

const fn kind(kind: CallEventKind) -> wire::CallEventKind {
    match kind {
        CallEventKind::Ringing => wire::CallEventKind::Ringing,
        CallEventKind::Started => wire::CallEventKind::Started,
        CallEventKind::Held => wire::CallEventKind::Held,
        CallEventKind::Retrieved => wire::CallEventKind::Retrieved,
        CallEventKind::Transferred => wire::CallEventKind::Transferred,
        CallEventKind::Ended => wire::CallEventKind::Ended,
        CallEventKind::Muted => wire::CallEventKind::Muted,
        CallEventKind::Unmuted => wire::CallEventKind::Unmuted,
        CallEventKind::ConferenceStarted => wire::CallEventKind::ConferenceStarted,
        CallEventKind::ConferenceEnded => wire::CallEventKind::ConferenceEnded,
        CallEventKind::WrapUpStarted => wire::CallEventKind::WrapUpStarted,
        CallEventKind::WrapUpEnded => wire::CallEventKind::WrapUpEnded,
    }
}

const fn channel(channel: MediaChannel) -> wire::MediaChannel {
    match channel {
        MediaChannel::External => wire::MediaChannel::External,
        MediaChannel::Internal => wire::MediaChannel::Internal,
    }
}

const fn transfer_kind(kind: TransferKind) -> wire::TransferKind {
    match kind {
        TransferKind::Blind => wire::TransferKind::Blind,
        TransferKind::Consult => wire::TransferKind::Consult,
        TransferKind::Conference => wire::TransferKind::Conference,
        TransferKind::Forward => wire::TransferKind::Forward,
    }
}

/// Returns the name of what a leg ended for, in the stream and for people.
pub const fn end_reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Client => "client",
        EndReason::Endpoint => "endpoint",
        EndReason::Peer => "peer",
        EndReason::System => "system",
        EndReason::Timeout => "timeout",
        EndReason::Transfer => "transfer",
        EndReason::ConsultTransfer => "consult-transfer",
        EndReason::ConferenceTransfer => "conference-transfer",
        EndReason::ForwardTransfer => "forward-transfer",
        EndReason::NoAnswerTransfer => "no-answer-transfer",
        EndReason::NotAvailableTransfer => "not-available-transfer",
        EndReason::DoNotDisturb => "do-not-disturb",
        EndReason::TransportFailure => "transport-failure",
        EndReason::Error => "error",
        EndReason::Moved => "moved",
        EndReason::Other => "other",
    }
}
