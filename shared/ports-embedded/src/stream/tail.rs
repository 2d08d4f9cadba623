//! The newest puts, kept in memory for consumers of this process that follow closely: they
//! cost a tenth of what reading the file costs.
//!
//! Refuses: to be asked about anything older. The file knows.

use std::collections::VecDeque;
use std::sync::Arc;

use sidetone_model::Timestamp;
use sidetone_ports::{Delivered, Sequence, StreamRecord};

/// How many bytes are kept: a third of a second of 3,000 sessions' audio, more than consumers
/// lag behind while pages are moved into the file.
const TAIL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// After how many puts that nobody read memory is given back.
const UNREAD_PUTS_MAX: usize = 100;

/// A put that was committed.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) first: Sequence,
    pub(super) committed_at: Timestamp,
    pub(super) records: Arc<[StreamRecord]>,
}

impl Put {
    /// Returns the sequence that follows.
    fn next(&self) -> Sequence {
        self.first + self.records.len() as Sequence
    }

    fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.data.len()).sum()
    }
}

/// Puts that follow one another without a hole; empty while nobody reads.
#[derive(Debug, Default)]
pub(super) struct Tail {
    puts: VecDeque<Put>,
    bytes: usize,
    unread: usize,
}

impl Tail {
    /// Notes a put, in the order of the commits.
    pub(super) fn push(&mut self, put: &Put) {
        self.unread += 1;
        // Another process wrote in between, or nobody is interested.
        let follows = self.puts.back().is_none_or(|last| last.next() == put.first);
        if !follows || self.unread > UNREAD_PUTS_MAX {
            self.clear();
        }
        if self.unread > UNREAD_PUTS_MAX {
            return;
        }
        self.bytes += put.bytes();
        self.puts.push_back(put.clone());
        while self.bytes > TAIL_BYTES_MAX {
            self.drop_oldest();
        }
    }

    /// Forgets what is older than a moment.
    pub(super) fn trim(&mut self, older_than: Timestamp) {
        while self.puts.front().is_some_and(|put| put.committed_at < older_than) {
            self.drop_oldest();
        }
    }

    /// Returns what follows `after`, at most `limit` records; nothing if it does not know.
    pub(super) fn read(&mut self, after: Sequence, limit: usize) -> Vec<Delivered> {
        self.unread = 0;
        let next = after.saturating_add(1);
        let begins = self.puts.front().map_or(Sequence::MAX, |put| put.first);
        if next < begins {
            return Vec::new();
        }
        let start = self.puts.partition_point(|put| put.next() <= next);
        let records = self.puts.range(start..).flat_map(|put| {
            (put.first..).zip(put.records.iter()).map(|(sequence, record)| Delivered {
                sequence,
                committed_at: put.committed_at,
                record: record.clone(),
            })
        });
        records.skip_while(|one| one.sequence < next).take(limit).collect()
    }

    fn drop_oldest(&mut self) {
        if let Some(put) = self.puts.pop_front() {
            self.bytes -= put.bytes();
        }
    }

    fn clear(&mut self) {
        self.puts = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use sidetone_testkit::fresh_conversation;

    use super::*;

    fn put(first: Sequence, records: usize, bytes: usize) -> Put {
        let record =
            StreamRecord { partition_key: fresh_conversation(), data: vec![0; bytes].into() };
        let committed_at = Timestamp::from_micros(first as i64);
        Put { first, committed_at, records: vec![record; records].into() }
    }

    fn sequences(tail: &mut Tail, after: Sequence, limit: usize) -> Vec<Sequence> {
        tail.read(after, limit).into_iter().map(|one| one.sequence).collect()
    }

    #[test]
    fn answers_for_what_it_has_alone() {
        let mut tail = Tail::default();
        assert!(sequences(&mut tail, 0, 10).is_empty());
        tail.push(&put(5, 3, 1));
        tail.push(&put(8, 2, 1));
        assert!(sequences(&mut tail, 3, 10).is_empty(), "4 may be in the file");
        assert_eq!(sequences(&mut tail, 4, 10), [5, 6, 7, 8, 9]);
        assert_eq!(sequences(&mut tail, 4, 4), [5, 6, 7, 8]);
        assert_eq!(sequences(&mut tail, 6, 10), [7, 8, 9]);
        assert!(sequences(&mut tail, 9, 10).is_empty());
        assert!(sequences(&mut tail, Sequence::MAX, 10).is_empty());
    }

    #[test]
    fn begins_anew_after_a_hole() {
        let mut tail = Tail::default();
        tail.push(&put(1, 3, 1));
        tail.push(&put(9, 2, 1));
        assert!(sequences(&mut tail, 0, 10).is_empty());
        assert_eq!(sequences(&mut tail, 8, 10), [9, 10]);
        tail.trim(Timestamp::from_micros(10));
        assert!(sequences(&mut tail, 8, 10).is_empty());
    }

    #[test]
    fn keeps_to_its_size_and_gives_memory_back_when_nobody_reads() {
        let mut tail = Tail::default();
        for first in 0..20 {
            tail.push(&put(first + 1, 1, 1_000_000));
        }
        assert_eq!((tail.puts.len(), tail.bytes), (16, 16_000_000));
        assert_eq!(sequences(&mut tail, 4, 1), [5]);
        for first in 20..=20 + UNREAD_PUTS_MAX as Sequence {
            tail.push(&put(first + 1, 1, 1));
        }
        assert_eq!((tail.puts.len(), tail.bytes), (0, 0));
    }
}
