//! The producer against a stream that throttles, forgets to answer, and stands still.

use std::collections::VecDeque;

use bytes::Bytes;
use sidetone_delivery_wire::{Audio, decode};
use sidetone_model::{ConnectionId, ConversationId, ConversationKey, OrganizationId};
use sidetone_ports::SinkError;

use super::*;

/// What the sink does with the next put.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    Commit,
    Throttle,
    CommitButFail,
    Hang,
}

#[derive(Debug, Clone, Default)]
struct Sink {
    next: Arc<Mutex<VecDeque<Behaviour>>>,
    taken: Arc<Mutex<Vec<Bytes>>>,
}

impl RecordSink for Sink {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let behaviour = lock(&self.next).pop_front().unwrap_or(Behaviour::Commit);
        let count = records.len();
        match behaviour {
            Behaviour::Throttle => return Ok(vec![PutOutcome::Throttled; count]),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Commit | Behaviour::CommitButFail => {}
        }
        lock(&self.taken).extend(records.into_iter().map(|record| record.data));
        match behaviour {
            Behaviour::CommitButFail => {
                Err(SinkError { records: count, source: "connection reset".into() })
            }
            Behaviour::Commit | Behaviour::Throttle | Behaviour::Hang => {
                Ok(vec![PutOutcome::Committed(1); count])
            }
        }
    }
}

impl Sink {
    /// The positions in the stream per record number, first seen first.
    fn frames(&self) -> Vec<(u64, u64)> {
        let mut seen = std::collections::BTreeSet::new();
        let mut frames = Vec::new();
        for data in lock(&self.taken).iter() {
            for record in decode(data.clone()).unwrap() {
                let Some(Body::Audio(audio)) = record.body else { continue };
                if seen.insert(record.number) {
                    frames.push((record.number, audio.position));
                }
            }
        }
        frames
    }
}

fn frame(index: u64) -> Body {
    let data = vec![0; 3_200].into();
    Body::Audio(Audio { position: index, samples: 1_600, data, ..Audio::default() })
}

fn heading() -> Heading {
    let key = ConversationKey {
        organization: OrganizationId::new(uuid::Uuid::from_u128(1)),
        conversation: ConversationId::new(uuid::Uuid::from_u128(2)),
    };
    Heading::new(key, None, &ConnectionId::new("c"))
}

async fn produce(behaviours: &[Behaviour], limits: OutboxLimits, frames: u64) -> (Sink, Outlet) {
    let sink = Sink { next: Arc::new(Mutex::new(behaviours.to_vec().into())), ..Sink::default() };
    let clock = Clock::scaled(1.0);
    let config = ProducerConfig { limits, ..ProducerConfig::default() };
    let producer = Producer::new(clock, config, sink.clone());
    let worker = producer.clone();
    tokio::spawn(async move { worker.run().await });
    let outlet = producer.outlet(heading());
    for index in 0..frames {
        outlet.push(clock.now(), frame(index));
        clock.sleep(Duration::from_millis(200)).await;
    }
    outlet.drained().await;
    (sink, outlet)
}

#[tokio::test(start_paused = true)]
async fn whatever_the_stream_does_every_frame_arrives_once_and_in_order() {
    use Behaviour::{Commit, CommitButFail, Hang, Throttle};
    let behaviours = [Commit, Throttle, CommitButFail, Hang, CommitButFail, Commit, Throttle];
    let (sink, outlet) = produce(&behaviours, OutboxLimits::default(), 100).await;
    let expected: Vec<_> = (0..100).map(|index| (index + 1, index)).collect();
    assert_eq!(sink.frames(), expected);
    assert_eq!(outlet.committed_frames(), 100);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_loses_nothing() {
    let behaviours = [Behaviour::Throttle; 32];
    let (sink, _) = produce(&behaviours, OutboxLimits::default(), 290).await;
    assert_eq!(sink.frames().len(), 290);
}

#[tokio::test(start_paused = true)]
async fn a_longer_one_takes_the_oldest_frames_and_says_so() {
    let behaviours = [Behaviour::Throttle; 10];
    let limits = OutboxLimits { session_bytes_max: 10 * 3_200, ..OutboxLimits::default() };
    let (sink, outlet) = produce(&behaviours, limits, 60).await;
    let gaps: u32 = lock(&sink.taken)
        .iter()
        .flat_map(|data| decode(data.clone()).unwrap())
        .filter_map(|record| match record.body {
            Some(Body::Gap(gap)) => Some(gap.frames),
            _ => None,
        })
        .sum();
    assert!(gaps > 0);
    assert_eq!(sink.frames().len() + gaps as usize, 60);
    assert_eq!(outlet.shared.audio_bytes.load(Ordering::Relaxed), 0);
}
