//! A sink that forgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sidetone_ports::{PutOutcome, RecordSink, SinkError, StreamRecord};

/// Accepts everything at once, counts it and forgets it: what a benchmark measures against.
#[derive(Debug, Clone, Default)]
pub struct NullStream(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    bytes: AtomicU64,
}

impl NullStream {
    /// Starts counting at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many records came.
    pub fn records(&self) -> u64 {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Returns how many bytes they had.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

impl RecordSink for NullStream {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let bytes: usize = records.iter().map(|record| record.data.len()).sum();
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let first = self.0.records.fetch_add(records.len() as u64, Ordering::Relaxed) + 1;
        Ok((first..).take(records.len()).map(PutOutcome::Committed).collect())
    }
}

#[cfg(test)]
mod tests {
    use sidetone_testkit::fresh_conversation;

    use super::*;

    #[tokio::test]
    async fn counts_and_forgets() {
        let stream = NullStream::new();
        let record = StreamRecord { partition_key: fresh_conversation(), data: "abc".into() };
        let outcomes = stream.put(vec![record; 2]).await.unwrap();
        assert_eq!(outcomes, [PutOutcome::Committed(1), PutOutcome::Committed(2)]);
        assert_eq!((stream.records(), stream.bytes()), (2, 6));
    }
}
