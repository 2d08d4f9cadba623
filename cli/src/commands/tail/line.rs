//! One record as one line for people: when, which conversation, where in the media, who, what.

use crossterm::style::Stylize;
use sidetone_consumer::{Missing, Ordered, Origin, Record};
use sidetone_delivery_wire::{
    Audio, AudioFormat, Body, CallEvent, CallEventKind, EndCause, Gap, GapReason, MediaChannel,
    SessionEnded, SessionStarted, transfer_name,
};
use sidetone_model::{Position, Timestamp};

use crate::output::printable;
use crate::table::{clock_time, media_time, short};

/// A line before it is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    time: String,
    conversation: String,
    position: String,
    agent: String,
    what: String,
    weight: Weight,
}

/// How much a line matters to someone who only glances at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// There are many of these.
    Light,
    /// Something happened.
    Plain,
    /// Somebody is on the call.
    Good,
    /// Something is missing.
    Bad,
}

impl Line {
    /// Describes what the stream gave.
    pub(super) fn of(item: &Ordered) -> Self {
        match item {
            Ordered::Record(record) => Self::of_record(record),
            Ordered::Missing(missing) => Self::of_missing(missing),
        }
    }

    /// Describes one frame, or several as one.
    pub(super) fn audio(
        origin: &Origin,
        made_at: Timestamp,
        audio: &Audio,
        frames: u64,
        samples: u64,
    ) -> Self {
        let held = if audio.held { ", on hold" } else { "" };
        let what = format!("audio {} in {}{held}", seconds(samples), counted(frames, "frame"));
        Self::new(origin, Some(made_at), Some(audio.position), &audio.agent_id, what, Weight::Light)
    }

    /// Lays the line out.
    pub(super) fn shown(&self, colour: bool) -> String {
        let Self { time, conversation, position, agent, what, weight } = self;
        let head = format!("{time:<12}  {conversation}  {position:>9}  {agent:<18}  ");
        if !colour {
            return format!("{head}{what}");
        }
        match weight {
            Weight::Light => format!("{head}{what}").dim().to_string(),
            Weight::Plain => format!("{}{what}", head.dim()),
            Weight::Good => format!("{}{}", head.dim(), what.as_str().green()),
            Weight::Bad => format!("{}{}", head.dim(), what.as_str().red()),
        }
    }

    fn of_missing(missing: &Missing) -> Self {
        let what = if missing.from == missing.to {
            format!("record {} never came", missing.from)
        } else {
            format!("records {} to {} never came", missing.from, missing.to)
        };
        Self::new(&missing.origin, None, None, "", what, Weight::Bad)
    }

    fn of_record(record: &Record) -> Self {
        let line = |position: Option<u64>, agent: &str, what: String, weight| {
            Self::new(&record.origin, Some(record.made_at), position, agent, what, weight)
        };
        match &record.body {
            None => {
                line(None, "", "something that this version does not know".into(), Weight::Plain)
            }
            Some(Body::SessionStarted(started)) => {
                line(Some(0), "", session_started(started), Weight::Plain)
            }
            Some(Body::Audio(audio)) => {
                let samples = u64::from(audio.samples);
                Self::audio(&record.origin, record.made_at, audio, 1, samples)
            }
            Some(Body::Gap(gap)) => {
                let position = (!gap.open).then_some(gap.from);
                line(position, "", gap_in_words(gap), Weight::Bad)
            }
            Some(Body::Paused(paused)) => {
                let by = if paused.asked { "by Sidetone" } else { "by the call's own flow" };
                line(Some(paused.position), "", format!("paused {by}"), Weight::Plain)
            }
            Some(Body::Resumed(resumed)) => {
                let length = seconds(resumed.to.saturating_sub(resumed.from));
                line(Some(resumed.to), "", format!("resumed after {length}"), Weight::Plain)
            }
            Some(Body::CallEvent(event)) => {
                let begins = event.kind() == CallEventKind::Started && !event.agent_id.is_empty();
                let weight = if begins { Weight::Good } else { Weight::Plain };
                let agent = if event.agent_id.is_empty() { "(not ours)" } else { &event.agent_id };
                line(Some(event.position), agent, call_event(event), weight)
            }
            Some(Body::Match(matched)) if matched.reason.is_empty() => {
                line(Some(matched.position), &matched.agent_id, "matched".into(), Weight::Good)
            }
            Some(Body::Match(matched)) => {
                let what = format!("not matched: {}", matched.reason);
                line(Some(matched.position), "", what, Weight::Bad)
            }
            Some(Body::SessionEnded(ended)) => {
                line(Some(ended.position), "", session_ended(ended), Weight::Plain)
            }
        }
    }

    fn new(
        origin: &Origin,
        made_at: Option<Timestamp>,
        position: Option<u64>,
        agent: &str,
        what: String,
        weight: Weight,
    ) -> Self {
        Self {
            time: made_at.map(|at| clock_time(at, true)).unwrap_or_default(),
            conversation: short(origin.session.key.conversation),
            position: position
                .map(|position| media_time(Position::from_samples(position), true))
                .unwrap_or_default(),
            agent: printable(agent).into_owned(),
            what: printable(&what).into_owned(),
            weight,
        }
    }
}

fn session_started(started: &SessionStarted) -> String {
    let channels: Vec<&str> = started.channels().map(channel_name).collect();
    let media = match started.format() {
        AudioFormat::Unspecified => "no audio".to_owned(),
        format @ (AudioFormat::Pcmu | AudioFormat::L16) => {
            format!("{} {}", format_name(format), channels.join("+"))
        }
    };
    format!("session started: {media}, listens {}", started.listen)
}

fn session_ended(ended: &SessionEnded) -> String {
    let SessionEnded { frames_received, frames_accepted, frames_in_gaps, .. } = ended;
    format!(
        "session ended ({}): {frames_received} frames received, {frames_accepted} of an agent, \
         {frames_in_gaps} of these in gaps",
        cause_name(ended.cause()),
    )
}

fn gap_in_words(gap: &Gap) -> String {
    let reason = gap_name(gap.reason());
    if gap.open {
        return format!("gap without known end ({reason})");
    }
    let frames = if gap.frames == 0 {
        String::new()
    } else {
        format!(", {}", counted(gap.frames.into(), "frame"))
    };
    format!("gap of {} ({reason}){frames}", seconds(gap.to.saturating_sub(gap.from)))
}

fn call_event(event: &CallEvent) -> String {
    let kind = event_name(event.kind());
    // How it was handed on says more than the reason of the end, which is that.
    let handed = transfer_name(event.transfer());
    let how = if handed.is_empty() { event.end_reason.as_str() } else { handed };
    let begins = event.kind() == CallEventKind::Started && event.late;
    let notes: Vec<&str> = [how, if begins { "heard of late" } else { "" }]
        .into_iter()
        .filter(|note| !note.is_empty())
        .collect();
    if notes.is_empty() { kind.to_owned() } else { format!("{kind} ({})", notes.join(", ")) }
}

fn seconds(samples: u64) -> String {
    let millis = Position::from_samples(samples).as_millis();
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(super) const fn format_name(format: AudioFormat) -> &'static str {
    match format {
        AudioFormat::Unspecified => "none",
        AudioFormat::Pcmu => "PCMU",
        AudioFormat::L16 => "L16",
    }
}

pub(super) const fn channel_name(channel: MediaChannel) -> &'static str {
    match channel {
        MediaChannel::Unspecified => "unknown",
        MediaChannel::External => "external",
        MediaChannel::Internal => "internal",
    }
}

pub(super) const fn event_name(kind: CallEventKind) -> &'static str {
    match kind {
        CallEventKind::Unspecified => "unknown",
        CallEventKind::Ringing => "ringing",
        CallEventKind::Started => "started",
        CallEventKind::Held => "held",
        CallEventKind::Retrieved => "retrieved",
        CallEventKind::Transferred => "transferred",
        CallEventKind::Ended => "ended",
        CallEventKind::Muted => "muted",
        CallEventKind::Unmuted => "unmuted",
        CallEventKind::ConferenceStarted => "conference-started",
        CallEventKind::ConferenceEnded => "conference-ended",
        CallEventKind::WrapUpStarted => "wrap-up-started",
        CallEventKind::WrapUpEnded => "wrap-up-ended",
    }
}

pub(super) const fn gap_name(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Unspecified => "unknown",
        GapReason::Discarded => "discarded",
        GapReason::Overflow => "overflow",
        GapReason::Lost => "lost",
        GapReason::LateEvent => "late-event",
        GapReason::Undelivered => "undelivered",
    }
}

pub(super) const fn cause_name(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Unspecified => "unknown",
        EndCause::Closed => "closed",
        EndCause::ConnectionLost => "connection-lost",
        EndCause::Violation => "violation",
        EndCause::Lost => "lost",
        EndCause::Shutdown => "shutdown",
        EndCause::Timeout => "timeout",
    }
}
