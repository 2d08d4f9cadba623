//! What is in the stream and in the recordings, and whether it is what was said.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sidetone_cli::SessionRecording;
use sidetone_consumer::{Record, decode};
use sidetone_delivery_wire::{Audio, Body, SessionEnded};
use sidetone_model::{AgentId, Position, SessionId};
use sidetone_ports::{Clock, RecordSource};
use sidetone_ports_embedded::{DataDir, Stream};

use super::sound::{frame, pcm_of, sound};

/// Stream records read at a time.
const READ_MAX: usize = 500;

/// How far the two ends of an agent's audio may lie from when they happened.
const TOLERANCE: Duration = Duration::from_millis(300);

/// Everything in a stream, each record once, in the order of the stream.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) records: Vec<Record>,
}

impl Ledger {
    /// Reads the stream of a data directory, also while a process writes it.
    pub(crate) async fn read(data: &Path) -> Self {
        let place = DataDir::peek(data).expect("a directory").stream();
        let stream = Stream::open_read_only(&place, Clock::system()).expect("a stream");
        let tip = stream.tip().await.expect("readable");
        let (mut after, mut records) = (0, Vec::<Record>::new());
        while after < tip {
            let some = stream.read(after, READ_MAX, Duration::ZERO).await.expect("readable");
            let last = some.last().expect("there is more up to the tip");
            after = last.sequence;
            for delivered in &some {
                records.extend(decode(delivered).expect("written by this schema"));
            }
        }
        let mut seen = std::collections::HashSet::new();
        records.retain(|record| seen.insert((record.origin.clone(), record.number)));
        Self { records }
    }

    /// Returns the bodies of one session, those of a sweep included.
    pub(crate) fn of(&self, session: SessionId) -> impl Iterator<Item = &Body> {
        let own = move |record: &&Record| record.origin.session.session == Some(session);
        self.records.iter().filter(own).filter_map(|record| record.body.as_ref())
    }

    /// Returns a session's audio by its position.
    pub(crate) fn audio(&self, session: SessionId) -> BTreeMap<u64, &Audio> {
        let audio = self.of(session).filter_map(|body| {
            let Body::Audio(audio) = body else { return None };
            Some((audio.position, audio))
        });
        audio.collect()
    }

    /// Returns the positions of a session's audio, joined where it touches.
    pub(crate) fn stretches(&self, session: SessionId) -> Vec<Range<u64>> {
        let mut stretches: Vec<Range<u64>> = Vec::new();
        for audio in self.audio(session).values() {
            let (from, to) = (audio.position, audio.position + u64::from(audio.samples));
            match stretches.last_mut() {
                Some(last) if last.end >= from => last.end = last.end.max(to),
                Some(_) | None => stretches.push(from..to),
            }
        }
        stretches
    }

    /// Returns how a session ended, by its last word.
    pub(crate) fn end(&self, session: SessionId) -> Option<&SessionEnded> {
        let ended = self.of(session).filter_map(|body| {
            let Body::SessionEnded(ended) = body else { return None };
            Some(ended)
        });
        ended.last()
    }

    /// Asserts that each frame in the stream is what was said at its place.
    pub(crate) fn assert_audio_is_true(&self, session: SessionId) {
        for (position, audio) in self.audio(session) {
            let said = frame(position, u64::from(audio.samples));
            assert_eq!(audio.data.len(), said.len());
            assert!(audio.data == said, "the frame at {position} is not what was said there");
        }
    }
}

/// Asserts that what an agent and the customer said while they were connected is in the stream
/// as theirs, in one piece, and little else is.
pub(crate) fn assert_talk_is_delivered(
    ledger: &Ledger,
    session: SessionId,
    agent: &AgentId,
    talk: Range<Duration>,
) {
    ledger.assert_audio_is_true(session);
    let audio = ledger.audio(session);
    assert!(audio.values().all(|audio| audio.agent_id == agent.as_str()), "{audio:?}");
    let stretches = ledger.stretches(session);
    let [stretch] = stretches.as_slice() else { panic!("not in one piece: {stretches:?}") };
    // A frame is delivered whole, so the stretch may be longer by one at each end.
    let frame = Duration::from_millis(200);
    let from = Position::from_samples(stretch.start).as_duration();
    let to = Position::from_samples(stretch.end).as_duration();
    let fits = from <= talk.start + TOLERANCE
        && from + frame + TOLERANCE >= talk.start
        && to + TOLERANCE >= talk.end
        && to <= talk.end + frame + TOLERANCE;
    assert!(fits, "they talked {talk:?}, delivered was {from:?} to {to:?}");
}

/// Returns the files of finished recordings with their bytes.
pub(crate) fn recording_files(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(super::site::recordings(data)) else {
        return BTreeMap::new();
    };
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("readable");
        (path, bytes)
    };
    entries.flatten().map(|entry| read(entry.path())).collect()
}

/// Reads a session's recording, by another reader than the one that wrote it.
pub(crate) fn recording(data: &Path, session: SessionId) -> SessionRecording {
    let files = recording_files(data);
    let file = |extension: &str| {
        let end = format!("_{session}.{extension}");
        let own = |path: &Path| path.to_string_lossy().ends_with(&end);
        files.iter().find(|(path, _)| own(path)).map(|(_, bytes)| bytes.clone())
    };
    let sidecar = file("json").unwrap_or_else(|| panic!("{session} has no recording"));
    SessionRecording::read(&sidecar, file("wav").map(Into::into)).expect("a recording")
}

/// Asserts that a recording holds what was said wherever audio of an agent was delivered, and
/// silence everywhere else.
pub(crate) fn assert_recording_is_exact(data: &Path, ledger: &Ledger, session: SessionId) {
    let SessionRecording { sidecar, wave } = recording(data, session);
    let wave = wave.expect("the session has audio");
    assert_eq!((wave.rate, wave.channels), (8_000, 2));
    let start = sidecar.start_position.expect("where there is audio");
    assert_eq!(sidecar.end_position, Some(start + wave.length()));
    assert!(sidecar.missing.is_empty() && !sidecar.audio.cut, "{sidecar:#?}");
    let stretches = ledger.stretches(session);
    assert!(stretches.iter().any(|one| one.contains(&start)), "{start} is in {stretches:?}");
    // What turned out to belong to nobody is silenced; only edges may have.
    let of_nobody = sidecar.audio.samples_of_nobody;
    assert!(of_nobody <= 2 * 1_600, "{of_nobody} samples were taken away");
    let mut silent = 0;
    for (place, heard) in wave.samples.chunks_exact(2).enumerate() {
        let position = start + place as u64;
        let delivered = stretches.iter().any(|one| one.contains(&position));
        let said = pcm_of(&sound(position));
        if delivered && heard == said {
            continue;
        }
        assert_eq!(heard, [0, 0], "at {position}, where {said:?} was said");
        silent += u64::from(delivered);
    }
    assert!(silent <= of_nobody, "{silent} samples are silent, {of_nobody} were nobody's");
}
