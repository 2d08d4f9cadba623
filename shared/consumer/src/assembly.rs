//! The second pass over a session's records: its audio into a file, a part at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sidetone_delivery_wire::Body;
use sidetone_model::{ConnectionId, SessionId, Timestamp};
use sidetone_ports::{RecordingStore, Sequence};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::ConsumerError;
use crate::index::{Index, Plan};
use crate::record::{Record, SessionKey, decode_part};
use crate::wav::{Chunk, WavFile};

/// Parts kept decoded; records are nearly in order, so few are ever wanted again.
const OPEN_PARTS_MAX: usize = 4;

/// Chunks on the way to the file: a second or two of audio.
const CHUNKS_MAX: usize = 16;

/// Where a session's records lie.
pub(crate) trait Parts: Sync {
    /// Reads the records at one place in the stream.
    fn part(
        &self,
        sequence: Sequence,
    ) -> impl Future<Output = Result<Option<Bytes>, ConsumerError>> + Send;
}

/// The parts of one session as the recorder keeps them.
pub(crate) struct StoredParts<'a, R> {
    pub(crate) recordings: &'a R,
    pub(crate) session: SessionId,
}

impl<R: RecordingStore> Parts for StoredParts<'_, R> {
    async fn part(&self, sequence: Sequence) -> Result<Option<Bytes>, ConsumerError> {
        Ok(self.recordings.part(self.session, sequence).await?)
    }
}

/// Goes through all parts of a session.
///
/// Errors: a part that went away, or a store that does not answer. A part that cannot be
/// decoded is passed over: it was set aside, and said so, when it came.
pub(crate) async fn index_parts(
    key: SessionKey,
    session: SessionId,
    sequences: &[Sequence],
    parts: &impl Parts,
) -> Result<Index, ConsumerError> {
    let mut index = Index::new(key);
    for &sequence in sequences {
        let data = part_that_is_there(session, sequence, parts).await?;
        index.add(decode_part(sequence, Timestamp::default(), data).unwrap_or_default());
    }
    Ok(index)
}

/// Writes a recording's audio to `path`, replacing what is there.
pub(crate) async fn write_wav(
    plan: &Plan,
    session: SessionId,
    parts: &impl Parts,
    path: &Path,
) -> Result<(), ConsumerError> {
    let start = plan.start().unwrap_or(0);
    let samples = plan.end().map_or(0, |end| end - start);
    let (chunks, writing) = writer(path.to_owned(), samples);
    let mut open = OpenParts { key: plan.key, session, parts, open: VecDeque::new() };
    for piece in &plan.pieces {
        let connection = &plan.connections[piece.connection];
        // Frames of media that nobody described are not among the pieces.
        let Some(media) = connection.media else { continue };
        let data = open.audio(piece.sequence, &connection.id, piece.number).await?;
        let chunk = Chunk {
            // In order of position, so none begins before the first.
            offset: piece.from() - start,
            skip: piece.skip as usize,
            until: piece.until as usize,
            data,
            media,
        };
        if chunks.send(chunk).await.is_err() {
            // The writer gave up; it says why below.
            break;
        }
    }
    drop(chunks);
    let outcome = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    outcome.map_err(|source| ConsumerError::Write { session, source })
}

/// Starts to write a file, on a thread that may wait for the disk.
fn writer(path: PathBuf, samples: u64) -> (mpsc::Sender<Chunk>, JoinHandle<io::Result<()>>) {
    let (sender, mut chunks) = mpsc::channel::<Chunk>(CHUNKS_MAX);
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = WavFile::create(&path)?;
        while let Some(chunk) = chunks.blocking_recv() {
            file.put(&chunk)?;
        }
        file.finish(samples)
    });
    (sender, writing)
}

/// The parts read last.
struct OpenParts<'a, P> {
    key: SessionKey,
    session: SessionId,
    parts: &'a P,
    open: VecDeque<(Sequence, Vec<Record>)>,
}

impl<P: Parts> OpenParts<'_, P> {
    async fn audio(
        &mut self,
        sequence: Sequence,
        connection: &ConnectionId,
        number: u64,
    ) -> Result<Bytes, ConsumerError> {
        let place = match self.open.iter().position(|(open, _)| *open == sequence) {
            Some(place) => place,
            None => {
                let data = part_that_is_there(self.session, sequence, self.parts).await?;
                let records = decode_part(sequence, Timestamp::default(), data).unwrap_or_default();
                if self.open.len() == OPEN_PARTS_MAX {
                    self.open.pop_front();
                }
                self.open.push_back((sequence, records));
                self.open.len() - 1
            }
        };
        let is_it = |record: &&Record| {
            record.number == number
                && record.origin.connection == *connection
                && record.origin.session == self.key
        };
        let record = self.open[place].1.iter().find(is_it);
        match record.and_then(|record| record.body.as_ref()) {
            Some(Body::Audio(audio)) => Ok(audio.data.clone()),
            Some(
                Body::SessionStarted(_)
                | Body::Gap(_)
                | Body::Paused(_)
                | Body::Resumed(_)
                | Body::CallEvent(_)
                | Body::Match(_)
                | Body::SessionEnded(_),
            )
            | None => Err(ConsumerError::Vanished { session: self.session, sequence }),
        }
    }
}

async fn part_that_is_there(
    session: SessionId,
    sequence: Sequence,
    parts: &impl Parts,
) -> Result<Bytes, ConsumerError> {
    parts.part(sequence).await?.ok_or(ConsumerError::Vanished { session, sequence })
}
