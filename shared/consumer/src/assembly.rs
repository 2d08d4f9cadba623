//! The second pass over a session's records: its audio into a file, a part at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::Path;

use bytes::Bytes;
use sidetone_model::{SessionId, Timestamp};
use sidetone_ports::{PartName, RecordedSession, RecordingStore};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::ConsumerError;
use crate::index::{Index, Piece, Plan};
use crate::record::{SessionKey, decode_part};
use crate::wav::{Chunk, WavFile};

/// Parts kept open; records are nearly in order, so few are ever wanted again.
const OPEN_PARTS_MAX: usize = 4;

/// Chunks that go to the file together, as handing over costs more than writing one does: six
/// seconds of audio. So many times as many are on their way at most.
const CHUNKS_TOGETHER: usize = 32;
const ON_THEIR_WAY_MAX: usize = 2;

/// Where a session's records lie; each place has a number.
pub(crate) trait Parts: Sync {
    /// How many are read at the same time.
    const AHEAD: usize;

    /// Reads the data at several places, in their order.
    fn parts(
        &self,
        places: &[u64],
    ) -> impl Future<Output = Result<Vec<Bytes>, ConsumerError>> + Send;
}

/// The parts of one session as the recorder keeps them, in the order of their names.
pub(crate) struct StoredParts<'a, R> {
    pub(crate) recordings: &'a R,
    pub(crate) session: RecordedSession,
    pub(crate) names: &'a [PartName],
}

impl<R: RecordingStore> Parts for StoredParts<'_, R> {
    /// A store that is far away takes some milliseconds for each. A part is at most a
    /// quarter of a mebibyte, so this is also what lies in memory.
    const AHEAD: usize = 16;

    async fn parts(&self, places: &[u64]) -> Result<Vec<Bytes>, ConsumerError> {
        let session = self.session;
        let missing = |what: String| ConsumerError::Vanished { session: session.session, what };
        let name = |place: &u64| {
            let name = usize::try_from(*place).ok().and_then(|place| self.names.get(place));
            name.cloned().ok_or_else(|| missing(format!("part {place}")))
        };
        let names = places.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        let found = self.recordings.parts(session, names.clone()).await?;
        let found = found.into_iter().zip(names);
        found.map(|(data, name)| data.ok_or_else(|| missing(format!("part {name}")))).collect()
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
    let places: Vec<u64> = (0..count as u64).collect();
    for places in places.chunks(P::AHEAD) {
        for (place, data) in places.iter().zip(parts.parts(places).await?) {
            let records = decode_part(*place, Timestamp::default(), data.clone());
            index.add(&data, records.unwrap_or_default());
        }
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
    let places = places_in_turn(&plan.pieces);
    let mut ahead = places.chunks(P::AHEAD);
    let mut open = OpenParts::default();
    let mut chunks = Vec::new();
    for piece in &plan.pieces {
        let connection = &plan.connections[piece.connection];
        // Frames of media that nobody described are not among the pieces.
        let Some(media) = connection.media else { continue };
        while !open.holds(piece.place) {
            let Some(places) = open.is_empty().then(|| ahead.next()).flatten() else {
                if open.advance() { continue } else { break }
            };
            open.read(places.iter().copied().zip(parts.parts(places).await?));
        }
        let what = || format!("record {} of connection {}", piece.number, connection.id);
        let data = open.audio(piece);
        let data = data.ok_or_else(|| ConsumerError::Vanished { session, what: what() })?;
        let chunk = Chunk {
            // In order of position, so none begins before the first.
            offset: piece.from() - start,
            skip: piece.skip as usize,
            until: piece.until as usize,
            data,
            media,
        };
        chunks.push(chunk);
        if chunks.len() == CHUNKS_TOGETHER
            && steps.send(Step::Put(std::mem::take(&mut chunks))).await.is_err()
        {
            // The writer gave up; it says why below.
            break;
        }
    }
    // As above, if it does not take them.
    _ = steps.send(Step::Put(chunks)).await;
    _ = steps.send(Step::Finish(samples)).await;
    let outcome = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    outcome.map_err(|source| ConsumerError::Write { session, source })
}

/// What is done to a file.
enum Step {
    Put(Vec<Chunk>),
    /// Fills up to so many samples.
    Finish(u64),
}

/// Starts to write a file, on a thread that may wait for the disk.
///
/// It keeps `path` until it is done, also where nobody waits for it any longer.
fn writer(
    path: impl AsRef<Path> + Send + 'static,
) -> (mpsc::Sender<Step>, JoinHandle<io::Result<()>>) {
    let (sender, mut steps) = mpsc::channel::<Step>(ON_THEIR_WAY_MAX);
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = WavFile::create(path.as_ref())?;
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Put(chunks) => chunks.iter().try_for_each(|chunk| file.put(chunk))?,
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

/// The parts in use, and behind them those that were read ahead.
#[derive(Default)]
struct OpenParts {
    open: VecDeque<(u64, Bytes)>,
    ahead: VecDeque<(u64, Bytes)>,
}

impl OpenParts {
    fn holds(&self, place: u64) -> bool {
        self.open.iter().any(|(open, _)| *open == place)
    }

    fn read(&mut self, parts: impl Iterator<Item = (u64, Bytes)>) {
        self.ahead.extend(parts);
    }

    /// Returns whether nothing is left of what was read ahead.
    fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Opens the next part; returns whether there is one.
    fn advance(&mut self) -> bool {
        let Some(next) = self.ahead.pop_front() else { return false };
        if self.open.len() == OPEN_PARTS_MAX {
            self.open.pop_front();
        }
        self.open.push_back(next);
        true
    }

    fn audio(&self, piece: &Piece) -> Option<Bytes> {
        let (_, data) = self.open.iter().find(|(open, _)| *open == piece.place)?;
        piece.audio.in_part(data)
    }
}
