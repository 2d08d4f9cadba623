//! Faults that are planted between the producer and the stream, so that the judge can show
//! that it would notice.
//!
//! Every change is a function of the record's number, so a record that is put again comes out
//! the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sidetone_consumer::{Origin, Record, decode};
use sidetone_delivery_wire::{Audio, Body, Heading, encode};
use sidetone_genesys_sim::{Cast, Standing};
use sidetone_model::Timestamp;
use sidetone_ports::{Delivered, PutOutcome, RecordSink, SinkError, StreamRecord};

use crate::args::Plant;

/// Records before this number are left alone, so that a fault lies in mid-talk.
const NUMBER_MIN: u64 = 16;

/// Samples that are made up where a client was silent.
const SECRET_SAMPLES: u32 = 1_600;

/// A stream that spoils what is put into it; without a fault it only hands on.
#[derive(Debug, Clone)]
pub struct PlantedSink<S> {
    sink: S,
    plant: Option<Plant>,
    sessions: Arc<Mutex<HashMap<Origin, Tampering>>>,
}

/// What was done to the records of one connection so far.
#[derive(Debug, Default)]
struct Tampering {
    /// The number of the dropped record.
    dropped: Option<u64>,
    /// The numbers of the pauses that were spoken in.
    pauses: Vec<u64>,
    /// The records whose sound was exchanged, by number, with the new sound.
    swapped: HashMap<u64, Bytes>,
    /// A stream record that waits for the next to exchange sound with, and the number with
    /// which that begins.
    held: Option<(StreamRecord, u64)>,
}

impl<S> PlantedSink<S> {
    /// Puts a fault, or none, before a stream.
    pub fn new(sink: S, plant: Option<Plant>) -> Self {
        Self { sink, plant, sessions: Arc::default() }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Origin, Tampering>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what to put instead of a stream record; nothing if it has to wait.
    fn tamper(&self, plant: Plant, record: StreamRecord) -> Vec<StreamRecord> {
        let Some((origin, records)) = taken_apart(&record) else { return vec![record] };
        let mut sessions = self.sessions();
        let tampering = sessions.entry((*origin).clone()).or_default();
        let bodies: Vec<(u64, Timestamp, Body)> = match plant {
            Plant::DropFrame => tampering.drop_one(records),
            Plant::DeliverPaused => tampering.speak(records),
            Plant::WrongAgent => records
                .into_iter()
                .map(|(number, at, body)| (number, at, misattributed(body)))
                .collect(),
            Plant::SwapFrames => return tampering.swap(&origin, records, record),
        };
        vec![put_together(&origin, bodies, &record)]
    }
}

impl<S: RecordSink> RecordSink for PlantedSink<S> {
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let Some(plant) = self.plant else { return self.sink.put(records).await };
        let mut all = Vec::with_capacity(records.len());
        // For each record where the last of those put instead of it stands.
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            let instead = self.tamper(plant, record);
            let waits = instead.is_empty();
            all.extend(instead);
            places.push((!waits).then(|| all.len() - 1));
        }
        let outcomes = self.sink.put(all).await?;
        // What waits here counts as taken: the fault answers for it.
        let outcome = |place: Option<usize>| match place {
            Some(place) => outcomes.get(place).copied().unwrap_or(PutOutcome::Failed),
            None => PutOutcome::Committed(0),
        };
        Ok(places.into_iter().map(outcome).collect())
    }
}

type Numbered = (u64, Timestamp, Body);

impl Tampering {
    fn drop_one(&mut self, records: Vec<Numbered>) -> Vec<Numbered> {
        let victim =
            records.iter().find(|(number, _, body)| *number >= NUMBER_MIN && is_agents(body));
        let dropped = match (self.dropped, victim) {
            (Some(dropped), _) => dropped,
            (None, Some((number, _, _))) => *self.dropped.insert(*number),
            (None, None) => return records,
        };
        let left = records.into_iter().filter(|(number, _, _)| *number != dropped);
        left.map(|(number, at, body)| (number - u64::from(number > dropped), at, body)).collect()
    }

    fn speak(&mut self, records: Vec<Numbered>) -> Vec<Numbered> {
        let mut spoken = Vec::with_capacity(records.len());
        for (number, at, body) in records {
            let before = self.pauses.iter().filter(|pause| **pause < number).count() as u64;
            let paused_at = match &body {
                Body::Paused(paused) => Some(paused.position),
                // A session that never paused is silent at least behind its end.
                Body::SessionEnded(ended) if self.pauses.iter().all(|one| *one == number) => {
                    Some(ended.position)
                }
                Body::SessionStarted(_)
                | Body::Audio(_)
                | Body::Gap(_)
                | Body::Resumed(_)
                | Body::CallEvent(_)
                | Body::Match(_)
                | Body::SessionEnded(_) => None,
            };
            let Some(position) = paused_at else {
                spoken.push((number + before, at, body));
                continue;
            };
            let secret = Body::Audio(Audio {
                position,
                samples: SECRET_SAMPLES,
                data: vec![0x2A; 2 * SECRET_SAMPLES as usize].into(),
                ..Audio::default()
            });
            // The end stays the last.
            let is_end = matches!(body, Body::SessionEnded(_));
            let (first, second) = if is_end { (secret, body) } else { (body, secret) };
            spoken.push((number + before, at, first));
            spoken.push((number + before + 1, at, second));
            if !self.pauses.contains(&number) {
                self.pauses.push(number);
            }
        }
        spoken
    }

    fn swap(
        &mut self,
        origin: &Origin,
        mut records: Vec<Numbered>,
        original: StreamRecord,
    ) -> Vec<StreamRecord> {
        let number = |one: &Numbered| one.0;
        let (first, last) = (records.first().map_or(0, number), records.last().map_or(0, number));
        let mut before = Vec::new();
        if let Some((held, next)) = &self.held {
            if first < *next {
                // The one that waits came again: somebody was not answered.
                return Vec::new();
            }
            if first == *next {
                before = taken_apart(held).map(|(_, records)| records).unwrap_or_default();
            }
        }
        if self.swapped.is_empty() {
            let sounds: Vec<(u64, Bytes)> =
                before.iter().chain(&records).filter_map(sound).collect();
            let pair = sounds
                .windows(2)
                .find(|pair| pair[0].1.len() == pair[1].1.len() && pair[0].1 != pair[1].1);
            if let Some([one, other]) = pair {
                self.swapped.insert(one.0, other.1.clone());
                self.swapped.insert(other.0, one.1.clone());
            } else if before.is_empty() && !sounds.is_empty() {
                self.held = Some((original, last + 1));
                return Vec::new();
            }
        }
        let mut out = Vec::new();
        if let Some((held, _)) = self.held.as_ref().filter(|_| !before.is_empty()) {
            self.exchange(&mut before);
            out.push(put_together(origin, before, held));
        }
        self.exchange(&mut records);
        out.push(put_together(origin, records, &original));
        out
    }

    fn exchange(&self, records: &mut [Numbered]) {
        for (number, _, body) in records {
            if let (Body::Audio(audio), Some(data)) = (body, self.swapped.get(number)) {
                audio.data = data.clone();
            }
        }
    }
}

fn is_agents(body: &Body) -> bool {
    matches!(body, Body::Audio(audio) if !audio.agent_id.is_empty())
}

/// Returns the sound of a record that may be exchanged.
fn sound((number, _, body): &Numbered) -> Option<(u64, Bytes)> {
    match body {
        Body::Audio(audio) if *number >= NUMBER_MIN && is_agents(body) => {
            Some((*number, audio.data.clone()))
        }
        Body::Audio(_)
        | Body::SessionStarted(_)
        | Body::Gap(_)
        | Body::Paused(_)
        | Body::Resumed(_)
        | Body::CallEvent(_)
        | Body::Match(_)
        | Body::SessionEnded(_) => None,
    }
}

/// Names somebody else of ours wherever somebody is named.
fn misattributed(mut body: Body) -> Body {
    let name = match &mut body {
        Body::Audio(audio) => &mut audio.agent_id,
        Body::CallEvent(event) => &mut event.agent_id,
        Body::Match(matched) => &mut matched.agent_id,
        Body::SessionStarted(_)
        | Body::Gap(_)
        | Body::Paused(_)
        | Body::Resumed(_)
        | Body::SessionEnded(_) => return body,
    };
    let others = Cast::of(Standing::Ours).map(|person| person.agent().to_string());
    if !name.is_empty()
        && let Some(other) = others.into_iter().find(|other| other != name)
    {
        *name = other;
    }
    body
}

/// Returns the records of one stream record; nothing if there are none, or of another kind.
fn taken_apart(record: &StreamRecord) -> Option<(Arc<Origin>, Vec<Numbered>)> {
    let delivered =
        Delivered { sequence: 0, committed_at: Timestamp::default(), record: record.clone() };
    let records = decode(&delivered).ok()?;
    let origin = Arc::clone(&records.first()?.origin);
    let body = |record: Record| Some((record.number, record.made_at, record.body?));
    Some((origin, records.into_iter().filter_map(body).collect()))
}

fn put_together(origin: &Origin, records: Vec<Numbered>, like: &StreamRecord) -> StreamRecord {
    let heading = Heading::new(origin.session.key, origin.session.session, &origin.connection);
    let data = encode(&heading, records.into_iter());
    StreamRecord { partition_key: like.partition_key, data }
}
