//! A conversation's audio on demand, straight from the stream, also while the call runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sidetone_model::{ConversationId, OrganizationId, SessionId};
use sidetone_ports::{RecordSource, Sequence};
use tokio::sync::Mutex;

use crate::assembly::{Parts, write_wav};
use crate::error::ConsumerError;
use crate::index::{Index, Plan};
use crate::record::{Record, SessionKey};
use crate::session::SessionView;
use crate::sidecar::Sidecar;
use crate::subscription::BadRecords;

/// Stream records read at a time.
const READ_MAX: usize = 500;

/// A session as the stream had it when it was looked for.
#[derive(Debug)]
pub struct FoundSession<S> {
    session: SessionId,
    plan: Plan,
    source: S,
}

/// Looks through the whole stream for the sessions of a conversation, in order of organization
/// and id. Two organizations may have a conversation of the same id.
///
/// Takes as long as the stream is; keeps nothing but an index of the audio.
/// Errors: [`ConsumerError::Source`] if the stream cannot be read.
pub async fn find_sessions<S: RecordSource>(
    source: &S,
    conversation: ConversationId,
) -> Result<Vec<FoundSession<S>>, ConsumerError> {
    let tip = source.tip().await?;
    let mut found: BTreeMap<SessionKey, Index> = BTreeMap::new();
    let mut bad = BadRecords::default();
    let mut after = 0;
    while after < tip {
        let batch = source.read(after, READ_MAX, Duration::ZERO).await?;
        let Some(last) = batch.last() else { break };
        after = last.sequence;
        for delivered in batch.iter().filter(|one| one.record.partition_key == conversation) {
            for (key, records) in by_session(bad.decode_or_set_aside(delivered)) {
                let index = found.entry(key).or_insert_with(|| Index::new(key));
                index.add(&delivered.record.data, records);
            }
        }
    }
    let sessions = found.into_iter().filter_map(|(key, index)| {
        let session = key.session?;
        Some(FoundSession { session, plan: index.plan(), source: source.clone() })
    });
    Ok(sessions.collect())
}

impl<S: RecordSource> FoundSession<S> {
    /// Returns whose conversation it belongs to.
    pub const fn organization(&self) -> OrganizationId {
        self.plan.key.key.organization
    }

    /// Returns which session it is.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns what is known of it.
    pub const fn view(&self) -> &SessionView {
        &self.plan.view
    }

    /// Returns whether it has audio that may be used.
    pub fn has_audio(&self) -> bool {
        self.plan.start().is_some()
    }

    /// Returns what would stand beside its recording.
    pub fn sidecar(&self) -> Sidecar {
        Sidecar::new(&self.plan, self.session)
    }

    /// Writes its audio, replacing what is at `path`; an empty WAV if it has none.
    ///
    /// Errors: [`ConsumerError::Vanished`] if the stream has let go of a record meanwhile.
    pub async fn write_wav(&self, path: &Path) -> Result<(), ConsumerError> {
        let parts = StreamParts {
            source: &self.source,
            session: self.session,
            conversation: self.plan.key.key.conversation,
            ahead: Mutex::default(),
        };
        write_wav(&self.plan, self.session, &parts, path.to_owned()).await
    }
}

/// The records of a conversation where they lie in the stream.
///
/// They are wanted nearly in order, and a stream gives many at the price of one.
struct StreamParts<'a, S> {
    source: &'a S,
    session: SessionId,
    conversation: ConversationId,
    ahead: Mutex<BTreeMap<Sequence, Bytes>>,
}

impl<S: RecordSource> Parts for StreamParts<'_, S> {
    /// One read gives many.
    const AHEAD: usize = 1;

    async fn parts(&self, sequences: &[Sequence]) -> Result<Vec<Bytes>, ConsumerError> {
        let mut parts = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            parts.push(self.part(*sequence).await?);
        }
        Ok(parts)
    }
}

impl<S: RecordSource> StreamParts<'_, S> {
    async fn part(&self, sequence: Sequence) -> Result<Bytes, ConsumerError> {
        if let Some(data) = self.ahead.lock().await.get(&sequence) {
            return Ok(data.clone());
        }
        let found = self.source.read(sequence.saturating_sub(1), READ_MAX, Duration::ZERO).await?;
        let mut ahead = self.ahead.lock().await;
        *ahead = found
            .into_iter()
            .filter(|delivered| delivered.record.partition_key == self.conversation)
            .map(|delivered| (delivered.sequence, delivered.record.data))
            .collect();
        let missing = || ConsumerError::Vanished {
            session: self.session,
            what: format!("stream record {sequence}"),
        };
        ahead.get(&sequence).cloned().ok_or_else(missing)
    }
}

/// Sorts records by session; those of one stream record are of one, as a rule.
pub(crate) fn by_session(records: Vec<Record>) -> BTreeMap<SessionKey, Vec<Record>> {
    let mut sessions: BTreeMap<SessionKey, Vec<Record>> = BTreeMap::new();
    for record in records {
        sessions.entry(record.origin.session).or_default().push(record);
    }
    sessions
}

#[cfg(test)]
mod tests {
    use sidetone_delivery_wire::CallEventKind::Started;

    use super::*;
    use crate::testing::{MemoryStream, Script, conversation, event, read_wav, stream_of};

    #[tokio::test]
    async fn a_call_that_still_runs_can_be_heard() {
        let running = Script::new("c")
            .start("matched")
            .event(event(Started, "l1", "ada", 100))
            .frames(0, 500);
        let twin = Script::of(2, "d").start("matched").matched("", "duplicate", 0);
        let parts = [running.parts(2), twin.parts(1)].concat();
        let stream = MemoryStream::of(stream_of(parts));
        let found = find_sessions(&stream, conversation()).await.unwrap();
        assert_eq!(found.iter().map(FoundSession::has_audio).collect::<Vec<_>>(), [true, false]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        found[0].write_wav(&path).await.unwrap();
        assert_eq!(read_wav(std::fs::read(&path).unwrap()).len(), 450 * 8);
        let sidecar = found[0].sidecar();
        assert_eq!((sidecar.start_ms, sidecar.end_ms, sidecar.end), (Some(50), Some(500), None));
        assert_eq!(found[1].sidecar().unmatched_reason.as_deref(), Some("duplicate"));
    }

    #[tokio::test]
    async fn what_is_not_of_the_conversation_is_not_read() {
        let stream = MemoryStream::of(stream_of([Script::new("c").start("matched").data()]));
        let other = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        assert!(find_sessions(&stream, other).await.unwrap().is_empty());
    }
}
