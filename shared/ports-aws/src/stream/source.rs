//! Records out of a stream, by polling every shard.
//!
//! Memory is bounded: see `log`. Throughput is shared with every other reader of the stream, as
//! `GetRecords` allows; a reader that has to be faster needs a fan-out of its own.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use sidetone_model::Timestamp;
use sidetone_ports::{Delivered, RecordSource, Sequence, SourceError, StreamRecord};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::lineage::{Lineage, Shard};
use super::log::{Found, Log, Place};
use crate::failure::AwsFailure;

/// Five gets a second and shard are allowed to all readers together; the recorder's mapping
/// takes one.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Records in one get. Kinesis brings 10 MB of them at most.
const GET_RECORDS: i32 = 1_000;
/// The first wait after a throttle or a fault; doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest wait after a throttle or a fault.
const RETRY_MAX: Duration = Duration::from_secs(8);

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Where a source begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At the oldest record that the stream has.
    Horizon,
    /// At the first record that was committed at this moment or later.
    At(Timestamp),
    /// After the newest record, as of the first look.
    Tip,
}

/// Reads a Kinesis stream, all shards of it, over splits and merges. Cheap to clone; clones
/// share what was read, and its places.
///
/// Its place 0 is where it begins. [`RecordSource::tip`] reads on to the end in order to count.
#[derive(Debug, Clone)]
pub struct KinesisSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    stream: String,
    begin: Begin,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lineage: Lineage,
    readers: Vec<Reader>,
    log: Log,
    /// Whether shards were listed before, so that new ones are children.
    listed: bool,
    /// Whether a shard has ended since, so that there may be new ones.
    ended: bool,
}

/// One shard that is being read.
#[derive(Debug)]
struct Reader {
    shard: Arc<str>,
    from: From,
    iterator: Option<String>,
    next_at: Instant,
    /// When a get was sent that brought the shard's newest record, or showed that there is none.
    caught_up_at: Option<Instant>,
    failures: u32,
}

/// Where a reader goes on if its iterator is lost.
#[derive(Debug, Clone)]
enum From {
    Begin(Begin),
    After(String),
}

impl KinesisSource {
    pub(crate) fn new(config: &SdkConfig, stream: String, begin: Begin) -> Self {
        let client = Client::new(config);
        Self(Arc::new(Shared { client, stream, begin, state: Mutex::default() }))
    }
}

impl RecordSource for KinesisSource {
    async fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, SourceError> {
        let shared = &*self.0;
        let failed = |source: Fault| SourceError { after, source };
        let deadline = Instant::now() + wait;
        loop {
            let mut state = shared.state.lock().await;
            loop {
                match state.log.read(after, limit) {
                    Found::Records(records) => return Ok(records),
                    Found::LetGo(place) => {
                        let records = shared.fetch_again(&place).await.map_err(failed)?;
                        state.log.recall(&place, records);
                    }
                    Found::Forgotten => return Err(failed("it was read too long ago".into())),
                    Found::Nothing => break,
                }
            }
            if shared.poll(&mut state).await.map_err(failed)? {
                continue;
            }
            let next = state.next_at().min(deadline);
            // Others may read while this one waits.
            drop(state);
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            tokio::time::sleep_until(next).await;
        }
    }

    async fn tip(&self) -> Result<Sequence, SourceError> {
        let shared = &*self.0;
        let asked = Instant::now();
        loop {
            let mut state = shared.state.lock().await;
            let after = state.log.last();
            shared.poll(&mut state).await.map_err(|source| SourceError { after, source })?;
            if state.caught_up_since(asked) {
                return Ok(state.log.last());
            }
            let next = state.next_at();
            drop(state);
            tokio::time::sleep_until(next).await;
        }
    }
}

impl State {
    /// Returns when a shard may be asked next.
    fn next_at(&self) -> Instant {
        let next = self.readers.iter().map(|reader| reader.next_at).min();
        next.unwrap_or_else(|| Instant::now() + POLL_INTERVAL)
    }

    fn caught_up_since(&self, moment: Instant) -> bool {
        let since = |reader: &Reader| reader.caught_up_at.is_some_and(|at| at >= moment);
        !self.ended && self.readers.iter().all(since)
    }

    /// Begins to read the shards that are ready.
    fn start_readers(&mut self, begin: Begin) {
        for shard in self.lineage.take_ready() {
            self.readers.push(Reader {
                shard: shard.into(),
                from: From::Begin(begin),
                iterator: None,
                next_at: Instant::now(),
                caught_up_at: None,
                failures: 0,
            });
        }
    }
}

impl Shared {
    /// Asks every shard that may be asked; returns whether that brought anything.
    ///
    /// May be dropped while it waits: what was not noted is asked again.
    async fn poll(&self, state: &mut State) -> Result<bool, Fault> {
        if !state.listed || state.ended {
            self.list(state).await?;
        }
        let before = state.log.last();
        let mut fault = None;
        let mut place = 0;
        while place < state.readers.len() {
            let reader = &mut state.readers[place];
            if reader.next_at > Instant::now() {
                place += 1;
                continue;
            }
            match self.advance(reader, &mut state.log).await {
                Ok(true) => place += 1,
                Ok(false) => {
                    let ended = state.readers.swap_remove(place);
                    state.lineage.end(&ended.shard);
                    state.ended = true;
                }
                Err(error) => {
                    fault = Some(error);
                    place += 1;
                }
            }
        }
        match fault {
            // What the other shards brought is not held back.
            Some(fault) if state.log.last() == before => Err(fault),
            Some(_) | None => Ok(state.log.last() > before || state.ended),
        }
    }

    /// Learns of shards, and starts to read those that are ready.
    async fn list(&self, state: &mut State) -> Result<(), Fault> {
        let mut shards = Vec::new();
        let mut next = None;
        loop {
            let list = self.client.list_shards();
            // A token stands for the stream, and may not stand beside its name.
            let list = match next {
                Some(token) => list.next_token(token),
                None => list.stream_name(&self.stream),
            };
            let page = list.send().await.map_err(|error| failure("kinesis:ListShards", &error))?;
            shards.extend(page.shards().iter().cloned());
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        for shard in shards {
            let closed = shard
                .sequence_number_range()
                .is_some_and(|range| range.ending_sequence_number().is_some());
            if !state.listed && closed && self.begin == Begin::Tip {
                state.lineage.pass_over(shard.shard_id());
                continue;
            }
            let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
            let parents = parents.into_iter().flatten().map(str::to_owned).collect();
            state.lineage.learn([Shard { id: shard.shard_id().to_owned(), parents }]);
        }
        // A child begins where its parents ended.
        state.start_readers(if state.listed { Begin::Horizon } else { self.begin });
        state.listed = true;
        state.ended = false;
        Ok(())
    }

    /// Gets what follows in one shard; returns whether there is more to come of it.
    async fn advance(&self, reader: &mut Reader, log: &mut Log) -> Result<bool, Fault> {
        let asked = Instant::now();
        let got = self.get(reader).await;
        reader.next_at = Instant::now() + POLL_INTERVAL;
        match got {
            Ok(Got::Output(output)) => {
                reader.failures = 0;
                Ok(reader.take(*output, asked, log))
            }
            Ok(Got::Expired) => {
                reader.iterator = None;
                reader.next_at = Instant::now();
                Ok(true)
            }
            Ok(Got::Vanished) => Ok(false),
            Ok(Got::Throttled) => {
                metrics::counter!("sidetone_stream_read_throttles_total").increment(1);
                reader.back_off();
                Ok(true)
            }
            Err(fault) => {
                reader.back_off();
                Err(fault)
            }
        }
    }

    async fn get(&self, reader: &mut Reader) -> Result<Got, Fault> {
        let iterator = match &reader.iterator {
            Some(iterator) => iterator.clone(),
            None => match self.iterator(&reader.shard, &reader.from).await {
                Ok(iterator) => reader.iterator.insert(iterator).clone(),
                Err(error) => return Got::of("kinesis:GetShardIterator", &error),
            },
        };
        let get = self.client.get_records().shard_iterator(iterator).limit(GET_RECORDS);
        match get.send().await {
            Ok(output) => Ok(Got::Output(Box::new(output))),
            Err(error) => Got::of("kinesis:GetRecords", &error),
        }
    }

    async fn iterator(
        &self,
        shard: &str,
        from: &From,
    ) -> Result<String, SdkError<GetShardIteratorError>> {
        let get = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(shard);
        let get = match from {
            From::Begin(Begin::Horizon) => get.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::Begin(Begin::Tip) => get.shard_iterator_type(ShardIteratorType::Latest),
            From::Begin(Begin::At(moment)) => get
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(moment.as_millis())),
            From::After(number) => get
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number),
        };
        let answer = get.send().await?;
        Ok(answer.shard_iterator().unwrap_or_default().to_owned())
    }

    /// Fetches a batch that was let go; empty if the stream has trimmed it away.
    async fn fetch_again(&self, place: &Place) -> Result<Vec<Delivered>, Fault> {
        let answer = self
            .client
            .get_shard_iterator()
            .stream_name(&self.stream)
            .shard_id(&*place.shard)
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .starting_sequence_number(&place.starts_at)
            .send()
            .await
            .map_err(|error| failure("kinesis:GetShardIterator", &error))?;
        let mut iterator = answer.shard_iterator().map(str::to_owned);
        let mut delivered = Vec::new();
        let mut seen = 0;
        while let Some(from) = iterator.take()
            && seen < place.count
        {
            let left = i32::try_from(place.count - seen).unwrap_or(GET_RECORDS).min(GET_RECORDS);
            let get = self.client.get_records().shard_iterator(from).limit(left);
            let output = get.send().await.map_err(|error| failure("kinesis:GetRecords", &error))?;
            let first = output.records().first().map(|record| record.sequence_number());
            if seen == 0 && first.is_some_and(|first| first != place.starts_at) {
                break;
            }
            let behind = output.millis_behind_latest().unwrap_or_default() > 0;
            let got = output.records.len() as u64;
            if got > 0 || behind {
                iterator = output.next_shard_iterator().map(str::to_owned);
            }
            delivered.extend(usable(output.records, seen));
            seen += got;
        }
        Ok(delivered)
    }
}

impl Reader {
    /// Takes over what a get brought; returns whether the shard goes on.
    fn take(&mut self, output: GetRecordsOutput, asked: Instant, log: &mut Log) -> bool {
        self.iterator = output.next_shard_iterator().map(str::to_owned);
        if output.millis_behind_latest().unwrap_or_default() == 0 {
            self.caught_up_at = Some(asked);
        }
        if let (Some(first), Some(last)) = (output.records.first(), output.records.last()) {
            let starts_at = first.sequence_number().to_owned();
            self.from = From::After(last.sequence_number().to_owned());
            let count = output.records.len() as u64;
            log.append(&self.shard, &starts_at, count, usable(output.records, 0));
        }
        self.iterator.is_some()
    }

    fn back_off(&mut self) {
        let wait = RETRY_FIRST.saturating_mul(1 << self.failures.min(8)).min(RETRY_MAX);
        self.failures += 1;
        self.next_at = Instant::now() + wait;
    }
}

/// What became of a get.
enum Got {
    Output(Box<GetRecordsOutput>),
    /// The iterator was not used for five minutes.
    Expired,
    /// The shard is past the retention, with all that was in it.
    Vanished,
    Throttled,
}

impl Got {
    fn of<E>(operation: &'static str, error: &SdkError<E>) -> Result<Self, Fault>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.code() {
            Some("ExpiredIteratorException") => Ok(Self::Expired),
            Some("ResourceNotFoundException") => Ok(Self::Vanished),
            Some(
                "ProvisionedThroughputExceededException"
                | "LimitExceededException"
                | "ThrottlingException"
                | "KMSThrottlingException",
            ) => Ok(Self::Throttled),
            Some(_) | None => Err(failure(operation, error)),
        }
    }
}

fn failure<E>(operation: &'static str, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    AwsFailure::new(operation, error).into()
}

/// Turns records into ours; the place of each is its index, from `index` on. What was not put by
/// us is left out, and its place stays empty.
fn usable(records: Vec<Record>, index: u64) -> Vec<Delivered> {
    let delivered = (index..).zip(records).filter_map(|(sequence, record)| {
        let Some(partition_key) = record.partition_key().and_then(|key| key.parse().ok()) else {
            tracing::warn!(number = record.sequence_number(), "a record is of no conversation");
            return None;
        };
        let arrived = record.approximate_arrival_timestamp();
        let millis = arrived.and_then(|at| at.to_millis().ok()).unwrap_or_default();
        let data = record.data.into_inner().into();
        Some(Delivered {
            sequence,
            committed_at: Timestamp::from_millis(millis),
            record: StreamRecord { partition_key, data },
        })
    });
    delivered.collect()
}

#[cfg(test)]
mod tests;
