//! What stands beside a recording: `<organization>_<conversation>_<session>.json`.
//!
//! Positions are samples per channel from the session's start, at 8,000 a second; `…_ms` says
//! the same in milliseconds, for people. A position is found in the WAV at
//! `position - start_position`.

use serde::{Deserialize, Serialize};
use sidetone_delivery_wire::{EndCause, GapReason};
use sidetone_model::{
    AgentId, CommunicationId, ConnectionId, ConversationId, ConversationKey, Direction, Format,
    Listen, MediaChannel, OrganizationId, ParticipantId, Position, SAMPLE_RATE, SessionId, UserId,
};

use crate::attribution::LegStretch;
use crate::index::{Coverage, Plan};
use crate::ranges::Ranges;

/// The version of the sidecar that this library writes.
pub const SIDECAR_VERSION: u32 = 1;

/// Returns the name of a session's recording, without `.wav` or `.json`.
///
/// Ids are chosen by Genesys, or by whoever holds an organization's key: two organizations may
/// have the same conversation and session.
pub fn recording_name(key: ConversationKey, session: SessionId) -> String {
    format!("{}_{}_{session}", key.organization, key.conversation)
}

/// A recording, described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// [`SIDECAR_VERSION`]; fields are only ever added within one.
    pub version: u32,
    /// The Genesys tenant.
    pub organization: OrganizationId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The AudioHook session.
    pub session: SessionId,
    /// The participant it followed, today always the customer.
    pub participant: Option<ParticipantId>,
    /// What the session carried; absent if no audio was taken.
    pub media: Option<SidecarMedia>,
    /// How the door decided what to listen to.
    pub listen: Option<Listen>,
    /// BCP-47 tag, if Genesys sent one.
    pub language: Option<String>,
    /// When `open` arrived; RFC 3339.
    pub started_at: Option<String>,
    /// The WAV's file name, beside this file; absent if there is no audio.
    pub wav: Option<String>,
    /// The position of the WAV's first sample.
    pub start_position: Option<u64>,
    /// The position behind the WAV's last sample.
    pub end_position: Option<u64>,
    /// `start_position` in milliseconds.
    pub start_ms: Option<u64>,
    /// `end_position` in milliseconds.
    pub end_ms: Option<u64>,
    /// How the session ended; absent while it runs.
    pub end: Option<SidecarEnd>,
    /// Who was talking, in order; a leg that goes on at the end of the session has no `to`.
    pub agents: Vec<SidecarAgent>,
    /// When an agent had the customer on hold.
    pub holds: Vec<SidecarStretch>,
    /// When an agent was muted.
    #[serde(default)]
    pub mutes: Vec<SidecarStretch>,
    /// When an agent talked with more than one other.
    #[serde(default)]
    pub conferences: Vec<SidecarStretch>,
    /// What Genesys did not stream.
    pub pauses: Vec<SidecarPause>,
    /// What is missing, and why.
    pub gaps: Vec<SidecarGap>,
    /// Records that should be in the stream and are not.
    pub missing: Vec<SidecarMissing>,
    /// Whether the session was matched, and when.
    pub matches: Vec<SidecarMatch>,
    /// Why there is no agent, if there is none: the last reason given.
    pub unmatched_reason: Option<String>,
    /// What was delivered and what became of it.
    pub audio: SidecarAudio,
    /// What the door counted; absent if it died before it could say.
    pub counters: Option<SidecarCounters>,
    /// The connections whose records are in here; any of these that comes again is known.
    pub connections: Vec<SidecarConnection>,
    /// Every record is in here that there ever was.
    ///
    /// Where not, for a door died or numbers are missing, records that come later are still
    /// put in, for an hour.
    pub complete: bool,
    /// Records that came too late to be put in. They are kept as parts.
    pub late_records: u64,
}

/// The negotiated media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarMedia {
    /// How Genesys sent it; the WAV is 16-bit PCM whatever this is.
    pub format: Format,
    /// Samples per second and channel.
    pub rate: u32,
    /// In the order Genesys sent them; in the WAV external is left, internal right.
    pub channels: Vec<MediaChannel>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarEnd {
    /// `closed`, `connection-lost`, `violation`, `lost`, `shutdown`, `timeout` or `unknown`.
    pub cause: String,
    /// When that was said; RFC 3339.
    pub at: String,
    /// How far the media had come; zero if the door died.
    pub position: u64,
}

/// A stretch that belongs to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarAgent {
    /// The agent.
    pub agent: AgentId,
    /// The leg.
    pub communication: CommunicationId,
    /// The Genesys user.
    pub user: Option<UserId>,
    /// Which way the call was set up.
    pub direction: Option<Direction>,
    /// The queue it came through.
    pub queue: Option<String>,
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: Option<u64>,
    /// `from` in milliseconds.
    pub from_ms: u64,
    /// `to` in milliseconds.
    pub to_ms: Option<u64>,
    /// Why the leg ended, as Genesys said.
    pub end_reason: Option<String>,
    /// How the agent handed the customer on, if the agent did: `blind`, `consult`,
    /// `conference` or `forward`.
    #[serde(default)]
    pub transfer: Option<String>,
    /// The leg was first heard of when it was connected already, or over.
    #[serde(default)]
    pub late: bool,
}

/// A hold, a mute, or a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarStretch {
    /// The agent.
    pub agent: AgentId,
    /// The leg.
    pub communication: CommunicationId,
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: Option<u64>,
    /// `from` in milliseconds.
    pub from_ms: u64,
    /// `to` in milliseconds.
    pub to_ms: Option<u64>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarPause {
    /// Where it begins.
    pub from: u64,
    /// Where it ends; absent if the session ended in it.
    pub to: Option<u64>,
    /// `from` in milliseconds.
    pub from_ms: u64,
    /// `to` in milliseconds.
    pub to_ms: Option<u64>,
    /// Whether Sidetone had asked for it, rather than the call's own flow.
    pub asked: Option<bool>,
}

/// Media that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarGap {
    /// Where it begins.
    pub from: u64,
    /// Where it ends; absent if that is not known.
    pub to: Option<u64>,
    /// `from` in milliseconds.
    pub from_ms: u64,
    /// `to` in milliseconds.
    pub to_ms: Option<u64>,
    /// `discarded`, `overflow`, `lost`, `late-event` or `unknown`.
    pub reason: String,
    /// How many whole frames it stands for; 0 if that is not known.
    pub frames: u32,
    /// Its end is not known, as the door died.
    pub open: bool,
}

/// Numbers of a connection whose records never came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarMissing {
    /// The connection.
    pub connection: ConnectionId,
    /// The first missing number.
    pub from: u64,
    /// The last missing number.
    pub to: u64,
}

/// The session was matched, or its reason for not being so changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarMatch {
    /// From where on.
    pub position: u64,
    /// `position` in milliseconds.
    pub ms: u64,
    /// The agent, if matched.
    pub agent: Option<AgentId>,
    /// Why not, if not.
    pub reason: Option<String>,
}

/// What was delivered.
///
/// Units: samples per channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarAudio {
    /// Audio records.
    pub frames: u64,
    /// Delivered in all.
    pub samples: u64,
    /// Of these, silenced as they turned out to belong to no agent.
    pub samples_of_nobody: u64,
    /// Some lies further from the beginning than a recording may be long, and was left out.
    pub cut: bool,
}

/// What the door counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarCounters {
    /// Frames received from Genesys.
    pub frames_received: u64,
    /// Of these, such as belonged to an agent's leg.
    pub frames_accepted: u64,
    /// Of these, such as a gap stands for.
    pub frames_in_gaps: u64,
    /// How long Genesys streamed, which it charges for.
    pub streamed_ms: u64,
    /// How long it was paused.
    pub paused_ms: u64,
}

/// A connection whose records are in the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarConnection {
    /// The connection.
    pub id: ConnectionId,
    /// The last number; all before it are here too, but for those that are missing.
    pub last_number: u64,
}

impl Sidecar {
    /// Describes a session as it was found.
    pub(crate) fn new(plan: &Plan, session: SessionId) -> Self {
        let view = &plan.view;
        let start = view.start();
        let key = plan.key.key;
        let wav = plan.start().map(|_| format!("{}.wav", recording_name(key, session)));
        let ended = view.end();
        Self {
            version: SIDECAR_VERSION,
            organization: key.organization,
            conversation: key.conversation,
            session,
            participant: start.map(|start| start.participant.clone()),
            media: start.and_then(|start| start.media).map(|media| SidecarMedia {
                format: media.format,
                rate: SAMPLE_RATE,
                channels: media.channels.iter().collect(),
            }),
            listen: start.map(|start| start.listen),
            language: start.and_then(|start| text(&start.language)),
            started_at: start.map(|start| start.opened_at.to_string()),
            wav,
            start_position: plan.start(),
            end_position: plan.end(),
            start_ms: plan.start().map(millis),
            end_ms: plan.end().map(millis),
            end: ended.map(|end| SidecarEnd {
                cause: cause_name(end.ended.cause()).into(),
                at: end.at.to_string(),
                position: end.ended.position,
            }),
            agents: agents(plan),
            holds: stretches(plan.view.attribution().holds()),
            mutes: stretches(plan.view.attribution().mutes()),
            conferences: stretches(plan.view.attribution().conferences()),
            pauses: pauses(plan),
            gaps: gaps(plan),
            missing: missing(plan),
            matches: matches(plan),
            unmatched_reason: view
                .matches()
                .last()
                .filter(|last| last.agent.is_none())
                .and_then(|last| text(&last.reason)),
            audio: SidecarAudio {
                frames: plan.frames,
                samples: view.audio().total(),
                samples_of_nobody: plan.samples_of_nobody,
                cut: plan.cut,
            },
            counters: ended.filter(|end| end.ended.cause() != EndCause::Lost).map(|end| {
                SidecarCounters {
                    frames_received: end.ended.frames_received,
                    frames_accepted: end.ended.frames_accepted,
                    frames_in_gaps: end.ended.frames_in_gaps,
                    streamed_ms: end.ended.streamed_ms,
                    paused_ms: end.ended.paused_ms,
                }
            }),
            connections: plan
                .connections
                .iter()
                .map(|one| SidecarConnection { id: one.id.clone(), last_number: one.last_number })
                .collect(),
            complete: plan.complete,
            late_records: 0,
        }
    }

    /// Returns the conversation within its organization.
    pub const fn key(&self) -> ConversationKey {
        ConversationKey { organization: self.organization, conversation: self.conversation }
    }

    /// Returns the records that are in the recording.
    pub(crate) fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for connection in &self.connections {
            let holes = self.missing.iter().filter(|hole| hole.connection == connection.id);
            let mut numbers = Ranges::default();
            let mut next = 1;
            for hole in holes {
                numbers.insert(next, hole.from);
                next = hole.to.saturating_add(1);
            }
            numbers.insert(next, connection.last_number.saturating_add(1));
            coverage.0.insert(connection.id.clone(), numbers);
        }
        coverage
    }
}

fn agents(plan: &Plan) -> Vec<SidecarAgent> {
    let attribution = plan.view.attribution();
    attribution
        .segments()
        .iter()
        .map(|segment| {
            let leg = attribution.legs().find(|leg| leg.communication == segment.communication);
            let end = leg.and_then(|leg| leg.end());
            SidecarAgent {
                agent: segment.agent.clone(),
                communication: segment.communication.clone(),
                user: leg.and_then(|leg| leg.user),
                direction: leg.and_then(|leg| leg.direction),
                queue: leg.and_then(|leg| leg.queue.as_deref()).map(Into::into),
                from: segment.from.samples(),
                to: segment.to.map(Position::samples),
                from_ms: segment.from.as_millis(),
                to_ms: segment.to.map(Position::as_millis),
                transfer: end.as_ref().and_then(|end| text(end.transfer?)),
                end_reason: end.and_then(|end| text(&end.reason)),
                late: leg.is_some_and(|leg| leg.is_late()),
            }
        })
        .collect()
}

fn stretches(found: Vec<LegStretch>) -> Vec<SidecarStretch> {
    found
        .into_iter()
        .map(|one| SidecarStretch {
            agent: one.agent,
            communication: one.communication,
            from: one.from.samples(),
            to: one.to.map(Position::samples),
            from_ms: one.from.as_millis(),
            to_ms: one.to.map(Position::as_millis),
        })
        .collect()
}

fn pauses(plan: &Plan) -> Vec<SidecarPause> {
    let pauses = plan.view.pauses();
    pauses
        .map(|pause| SidecarPause {
            from: pause.from.samples(),
            to: pause.to.map(Position::samples),
            from_ms: pause.from.as_millis(),
            to_ms: pause.to.map(Position::as_millis),
            asked: pause.asked,
        })
        .collect()
}

fn gaps(plan: &Plan) -> Vec<SidecarGap> {
    let gaps = plan.view.gaps().into_iter();
    gaps.map(|gap| SidecarGap {
        from: gap.from.samples(),
        to: gap.to.map(Position::samples),
        from_ms: gap.from.as_millis(),
        to_ms: gap.to.map(Position::as_millis),
        reason: reason_name(gap.reason).into(),
        frames: gap.frames,
        open: gap.to.is_none(),
    })
    .collect()
}

fn missing(plan: &Plan) -> Vec<SidecarMissing> {
    let missing = plan.view.missing().iter();
    missing
        .map(|one| SidecarMissing {
            connection: one.origin.connection.clone(),
            from: one.from,
            to: one.to,
        })
        .collect()
}

fn matches(plan: &Plan) -> Vec<SidecarMatch> {
    let matches = plan.view.matches().iter();
    matches
        .map(|one| SidecarMatch {
            position: one.position.samples(),
            ms: one.position.as_millis(),
            agent: one.agent.clone(),
            reason: text(&one.reason),
        })
        .collect()
}

const fn millis(samples: u64) -> u64 {
    Position::from_samples(samples).as_millis()
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

pub(crate) const fn cause_name(cause: EndCause) -> &'static str {
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

const fn reason_name(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Unspecified => "unknown",
        GapReason::Discarded => "discarded",
        GapReason::Overflow => "overflow",
        GapReason::Lost => "lost",
        GapReason::LateEvent => "late-event",
        GapReason::Undelivered => "undelivered",
    }
}
