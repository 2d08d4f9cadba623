//! Reads the stream in order, each record once, from where the consumer had come to.

use std::time::Duration;

use sidetone_ports::{Checkpoints, Delivered, RecordSource, Sequence};

use crate::error::{ConsumerError, RecordError};
use crate::record::{Record, decode};
use crate::reorder::{Ordered, Reorder, ReorderSettings};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where this consumer had come to; at the beginning if it never ran.
    Checkpoint,
    /// At the oldest record there is.
    Beginning,
    /// With what comes from now on.
    Tip,
    /// Behind a given place.
    After(Sequence),
}

/// How to read.
#[derive(Debug, Clone)]
pub struct SubscriptionSettings {
    /// The name under which progress is kept.
    pub consumer: Box<str>,
    /// Where to begin.
    pub start: Start,
    /// Whether a restart begins far enough back to see every running session whole.
    ///
    /// For consumers that keep what they know of a session in memory alone. They see records
    /// again that they had finished.
    pub whole_sessions: bool,
    /// Stream records in one batch, at most.
    pub read_max: usize,
    /// How long a read waits if there is nothing. Real time, as the stream knows no other.
    pub wait: Duration,
    /// How much may wait and be remembered.
    ///
    /// Whoever begins behind the beginning always joins midway.
    pub reorder: ReorderSettings,
}

impl SubscriptionSettings {
    /// Settings for a consumer that goes on where it had stopped.
    pub fn new(consumer: &str) -> Self {
        Self {
            consumer: consumer.into(),
            start: Start::Checkpoint,
            whole_sessions: false,
            read_max: 1_000,
            wait: Duration::from_secs(1),
            reorder: ReorderSettings::default(),
        }
    }

    /// Changes where to begin.
    #[must_use]
    pub fn starting(self, start: Start) -> Self {
        Self { start, ..self }
    }
}

/// What one read let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// In order within each origin.
    pub items: Vec<Ordered>,
    /// How far the consumer has come once it has handled the items: no record up to here is
    /// needed again.
    pub finished: Sequence,
    /// How many stream records were read, whether or not they let anything through.
    pub read: usize,
}

/// A place in the stream, and what was seen before it.
///
/// Nothing counts as finished before [`Subscription::finish`]: a consumer that stops between
/// the two sees the same records again.
#[derive(Debug)]
pub struct Subscription<S, C> {
    source: S,
    checkpoints: C,
    settings: SubscriptionSettings,
    reading: Option<Reading>,
    bad: BadRecords,
}

#[derive(Debug)]
struct Reading {
    reorder: Reorder,
    after: Sequence,
    saved: Sequence,
}

impl<S: RecordSource, C: Checkpoints> Subscription<S, C> {
    /// Prepares to read; nothing is read yet.
    pub fn new(source: S, checkpoints: C, settings: SubscriptionSettings) -> Self {
        Self { source, checkpoints, settings, reading: None, bad: BadRecords::default() }
    }

    /// Reads what follows; an empty batch if nothing came within the wait.
    ///
    /// May be dropped while it waits, without loss. Stream records that cannot be decoded are
    /// counted, logged and left out.
    pub async fn next(&mut self) -> Result<Batch, ConsumerError> {
        if self.reading.is_none() {
            self.reading = Some(self.begin().await?);
        }
        let after = self.reading.as_ref().map_or(0, |reading| reading.after);
        let batch = self.source.read(after, self.settings.read_max, self.settings.wait).await?;
        let mut items = Vec::new();
        let mut finished = after;
        if let Some(reading) = &mut self.reading {
            for delivered in &batch {
                reading.after = reading.after.max(delivered.sequence);
                for record in self.bad.decode_or_set_aside(delivered) {
                    reading.reorder.push(record, &mut items);
                }
            }
            let needed = if self.settings.whole_sessions {
                reading.reorder.oldest_running()
            } else {
                reading.reorder.oldest_held()
            };
            finished =
                needed.map_or(reading.after, |needed| needed.saturating_sub(1).min(reading.after));
        }
        let consumer = self.settings.consumer.to_string();
        metrics::counter!("sidetone_consumer_items_total", "consumer" => consumer)
            .increment(items.len() as u64);
        Ok(Batch { items, finished, read: batch.len() })
    }

    /// Notes that a batch was handled.
    pub async fn finish(&mut self, batch: &Batch) -> Result<(), ConsumerError> {
        if let Some(reading) = &mut self.reading
            && batch.finished > reading.saved
        {
            let consumer = &self.settings.consumer;
            self.checkpoints.save_checkpoint(consumer, batch.finished).await?;
            reading.saved = batch.finished;
        }
        Ok(())
    }

    /// Returns the place of the last record that was read; 0 before the first.
    pub fn position(&self) -> Sequence {
        self.reading.as_ref().map_or(0, |reading| reading.after)
    }

    /// Returns how many records came more than once.
    pub fn duplicates(&self) -> u64 {
        self.reading.as_ref().map_or(0, |reading| reading.reorder.duplicates())
    }

    /// Returns how many stream records were set aside.
    pub const fn set_aside(&self) -> u64 {
        self.bad.count
    }

    /// Returns everything that still waits for a missing number, for whoever reads no further.
    pub fn drain(&mut self) -> Vec<Ordered> {
        let mut items = Vec::new();
        if let Some(reading) = &mut self.reading {
            reading.reorder.flush(&mut items);
        }
        items
    }

    async fn begin(&self) -> Result<Reading, ConsumerError> {
        let after = match self.settings.start {
            Start::Checkpoint => self.checkpoints.checkpoint(&self.settings.consumer).await?,
            Start::Beginning => 0,
            Start::Tip => self.source.tip().await?,
            Start::After(sequence) => sequence,
        };
        let mut reorder = self.settings.reorder;
        reorder.join_midway |= after > 0;
        // What is saved never goes back, so a start further back saves nothing until it is past.
        Ok(Reading { reorder: Reorder::new(reorder), after, saved: after })
    }
}

/// Stream records that cannot be used: counted, and each logged once.
#[derive(Debug, Default)]
pub(crate) struct BadRecords {
    count: u64,
    last: Sequence,
}

impl BadRecords {
    pub(crate) fn decode_or_set_aside(&mut self, delivered: &Delivered) -> Vec<Record> {
        match decode(delivered) {
            Ok(records) => records,
            Err(error) => {
                self.note(delivered.sequence, &error);
                Vec::new()
            }
        }
    }

    pub(crate) fn note(&mut self, sequence: Sequence, error: &RecordError) {
        // A batch that is handled again shows the same record again.
        if sequence > self.last {
            self.last = sequence;
            self.count += 1;
            metrics::counter!("sidetone_consumer_bad_records_total").increment(1);
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(sequence, error = %error, cause, "a stream record was set aside");
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::follow::NoCheckpoints;
    use crate::testing::{MemoryCheckpoints, MemoryStream, Script, stream_of};

    fn parts() -> Vec<Bytes> {
        Script::new("c").start("matched").frames(0, 800).end(6_400).parts(1)
    }

    fn numbers(items: &[Ordered]) -> Vec<u64> {
        items
            .iter()
            .map(|item| match item {
                Ordered::Record(record) => record.number,
                Ordered::Missing(missing) => panic!("{missing:?}"),
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_behind_what_was_finished() {
        let stream = MemoryStream::of(stream_of(parts()));
        let checkpoints = MemoryCheckpoints::default();
        let settings = SubscriptionSettings { read_max: 4, ..SubscriptionSettings::new("test") };
        let make = || Subscription::new(stream.clone(), checkpoints.clone(), settings.clone());
        let mut first = make();
        let batch = first.next().await.unwrap();
        assert_eq!(numbers(&batch.items), [1, 2, 3, 4]);
        first.finish(&batch).await.unwrap();
        // Read, and not finished.
        assert_eq!(numbers(&first.next().await.unwrap().items), [5, 6, 7, 8]);
        let mut second = make();
        assert_eq!(numbers(&second.next().await.unwrap().items), [5, 6, 7, 8]);
        assert_eq!(second.position(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_waits_is_not_finished() {
        let mut parts = parts();
        let late = parts.remove(2);
        let stream = MemoryStream::of(stream_of(parts));
        let checkpoints = MemoryCheckpoints::default();
        let settings = SubscriptionSettings::new("test");
        let mut subscription = Subscription::new(stream.clone(), checkpoints, settings);
        let batch = subscription.next().await.unwrap();
        assert_eq!((numbers(&batch.items), batch.finished, batch.read), (vec![1, 2], 2, 9));
        stream.add(late);
        let batch = subscription.next().await.unwrap();
        assert_eq!((batch.items.len(), batch.finished), (8, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn whole_sessions_hold_the_checkpoint_back_until_they_end() {
        let stream = MemoryStream::default();
        let settings =
            SubscriptionSettings { whole_sessions: true, ..SubscriptionSettings::new("test") };
        let mut subscription = Subscription::new(stream.clone(), NoCheckpoints, settings);
        let other = Script::of(2, "d").start("matched").audio(0, 160).end(160).parts(1);
        for part in [&other[0], &parts()[0], &other[1], &other[2], &parts()[1]] {
            stream.add(part.clone());
        }
        // Session 2 is over, session 1 began second.
        assert_eq!(subscription.next().await.unwrap().finished, 1);
        for part in &parts()[2..] {
            stream.add(part.clone());
        }
        assert_eq!(subscription.next().await.unwrap().finished, 13);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_cannot_be_read_holds_nothing_up() {
        let mut parts = parts();
        parts.insert(1, Bytes::from_static(b"\xff\xff\xff"));
        let stream = MemoryStream::of(stream_of(parts));
        let settings = SubscriptionSettings::new("test").starting(Start::Beginning);
        let mut subscription = Subscription::new(stream, NoCheckpoints, settings);
        assert_eq!(subscription.next().await.unwrap().items.len(), 10);
        assert_eq!(subscription.set_aside(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn from_the_tip_only_what_is_new_comes_and_nothing_waits() {
        let stream = MemoryStream::of(stream_of(parts()[..5].to_vec()));
        let settings = SubscriptionSettings::new("test").starting(Start::Tip);
        let mut subscription = Subscription::new(stream.clone(), NoCheckpoints, settings);
        assert_eq!(subscription.next().await.unwrap().read, 0);
        for part in &parts()[5..] {
            stream.add(part.clone());
        }
        assert_eq!(numbers(&subscription.next().await.unwrap().items), [6, 7, 8, 9, 10]);
        assert!(subscription.drain().is_empty());
    }
}
