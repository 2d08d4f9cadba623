//! What the tests of this crate share: a script of records, and ports in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sidetone_delivery_wire::{
    Audio, AudioFormat, Body, CallEvent, CallEventKind, EndCause, Gap, GapReason, Heading, Match,
    MediaChannel, Paused, Resumed, SessionEnded, SessionStarted, encode,
};
use sidetone_model::{
    ConnectionId, ConversationId, ConversationKey, OrganizationId, Position, SessionId, Timestamp,
};
use sidetone_ports::{
    Checkpoints, Delivered, Part, PartName, RecordSource, RecordedSession, RecordingStore,
    Sequence, SourceError, StoreError, StreamRecord,
};

use crate::record::{Record, SessionKey, decode};

pub(crate) const CONVERSATION: &str = "c0ffee12-3456-4789-8abc-def012345678";

pub(crate) fn conversation_key() -> ConversationKey {
    ConversationKey {
        organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().expect("valid"),
        conversation: CONVERSATION.parse().expect("valid"),
    }
}

pub(crate) fn session_id(number: u32) -> SessionId {
    format!("5a1b7c30-9f42-4d0e-8b6a-{number:012}").parse().expect("valid")
}

/// When every scripted session was opened.
pub(crate) fn opened_at() -> Timestamp {
    "2026-08-15T09:00:00Z".parse().expect("valid")
}

/// Samples by position: PCMU bytes that tell where they stand and in which channel.
pub(crate) fn pcmu(position: u64, samples: u64) -> Bytes {
    (position..position.saturating_add(samples))
        .flat_map(|at| [(at % 100) as u8, 0x80 | (at / 100 % 100) as u8])
        .collect::<Vec<u8>>()
        .into()
}

pub(crate) fn event(kind: CallEventKind, leg: &str, agent: &str, millis: u64) -> CallEvent {
    CallEvent {
        kind: kind.into(),
        at_us: (opened_at() + Duration::from_millis(millis)).as_micros(),
        position: Position::from_millis(millis).samples(),
        communication_id: leg.into(),
        participant_id: format!("participant-{leg}"),
        agent_id: agent.into(),
        ..CallEvent::default()
    }
}

pub(crate) fn delivered(sequence: Sequence, data: Bytes) -> Delivered {
    Delivered {
        sequence,
        committed_at: opened_at() + Duration::from_secs(sequence),
        record: StreamRecord { partition_key: conversation_key().conversation, data },
    }
}

/// Puts stream records in the given order, each with the next place in the stream.
pub(crate) fn stream_of(parts: impl IntoIterator<Item = Bytes>) -> Vec<Delivered> {
    (1..).zip(parts).map(|(sequence, data)| delivered(sequence, data)).collect()
}

/// The records of one connection, in order.
#[derive(Clone)]
pub(crate) struct Script {
    key: SessionKey,
    connection: ConnectionId,
    bodies: Vec<(u64, Timestamp, Body)>,
}

impl Script {
    pub(crate) fn new(connection: &str) -> Self {
        Self::of(1, connection)
    }

    pub(crate) fn of(session: u32, connection: &str) -> Self {
        let key = SessionKey { key: conversation_key(), session: Some(session_id(session)) };
        Self { key, connection: ConnectionId::new(connection), bodies: Vec::new() }
    }

    pub(crate) fn in_conversation(mut self, key: ConversationKey) -> Self {
        self.key.key = key;
        self
    }

    pub(crate) fn session_key(&self) -> SessionKey {
        self.key
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        let number = self.bodies.len() as u64 + 1;
        // What is found out about a dead door is found out later.
        let late = if self.connection.as_str().starts_with("sweep-") { 60_000 } else { 0 };
        let made_at = opened_at() + Duration::from_millis(late + number * 100);
        self.bodies.push((number, made_at, body));
        self
    }

    pub(crate) fn start(self, listen: &str) -> Self {
        let both = [MediaChannel::External, MediaChannel::Internal];
        self.start_with(listen, AudioFormat::Pcmu, &both)
    }

    pub(crate) fn start_with(
        self,
        listen: &str,
        format: AudioFormat,
        channels: &[MediaChannel],
    ) -> Self {
        self.body(Body::SessionStarted(SessionStarted {
            format: format.into(),
            rate: 8_000,
            channels: channels.iter().map(|&channel| channel.into()).collect(),
            participant_id: "customer-1".into(),
            listen: listen.into(),
            opened_at_us: opened_at().as_micros(),
            language: "en-US".into(),
            ..SessionStarted::default()
        }))
    }

    pub(crate) fn audio(self, position: u64, samples: u64) -> Self {
        self.audio_of(position, samples, pcmu(position, samples))
    }

    pub(crate) fn audio_of(self, position: u64, samples: u64, data: Bytes) -> Self {
        let samples = u32::try_from(samples).expect("short");
        self.body(Body::Audio(Audio { position, samples, data, ..Audio::default() }))
    }

    /// Adds 100 ms frames from one millisecond to another.
    pub(crate) fn frames(self, from_ms: u64, to_ms: u64) -> Self {
        (from_ms / 100..to_ms / 100).fold(self, |script, frame| script.audio(frame * 800, 800))
    }

    pub(crate) fn event(self, event: CallEvent) -> Self {
        self.body(Body::CallEvent(event))
    }

    pub(crate) fn gap(self, from: u64, to: u64) -> Self {
        let reason = GapReason::Overflow.into();
        self.body(Body::Gap(Gap { from, to, reason, frames: 1, ..Gap::default() }))
    }

    pub(crate) fn open_gap(self, lost: &str) -> Self {
        self.body(Body::Gap(Gap {
            open: true,
            reason: GapReason::Lost.into(),
            lost_connection_id: lost.into(),
            ..Gap::default()
        }))
    }

    pub(crate) fn paused(self, position: u64, asked: bool) -> Self {
        self.body(Body::Paused(Paused { position, asked }))
    }

    pub(crate) fn resumed(self, from: u64, to: u64) -> Self {
        self.body(Body::Resumed(Resumed { from, to }))
    }

    pub(crate) fn matched(self, agent: &str, reason: &str, position: u64) -> Self {
        self.body(Body::Match(Match { agent_id: agent.into(), reason: reason.into(), position }))
    }

    pub(crate) fn end(self, position: u64) -> Self {
        self.body(Body::SessionEnded(SessionEnded {
            cause: EndCause::Closed.into(),
            position,
            frames_received: 7,
            ..SessionEnded::default()
        }))
    }

    pub(crate) fn lost(self) -> Self {
        let cause = EndCause::Lost.into();
        self.body(Body::SessionEnded(SessionEnded { cause, ..SessionEnded::default() }))
    }

    /// Encodes everything as one stream record.
    pub(crate) fn data(&self) -> Bytes {
        self.parts(usize::MAX).remove(0)
    }

    /// Encodes everything as stream records of `size` records each.
    pub(crate) fn parts(&self, size: usize) -> Vec<Bytes> {
        let heading = Heading::new(self.key.key, self.key.session, &self.connection);
        self.bodies
            .chunks(size.min(self.bodies.len()))
            .map(|chunk| encode(&heading, chunk.iter().cloned()))
            .collect()
    }

    /// Returns what a consumer decodes, all from one place in the stream.
    pub(crate) fn records(&self, sequence: Sequence) -> Vec<Record> {
        decode(&delivered(sequence, self.data())).expect("own encoding")
    }
}

/// A stream in memory.
#[derive(Clone, Default)]
pub(crate) struct MemoryStream {
    records: Arc<Mutex<Vec<Delivered>>>,
    failing: Arc<Mutex<u32>>,
}

impl MemoryStream {
    pub(crate) fn of(records: Vec<Delivered>) -> Self {
        Self { records: Arc::new(Mutex::new(records)), ..Self::default() }
    }

    pub(crate) fn add(&self, data: Bytes) {
        let mut records = self.records.lock().unwrap();
        let sequence = records.last().map_or(1, |last| last.sequence + 1);
        records.push(delivered(sequence, data));
    }

    /// Lets the next reads fail.
    pub(crate) fn fail(&self, times: u32) {
        *self.failing.lock().unwrap() = times;
    }
}

impl RecordSource for MemoryStream {
    async fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, SourceError> {
        if let Some(left) = fail_once(&self.failing) {
            return Err(SourceError { after, source: format!("{left} more").into() });
        }
        let found: Vec<Delivered> = {
            let records = self.records.lock().unwrap();
            records.iter().filter(|one| one.sequence > after).take(limit).cloned().collect()
        };
        if found.is_empty() {
            tokio::time::sleep(wait).await;
        }
        Ok(found)
    }

    async fn tip(&self) -> Result<Sequence, SourceError> {
        Ok(self.records.lock().unwrap().last().map_or(0, |last| last.sequence))
    }
}

/// Checkpoints in memory.
#[derive(Clone, Default)]
pub(crate) struct MemoryCheckpoints(pub(crate) Arc<Mutex<BTreeMap<String, Sequence>>>);

impl Checkpoints for MemoryCheckpoints {
    async fn checkpoint(&self, consumer: &str) -> Result<Sequence, StoreError> {
        Ok(self.0.lock().unwrap().get(consumer).copied().unwrap_or(0))
    }

    async fn save_checkpoint(&self, consumer: &str, sequence: Sequence) -> Result<(), StoreError> {
        let mut all = self.0.lock().unwrap();
        let saved = all.entry(consumer.into()).or_default();
        *saved = sequence.max(*saved);
        Ok(())
    }
}

/// Recordings and parts in memory.
#[derive(Clone, Default)]
pub(crate) struct MemoryRecordings {
    pub(crate) parts: Arc<Mutex<BTreeMap<(RecordedSession, PartName), Bytes>>>,
    pub(crate) files: Arc<Mutex<BTreeMap<String, Bytes>>>,
    failing: Arc<Mutex<u32>>,
    failing_puts: Arc<Mutex<u32>>,
    /// How often a file was put.
    pub(crate) puts: Arc<Mutex<u32>>,
}

impl MemoryRecordings {
    /// Lets the next removals of parts fail, as if the process died there.
    pub(crate) fn fail_removing(&self, times: u32) {
        *self.failing.lock().unwrap() = times;
    }

    /// Lets the next puts of parts fail.
    pub(crate) fn fail_putting(&self, times: u32) {
        *self.failing_puts.lock().unwrap() = times;
    }

    pub(crate) fn file(&self, name: &str) -> Option<Bytes> {
        self.files.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn part_count(&self) -> usize {
        self.parts.lock().unwrap().len()
    }
}

impl RecordingStore for MemoryRecordings {
    async fn put_parts(&self, parts: Vec<Part>) -> Vec<Result<(), StoreError>> {
        let put = |Part { session, name, data }| {
            if fail_once(&self.failing_puts).is_some() {
                return Err(StoreError::unavailable("put a part", "as asked"));
            }
            self.parts.lock().unwrap().entry((session, name)).or_insert(data);
            Ok(())
        };
        parts.into_iter().map(put).collect()
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        let parts = self.parts.lock().unwrap();
        let own = parts.keys().filter(|(one, _)| *one == session);
        Ok(own.map(|(_, name)| name.clone()).collect())
    }

    async fn parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let parts = self.parts.lock().unwrap();
        Ok(names.into_iter().map(|name| parts.get(&(session, name)).cloned()).collect())
    }

    async fn sessions_with_parts(&self) -> Result<Vec<RecordedSession>, StoreError> {
        let mut sessions: Vec<_> = self.parts.lock().unwrap().keys().map(|key| key.0).collect();
        sessions.dedup();
        Ok(sessions)
    }

    async fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<(), StoreError> {
        if fail_once(&self.failing).is_some() {
            return Err(StoreError::unavailable("remove parts", "as asked"));
        }
        let mut parts = self.parts.lock().unwrap();
        names.into_iter().for_each(|name| _ = parts.remove(&(session, name)));
        Ok(())
    }

    async fn put_recordings(
        &self,
        _: OrganizationId,
        files: Vec<(String, PathBuf)>,
    ) -> Result<String, StoreError> {
        let mut place = String::new();
        for (name, file) in files {
            *self.puts.lock().unwrap() += 1;
            let content = std::fs::read(&file).expect("was just written");
            std::fs::remove_file(file).expect("was just written");
            place = format!("memory:{name}");
            self.files.lock().unwrap().insert(name, content.into());
        }
        Ok(place)
    }

    async fn recording(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.file(name))
    }
}

fn fail_once(failing: &Mutex<u32>) -> Option<u32> {
    let mut left = failing.lock().unwrap();
    (*left > 0).then(|| {
        *left -= 1;
        *left
    })
}

/// The conversation every script is of, unless it says otherwise.
pub(crate) fn conversation() -> ConversationId {
    conversation_key().conversation
}

/// Reads a WAV as (left, right), with another reader than its writer.
pub(crate) fn read_wav(content: impl Into<Vec<u8>>) -> Vec<(i16, i16)> {
    use symphonia::core::formats::TrackType;
    use symphonia::core::io::MediaSourceStream;
    let source = std::io::Cursor::new(content.into());
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Default::default(), stream, Default::default(), Default::default())
        .expect("a WAV");
    let track = format.default_track(TrackType::Audio).expect("a track");
    let parameters = track.codec_params.as_ref().and_then(|one| one.audio()).expect("audio");
    assert_eq!((parameters.sample_rate, parameters.bits_per_sample), (Some(8_000), Some(16)));
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &Default::default())
        .expect("a decoder");
    let mut samples = Vec::new();
    while let Some(packet) = format.next_packet().expect("readable") {
        let mut some: Vec<i16> = Vec::new();
        decoder.decode(&packet).expect("decodable").copy_to_vec_interleaved(&mut some);
        samples.extend(some.chunks_exact(2).map(|pair| (pair[0], pair[1])));
    }
    samples
}

/// What [`pcmu`] sounds like.
pub(crate) fn heard(position: u64, samples: u64) -> Vec<(i16, i16)> {
    let decode = audio_codec_algorithms::decode_ulaw;
    pcmu(position, samples).chunks_exact(2).map(|one| (decode(one[0]), decode(one[1]))).collect()
}
