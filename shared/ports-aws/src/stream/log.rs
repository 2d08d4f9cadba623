//! What a source has read: counted, the latest of it kept, the rest known by where it lies.
//!
//! A reader mostly goes on, but may come back for what it read a while ago. Of that only the
//! place is kept, a few bytes for a thousand records, and it is fetched again.

use std::collections::VecDeque;
use std::sync::Arc;

use sidetone_ports::{Delivered, Sequence};

/// How much of what was read stays in memory. A get brings 10 MB at most.
const KEEP_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many places are kept: about 8 MB.
const BATCHES_MAX: usize = 65_536;
/// When a batch is large enough; smaller ones of one shard grow together.
const BATCH_BYTES: usize = 1024 * 1024;
/// As many records as one get brings at a batch's size.
const BATCH_RECORDS: u64 = 1_000;
/// About what a record holds in memory besides its bytes.
const RECORD_BYTES: usize = 128;

/// Where a batch lies in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The count of its first record.
    pub(super) first: Sequence,
    /// How many records it has, those that are no use included.
    pub(super) count: u64,
    pub(super) shard: Arc<str>,
    /// What Kinesis calls its first record.
    pub(super) starts_at: String,
}

#[derive(Debug)]
struct Batch {
    place: Place,
    bytes: usize,
    /// Absent once they are let go.
    records: Option<Vec<Delivered>>,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This.
    Records(Vec<Delivered>),
    /// It was let go; fetch it and [`Log::recall`] it.
    LetGo(Place),
    /// It was read so long ago that its place is not known any more.
    Forgotten,
    /// Nothing was read beyond.
    Nothing,
}

/// What a source has read.
#[derive(Debug, Default)]
pub(super) struct Log {
    batches: VecDeque<Batch>,
    /// How many of the oldest batches were let go.
    gone: usize,
    /// The batch of a reader that came back.
    recalled: Option<(Sequence, Vec<Delivered>)>,
    last: Sequence,
    forgotten: Sequence,
    bytes: usize,
}

impl Log {
    /// Returns the count of the newest record; 0 before the first.
    pub(super) const fn last(&self) -> Sequence {
        self.last
    }

    /// Adds what one get brought, in the order of its shard: `count` records, of which the
    /// `records` are of use. The place that each of these has is its index.
    pub(super) fn append(
        &mut self,
        shard: &Arc<str>,
        starts_at: &str,
        count: u64,
        mut records: Vec<Delivered>,
    ) {
        let first = self.last + 1;
        self.last += count;
        let mut bytes = 0;
        for record in &mut records {
            record.sequence += first;
            bytes += record.record.data.len() + RECORD_BYTES;
        }
        self.bytes += bytes;
        if let Some(batch) = self.batches.back_mut()
            && batch.place.shard == *shard
            && batch.bytes + bytes <= BATCH_BYTES
            && batch.place.count + count <= BATCH_RECORDS
            && let Some(kept) = &mut batch.records
        {
            batch.place.count += count;
            batch.bytes += bytes;
            kept.append(&mut records);
        } else {
            let place =
                Place { first, count, shard: Arc::clone(shard), starts_at: starts_at.to_owned() };
            self.batches.push_back(Batch { place, bytes, records: Some(records) });
        }
        self.let_go();
    }

    /// Returns what follows `after`, at most `limit` records.
    pub(super) fn read(&self, after: Sequence, limit: usize) -> Found {
        if after < self.forgotten {
            return Found::Forgotten;
        }
        let mut found = Vec::new();
        let begin =
            self.batches.partition_point(|batch| batch.place.end() <= after.saturating_add(1));
        for batch in self.batches.range(begin..) {
            let Some(records) = self.records_of(batch) else {
                if found.is_empty() {
                    return Found::LetGo(batch.place.clone());
                }
                break;
            };
            let begin = records.partition_point(|record| record.sequence <= after);
            let room = limit - found.len();
            found.extend(records[begin..].iter().take(room).cloned());
            if found.len() >= limit {
                break;
            }
        }
        if found.is_empty() { Found::Nothing } else { Found::Records(found) }
    }

    /// Brings back a batch that was let go; empty if the stream has trimmed it away.
    pub(super) fn recall(&mut self, place: &Place, mut records: Vec<Delivered>) {
        for record in &mut records {
            record.sequence += place.first;
        }
        self.recalled = Some((place.first, records));
    }

    fn records_of<'a>(&'a self, batch: &'a Batch) -> Option<&'a [Delivered]> {
        if let Some(records) = &batch.records {
            return Some(records);
        }
        let recalled = self.recalled.as_ref().filter(|(first, _)| *first == batch.place.first);
        recalled.map(|(_, records)| records.as_slice())
    }

    fn let_go(&mut self) {
        // The newest batch stays, however large.
        while self.bytes > KEEP_BYTES_MAX && self.gone + 1 < self.batches.len() {
            let oldest = &mut self.batches[self.gone];
            oldest.records = None;
            self.bytes -= oldest.bytes;
            self.gone += 1;
        }
        while self.batches.len() > BATCHES_MAX {
            if let Some(oldest) = self.batches.pop_front() {
                self.forgotten = oldest.place.end() - 1;
                self.bytes -= oldest.records.map_or(0, |_| oldest.bytes);
                self.gone = self.gone.saturating_sub(1);
            }
        }
    }
}

impl Place {
    /// Returns the count after the last record's.
    const fn end(&self) -> Sequence {
        self.first + self.count
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sidetone_model::{ConversationId, Timestamp};
    use sidetone_ports::StreamRecord;

    use super::*;

    fn records(count: u64, bytes: usize) -> Vec<Delivered> {
        let key: ConversationId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let record = |index| Delivered {
            sequence: index,
            committed_at: Timestamp::default(),
            record: StreamRecord { partition_key: key, data: Bytes::from(vec![0; bytes]) },
        };
        (0..count).map(record).collect()
    }

    fn sequences(found: Found) -> Vec<Sequence> {
        match found {
            Found::Records(records) => records.iter().map(|record| record.sequence).collect(),
            Found::LetGo(_) | Found::Forgotten | Found::Nothing => Vec::new(),
        }
    }

    #[test]
    fn counts_over_all_shards_and_reads_from_anywhere() {
        let (mut log, a, b) = (Log::default(), Arc::from("a"), Arc::from("b"));
        log.append(&a, "10", 2, records(2, 1));
        log.append(&b, "11", 1, records(1, 1));
        // The second is of no use.
        log.append(
            &a,
            "12",
            3,
            records(3, 1).into_iter().filter(|one| one.sequence != 1).collect(),
        );
        assert_eq!(log.last(), 6);
        assert_eq!(sequences(log.read(0, 100)), [1, 2, 3, 4, 6]);
        assert_eq!(sequences(log.read(1, 2)), [2, 3]);
        assert_eq!(sequences(log.read(4, 2)), [6]);
        assert_eq!(log.read(6, 2), Found::Nothing);
        assert_eq!(log.read(Sequence::MAX - 1, 2), Found::Nothing);
    }

    #[test]
    fn what_was_let_go_is_known_by_its_place_and_comes_back() {
        let (mut log, shard) = (Log::default(), Arc::from("a"));
        let bytes = 1024 * 1024;
        for number in 0..50_u64 {
            log.append(&shard, &number.to_string(), 1, records(1, bytes));
        }
        assert!(log.bytes <= KEEP_BYTES_MAX);
        assert_eq!(sequences(log.read(45, 100)), [46, 47, 48, 49, 50]);
        let Found::LetGo(place) = log.read(2, 100) else { panic!("the third was let go") };
        assert_eq!((place.first, place.count, place.starts_at.as_str()), (3, 1, "2"));
        log.recall(&place, records(1, bytes));
        assert_eq!(sequences(log.read(2, 100)), [3], "no further than what was recalled");
        log.recall(&place, Vec::new());
        assert!(matches!(log.read(2, 100), Found::LetGo(next) if next.first == 4), "trimmed");
    }

    #[test]
    fn small_batches_of_a_shard_grow_together() {
        let (mut log, shard) = (Log::default(), Arc::from("a"));
        for number in 0..3_000_u64 {
            log.append(&shard, &number.to_string(), 1, records(1, 10));
        }
        assert_eq!(log.batches.len(), 3);
    }

    #[test]
    fn places_are_bounded_and_what_is_forgotten_is_said() {
        let (mut log, a, b) = (Log::default(), Arc::from("a"), Arc::from("b"));
        for _ in 0..=BATCHES_MAX / 2 {
            log.append(&a, "1", 1, Vec::new());
            log.append(&b, "2", 1, Vec::new());
        }
        assert_eq!(log.batches.len(), BATCHES_MAX);
        assert_eq!(log.read(1, 1), Found::Forgotten);
        assert_eq!(log.read(2, 1), Found::Nothing);
    }
}
