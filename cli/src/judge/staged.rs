//! Sessions as a door without a fault would deliver them, for the judge's tests.

use std::time::Duration;

use bytes::Bytes;
use sidetone_audiohook_proto::EndCause;
use sidetone_consumer::{
    NoCheckpoints, Ordered, Recorder, Start, Subscription, SubscriptionSettings, recording_name,
};
use sidetone_delivery_wire::{
    Audio, Body, CallEvent, CallEventKind, Gap, GapReason, Heading, Match, Paused, Resumed,
    SessionEnded, TransferKind, encode, reason_name, session_media,
};
use sidetone_genesys_sim::{
    AgentSpan, CallerReport, Expected, Scenario, Script, SessionTruth, Stretch,
};
use sidetone_model::{
    AgentId, ConnectionId, ConversationId, ConversationKey, Media, Position, SessionId, Timestamp,
};
use sidetone_ports::{Clock, RecordSink, RecordSource, RecordingStore, StreamRecord};
use sidetone_ports_embedded::{Recordings, Stream};

use super::stretches::{joined, without};
use super::{Case, Heard, PlantedSink, SessionRecording, Verdict, judge};
use crate::args::Plant;

/// Records in one stream record; few, as in life.
const RECORDS_PER_PUT: usize = 2;

/// A session with everything that could be said of it.
#[derive(Clone)]
pub(super) struct Staged {
    pub(super) scenario: Scenario,
    pub(super) truth: SessionTruth,
    pub(super) report: CallerReport,
    pub(super) bodies: Vec<Body>,
    pub(super) began_at: Timestamp,
    /// From the later half of the match to the commit.
    pub(super) delay: Duration,
}

/// What came out at the end.
pub(super) struct Found {
    pub(super) heard: Option<Heard>,
    pub(super) recording: Option<SessionRecording>,
}

impl Staged {
    /// Stages the first session of a scenario.
    pub(super) fn new(scenario: Scenario) -> Self {
        Self::session(scenario, 0)
    }

    pub(super) fn session(scenario: Scenario, place: usize) -> Self {
        let script = Script::new(scenario, 7);
        let truth = script.truth().sessions.swap_remove(place);
        let audio = &script.sessions[place];
        let began_at: Timestamp = "2026-08-15T09:00:00Z".parse().unwrap();
        let begins = began_at + audio.begins;
        let asked = begins + audio.connects_after;
        let whole = Stretch::new(Position::ZERO, truth.length);
        let probe = truth.expected == Expected::Probe;
        let nil = ConversationId::new(uuid::Uuid::nil());
        let withheld = joined(truth.unsendable.iter().copied());
        let report = CallerReport {
            session: "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse::<SessionId>().unwrap(),
            conversation: if probe { nil } else { key().conversation },
            begins,
            attempts: 1,
            opened_at: Some(asked + Duration::from_millis(9)),
            opened_after: Some(Duration::from_millis(9)),
            media: Some(Media::PCMU_STEREO),
            began_paused: false,
            frames_sent: 100,
            sent: without(&[whole], &withheld),
            withheld,
            lost: Vec::new(),
            paused: Vec::new(),
            length: truth.length,
            faults: Vec::new(),
            end: EndCause::Completed,
            log: Vec::new(),
        };
        let bodies = bodies(&truth, &report, audio.frame);
        let delay = Duration::from_millis(250);
        Self { scenario, truth, report, bodies, began_at, delay }
    }

    /// Changes each thing that was delivered.
    pub(super) fn change(&mut self, change: impl FnMut(&mut Body)) {
        self.bodies.iter_mut().for_each(change);
    }

    /// Adds frames where nobody owed them.
    pub(super) fn add_audio(&mut self, stretch: Stretch) {
        let frames = audio(&self.truth, stretch, Duration::from_millis(100), "");
        let count = frames.len() as u64;
        let last = self.bodies.len() - 1;
        self.bodies.splice(last..last, frames);
        self.count(count.cast_signed());
    }

    /// Removes the frames that lie in a stretch, and lets the door know nothing of them.
    pub(super) fn lose_audio(&mut self, stretch: Stretch) {
        let before = self.bodies.len();
        self.bodies.retain(|body| {
            let Body::Audio(audio) = body else { return true };
            let from = Position::from_samples(audio.position);
            let frame = Stretch::new(from, from.plus_samples(audio.samples.into()));
            frame.common(stretch).is_none()
        });
        let lost = before - self.bodies.len();
        self.count(-(lost as i64));
    }

    fn count(&mut self, more: i64) {
        self.change(|body| {
            if let Body::SessionEnded(ended) = body {
                ended.frames_accepted = ended.frames_accepted.saturating_add_signed(more);
            }
        });
    }

    /// Sends everything through producer's sink, stream, consumer library and recorder.
    pub(super) async fn found(&self, plant: Option<Plant>) -> Found {
        let matchable = self.truth.matchable.unwrap_or_default();
        let clock = Clock::starting_at(self.began_at + matchable + self.delay, 1.0);
        let stream = Stream::in_memory(clock).unwrap();
        let sink = PlantedSink::new(stream.clone(), plant);
        let heading = Heading::new(key(), Some(self.report.session), &ConnectionId::new("door-1"));
        let numbered: Vec<(u64, Body)> = (1..).zip(self.bodies.iter().cloned()).collect();
        for some in numbered.chunks(RECORDS_PER_PUT) {
            let made_at = clock.now();
            let some = some.iter().map(|(number, body)| (*number, made_at, body.clone()));
            let data = encode(&heading, some);
            let record = StreamRecord { partition_key: key().conversation, data };
            // Twice, as after a put that nobody answered.
            sink.put(vec![record.clone()]).await.unwrap();
            sink.put(vec![record]).await.unwrap();
        }
        let settings = SubscriptionSettings {
            wait: Duration::ZERO,
            ..SubscriptionSettings::new("judge").starting(Start::Beginning)
        };
        let mut subscription = Subscription::new(stream.clone(), NoCheckpoints, settings);
        let mut heard: Option<Heard> = None;
        loop {
            let batch = subscription.next().await.unwrap();
            let done = batch.read == 0;
            let rest = if done { subscription.drain() } else { Vec::new() };
            for item in batch.items.iter().chain(&rest) {
                let key = Ordered::origin(item).session;
                heard.get_or_insert_with(|| Heard::new(key)).take(item);
            }
            if done {
                break;
            }
        }
        Found { heard, recording: self.recorded(&stream).await }
    }

    async fn recorded(&self, stream: &Stream) -> Option<SessionRecording> {
        let folder = tempfile::tempdir().unwrap();
        let recordings =
            Recordings::open(&folder.path().join("parts"), &folder.path().join("recordings"))
                .unwrap();
        let mut recorder = Recorder::new(recordings.clone(), folder.path().join("scratch"));
        let batch = stream.read(0, usize::MAX >> 1, Duration::ZERO).await.unwrap();
        recorder.handle_batch(&batch).await.unwrap();
        let name = recording_name(key(), self.report.session);
        let sidecar: Option<Bytes> = recordings.recording(&format!("{name}.json")).await.unwrap();
        let wav = recordings.recording(&format!("{name}.wav")).await.unwrap();
        sidecar.map(|sidecar| SessionRecording::read(&sidecar, wav).unwrap())
    }

    pub(super) fn verdict(&self, found: &Found) -> Verdict {
        judge(&Case {
            scenario: self.scenario.as_str(),
            seed: 7,
            truth: &self.truth,
            report: &self.report,
            began_at: self.began_at,
            heard: found.heard.as_ref(),
            recording: found.recording.as_ref(),
        })
    }

    /// Judges the session as it stands.
    pub(super) async fn judged(&self) -> Verdict {
        self.verdict(&self.found(None).await)
    }
}

pub(super) fn key() -> ConversationKey {
    ConversationKey {
        organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap(),
        conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
    }
}

/// Media from one millisecond to another.
pub(super) fn millis(from: u64, to: u64) -> Stretch {
    Stretch::new(Position::from_millis(from), Position::from_millis(to))
}

fn bodies(truth: &SessionTruth, report: &CallerReport, frame: Duration) -> Vec<Body> {
    let mut started = session_media(report.media);
    started.listen = "matched".to_owned();
    let mut bodies = vec![Body::SessionStarted(started)];
    let mut frames = 0;
    match truth.expected {
        Expected::Probe => return Vec::new(),
        Expected::Unmatched(reason) => bodies.push(matched("", reason_name(reason))),
        Expected::Matched => {
            bodies.push(matched(truth.segments[0].agent.as_str(), ""));
            bodies.extend(events(truth));
            for stretch in &report.sent {
                for stint in truth.stints() {
                    let Some(here) = stretch.common(stint.stretch) else { continue };
                    let more = audio(truth, here, frame, stint.agent.as_str());
                    frames += more.len() as u64;
                    bodies.extend(more);
                }
            }
        }
    }
    for stretch in &report.withheld {
        let (from, to) = (stretch.from.samples(), stretch.to.samples());
        let reason = GapReason::Discarded.into();
        bodies.push(Body::Gap(Gap { from, to, reason, ..Gap::default() }));
        bodies.push(Body::Paused(Paused { position: from, asked: false }));
        bodies.push(Body::Resumed(Resumed { from, to }));
    }
    bodies.push(Body::SessionEnded(SessionEnded {
        cause: sidetone_delivery_wire::EndCause::Closed.into(),
        position: truth.length.samples(),
        frames_accepted: frames,
        frames_received: report.frames_sent,
        ..SessionEnded::default()
    }));
    bodies
}

fn matched(agent: &str, reason: &str) -> Body {
    Body::Match(Match { agent_id: agent.into(), reason: reason.into(), position: 0 })
}

fn audio(truth: &SessionTruth, stretch: Stretch, frame: Duration, agent: &str) -> Vec<Body> {
    let mut bodies = Vec::new();
    let mut from = stretch.from;
    while from < stretch.to {
        let piece = Stretch::new(from, from.plus(frame).min(stretch.to));
        bodies.push(Body::Audio(Audio {
            position: from.samples(),
            samples: piece.samples() as u32,
            data: truth.pcm(piece, Media::PCMU_STEREO).into(),
            agent_id: agent.to_owned(),
            held: false,
        }));
        from = piece.to;
    }
    bodies
}

fn events(truth: &SessionTruth) -> Vec<Body> {
    let event = |kind: CallEventKind, place: usize, agent: &AgentId, at: Position| CallEvent {
        kind: kind.into(),
        position: at.samples(),
        communication_id: format!("leg-{place}"),
        agent_id: agent.to_string(),
        ..CallEvent::default()
    };
    let mut events = Vec::new();
    let mut transfers = truth.transfers.iter().peekable();
    for (place, segment) in truth.stints().iter().enumerate() {
        let (agent, stretch) = (&segment.agent, segment.stretch);
        events.push(event(CallEventKind::Started, place, agent, stretch.from));
        let own =
            |span: &&AgentSpan| span.agent == *agent && span.stretch.common(stretch).is_some();
        for (spans, begins, ends) in [
            (&truth.holds, CallEventKind::Held, CallEventKind::Retrieved),
            (&truth.mutes, CallEventKind::Muted, CallEventKind::Unmuted),
            (&truth.conferences, CallEventKind::ConferenceStarted, CallEventKind::ConferenceEnded),
        ] {
            for (ordinal, span) in (0..).zip(spans.iter().filter(own)) {
                for (kind, at) in [(begins, span.stretch.from), (ends, span.stretch.to)] {
                    events.push(CallEvent { ordinal, ..event(kind, place, agent, at) });
                }
            }
        }
        if let Some((_, how)) = transfers.next_if(|(who, _)| who == agent) {
            let transferred = event(CallEventKind::Transferred, place, agent, stretch.to);
            let consult = *how == "consult";
            let how = if consult { TransferKind::Consult } else { TransferKind::Blind };
            events.push(CallEvent { transfer: how.into(), ..transferred });
        }
        events.push(event(CallEventKind::Ended, place, agent, stretch.to));
    }
    // Whoever was only asked never had the customer.
    let asked = |span: &&AgentSpan| truth.segments.iter().all(|it| it.agent != span.agent);
    for (place, span) in (90..).zip(truth.conferences.iter().filter(asked)) {
        let (from, to) = (span.stretch.from, span.stretch.to);
        for (kind, at) in [
            (CallEventKind::Started, from),
            (CallEventKind::ConferenceStarted, from),
            (CallEventKind::Ended, to),
        ] {
            events.push(event(kind, place, &span.agent, at));
        }
    }
    events.into_iter().map(Body::CallEvent).collect()
}
