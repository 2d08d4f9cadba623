//! The second pass over a session's records: its audio into a file, a part at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sidetone_delivery_wire::Body;
use sidetone_model::{ConnectionId, SessionId, Timestamp};
use sidetone_ports::{PartName, RecordedSession, RecordingStore};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::ConsumerError;
use crate::index::{Index, Piece, Plan};
use crate::record::{Record, SessionKey, decode_part};
use crate::wav::{Chunk, WavFile};

/// Parts kept decoded; records are nearly in order, so few are ever wanted again.
const OPEN_PARTS_MAX: usize = 4;

/// Chunks on the way to the file: a second or two of audio.
const CHUNKS_MAX: usize = 16;

/// Where a session's records lie; each place has a number.
pub(crate) trait Parts: Sync {
    /// How many are read at the same time.
    const AHEAD: usize;

    /// Reads the records at one place.
    fn part(&self, place: u64) -> impl Future<Output = Result<Bytes, ConsumerError>> + Send;
}

/// The parts of one session as the recorder keeps them, in the order of their names.
pub(crate) struct StoredParts<'a, R> {
    pub(crate) recordings: &'a R,
    pub(crate) session: RecordedSession,
    pub(crate) names: &'a [PartName],
}

impl<R: RecordingStore> Parts for StoredParts<'_, R> {
    /// A store that is far away takes some milliseconds for each. A part is at most a
    /// mebibyte, so this is also what lies in memory.
    const AHEAD: usize = 16;

    async fn part(&self, place: u64) -> Result<Bytes, ConsumerError> {
        let session = self.session;
        let missing = |what: String| ConsumerError::Vanished { session: session.session, what };
        let name = usize::try_from(place).ok().and_then(|place| self.names.get(place));
        let Some(name) = name else { return Err(missing(format!("part {place}"))) };
        let found = self.recordings.part(session, name).await?;
        found.ok_or_else(|| missing(format!("part {name}")))
    }
}

/// Goes through all parts of a session.
///
/// Errors: a part that went away, or a store that does not answer. A part that cannot be
/// decoded is passed over: it was set aside, and said so, when it came.
pub(crate) async fn index_parts<P: Parts>(
    key: SessionKey,
    count: usize,
    parts: &P,
) -> Result<Index, ConsumerError> {
    let mut index = Index::new(key);
    let mut reading = pin!(
        stream::iter(0..count as u64)
            .map(|place| async move { (place, parts.part(place).await) })
            .buffered(P::AHEAD)
    );
    while let Some((place, data)) = reading.next().await {
        index.add(decode_part(place, Timestamp::default(), data?).unwrap_or_default());
    }
    Ok(index)
}

/// Writes a recording's audio to `path`, replacing what is there.
///
/// Whoever drops this midway leaves a file there that is not whole, and that is written to until
/// `path` is dropped as well.
pub(crate) async fn write_wav<P: Parts>(
    plan: &Plan,
    session: SessionId,
    parts: &P,
    path: impl AsRef<Path> + Send + 'static,
) -> Result<(), ConsumerError> {
    let start = plan.start().unwrap_or(0);
    let samples = plan.end().map_or(0, |end| end - start);
    let (steps, writing) = writer(path);
    let mut reading = pin!(
        stream::iter(places_in_turn(&plan.pieces))
            .map(|place| async move { (place, parts.part(place).await) })
            .buffered(P::AHEAD)
    );
    let mut open = OpenParts::default();
    for piece in &plan.pieces {
        let connection = &plan.connections[piece.connection];
        // Frames of media that nobody described are not among the pieces.
        let Some(media) = connection.media else { continue };
        while !open.holds(piece.place) {
            let Some((place, data)) = reading.next().await else { break };
            open.add(place, data?);
        }
        let audio = open.audio(piece, plan.key, &connection.id);
        let what = || format!("record {} of connection {}", piece.number, connection.id);
        let data = audio.ok_or_else(|| ConsumerError::Vanished { session, what: what() })?;
        let chunk = Chunk {
            // In order of position, so none begins before the first.
            offset: piece.from() - start,
            skip: piece.skip as usize,
            until: piece.until as usize,
            data,
            media,
        };
        if steps.send(Step::Put(chunk)).await.is_err() {
            // The writer gave up; it says why below.
            break;
        }
    }
    // As above, if nobody takes it.
    _ = steps.send(Step::Finish(samples)).await;
    let outcome = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    outcome.map_err(|source| ConsumerError::Write { session, source })
}

/// What is done to a file.
enum Step {
    Put(Chunk),
    /// Fills up to so many samples.
    Finish(u64),
}

/// Starts to write a file, on a thread that may wait for the disk.
///
/// It keeps `path` until it is done, also where nobody waits for it any longer.
fn writer(
    path: impl AsRef<Path> + Send + 'static,
) -> (mpsc::Sender<Step>, JoinHandle<io::Result<()>>) {
    let (sender, mut steps) = mpsc::channel::<Step>(CHUNKS_MAX);
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = WavFile::create(path.as_ref())?;
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Put(chunk) => file.put(&chunk)?,
                Step::Finish(samples) => return file.finish(samples),
            }
        }
        // Whoever wanted it is gone.
        Err(io::ErrorKind::Interrupted.into())
    });
    (sender, writing)
}

/// Lists the places in the order in which [`OpenParts`] will want them.
fn places_in_turn(pieces: &[Piece]) -> Vec<u64> {
    let mut places = Vec::new();
    let mut open = VecDeque::new();
    for piece in pieces {
        if !open.contains(&piece.place) {
            if open.len() == OPEN_PARTS_MAX {
                open.pop_front();
            }
            open.push_back(piece.place);
            places.push(piece.place);
        }
    }
    places
}

/// The parts read last.
#[derive(Default)]
struct OpenParts(VecDeque<(u64, Vec<Record>)>);

impl OpenParts {
    fn holds(&self, place: u64) -> bool {
        self.0.iter().any(|(open, _)| *open == place)
    }

    fn add(&mut self, place: u64, data: Bytes) {
        if self.0.len() == OPEN_PARTS_MAX {
            self.0.pop_front();
        }
        let records = decode_part(place, Timestamp::default(), data).unwrap_or_default();
        self.0.push_back((place, records));
    }

    fn audio(&self, piece: &Piece, key: SessionKey, connection: &ConnectionId) -> Option<Bytes> {
        let (_, records) = self.0.iter().find(|(open, _)| *open == piece.place)?;
        let is_it = |record: &&Record| {
            record.number == piece.number
                && record.origin.connection == *connection
                && record.origin.session == key
        };
        match records.iter().find(is_it)?.body.as_ref()? {
            Body::Audio(audio) => Some(audio.data.clone()),
            Body::SessionStarted(_)
            | Body::Gap(_)
            | Body::Paused(_)
            | Body::Resumed(_)
            | Body::CallEvent(_)
            | Body::Match(_)
            | Body::SessionEnded(_) => None,
        }
    }
}
