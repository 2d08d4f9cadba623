//! What comes in a batch, made into parts: as few as the batch allows.
//!
//! A store far away charges for each part, and a batch has many records of one session. They
//! are put together where their numbers follow one another; encoded records one behind the
//! other are an encoded message again.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use sidetone_delivery_wire::Body;
use sidetone_model::{ConnectionId, SessionId};
use sidetone_ports::{PartName, Sequence};

use crate::ranges::Ranges;
use crate::record::{Record, SessionKey};

/// The largest part that is put together; several lie in memory while a recording is finished.
const PART_BYTES_MAX: usize = 256 * 1024;

/// Records of one session from one stream record.
pub(super) struct Arrival {
    pub(super) key: SessionKey,
    pub(super) session: SessionId,
    /// The place of the stream record.
    pub(super) sequence: Sequence,
    /// The whole stream record.
    pub(super) data: Bytes,
    /// There is nothing else in it.
    pub(super) whole: bool,
    pub(super) records: Vec<Record>,
}

/// A part to be put.
pub(super) struct Draft {
    pub(super) session: SessionId,
    pub(super) name: PartName,
    /// Indices of the arrivals that are in it.
    pub(super) arrivals: Vec<usize>,
    data: Vec<Bytes>,
    bytes: usize,
    pub(super) key: SessionKey,
    /// Exactly what the name says is in it.
    plain: bool,
}

impl Draft {
    /// Returns what is to be put.
    pub(super) fn content(&self) -> Bytes {
        if let [data] = &self.data[..] {
            return data.clone();
        }
        let mut content = BytesMut::with_capacity(self.bytes);
        self.data.iter().for_each(|data| content.extend_from_slice(data));
        content.freeze()
    }

    /// Takes another one in, if it goes on where this one ends or is in it already.
    fn take(&mut self, next: Self) -> Option<Self> {
        let fits = self.plain && next.plain && self.key == next.key;
        if !fits || self.name.connection != next.name.connection {
            return Some(next);
        }
        let is_in_it = self.name.first <= next.name.first && next.name.last <= self.name.last;
        if is_in_it {
            self.arrivals.extend(next.arrivals);
            return None;
        }
        let goes_on = next.name.first == self.name.last + 1;
        if !goes_on || self.bytes + next.bytes > PART_BYTES_MAX {
            return Some(next);
        }
        self.name.last = next.name.last;
        self.name.ends |= next.name.ends;
        self.bytes += next.bytes;
        self.data.extend(next.data);
        self.arrivals.extend(next.arrivals);
        None
    }
}

/// Makes arrivals into parts.
///
/// What holds several connections or has holes is kept once for each stretch of numbers, so
/// that names say what there is; no door makes such a thing.
pub(super) fn drafts(arrivals: &[Arrival]) -> Vec<Draft> {
    let mut single: Vec<Draft> =
        arrivals.iter().enumerate().flat_map(|(index, one)| drafts_of(index, one)).collect();
    single.sort_by(|one, other| (one.key, &one.name).cmp(&(other.key, &other.name)));
    let mut drafts: Vec<Draft> = Vec::new();
    for next in single {
        let rest = match drafts.last_mut() {
            Some(last) => last.take(next),
            None => Some(next),
        };
        drafts.extend(rest);
    }
    drafts
}

fn drafts_of(index: usize, arrival: &Arrival) -> Vec<Draft> {
    let mut connections: BTreeMap<&ConnectionId, Ranges> = BTreeMap::new();
    for record in &arrival.records {
        let numbers = connections.entry(&record.origin.connection).or_default();
        numbers.insert(record.number, record.number + 1);
    }
    let stretches: Vec<(&ConnectionId, u64, u64)> = connections
        .iter()
        .flat_map(|(connection, numbers)| numbers.iter().map(|(from, to)| (*connection, from, to)))
        .collect();
    let plain = arrival.whole && stretches.len() == 1;
    let draft = |&(connection, from, to): &(&ConnectionId, u64, u64)| {
        let is_end = |record: &&Record| {
            record.origin.connection == *connection
                && (from..to).contains(&record.number)
                && matches!(record.body, Some(Body::SessionEnded(_)))
        };
        let name = PartName {
            connection: connection.clone(),
            first: from,
            last: to - 1,
            ends: arrival.records.iter().any(|record| is_end(&record)),
        };
        Draft {
            session: arrival.session,
            name,
            arrivals: vec![index],
            data: vec![arrival.data.clone()],
            bytes: arrival.data.len(),
            key: arrival.key,
            plain,
        }
    };
    stretches.iter().map(draft).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decode;
    use crate::testing::{Script, conversation_key, delivered, session_id};

    fn arrivals(parts: impl IntoIterator<Item = Bytes>) -> Vec<Arrival> {
        let key = SessionKey { key: conversation_key(), session: Some(session_id(1)) };
        let arrival = |(sequence, data): (u64, Bytes)| Arrival {
            key,
            session: session_id(1),
            sequence,
            records: decode(&delivered(sequence, data.clone())).unwrap(),
            data,
            whole: true,
        };
        (1..).zip(parts).map(arrival).collect()
    }

    fn call() -> Script {
        Script::new("c").start("always").frames(0, 800).end(6_400)
    }

    fn stretches(drafts: &[Draft]) -> Vec<(u64, u64, bool)> {
        drafts.iter().map(|one| (one.name.first, one.name.last, one.name.ends)).collect()
    }

    #[test]
    fn what_follows_one_another_is_one_part() {
        let mut parts = call().parts(2);
        parts.reverse();
        parts.push(parts[2].clone());
        let arrivals = arrivals(parts);
        let drafts = drafts(&arrivals);
        assert_eq!(stretches(&drafts), [(1, 10, true)]);
        assert_eq!(drafts[0].content(), call().data());
        assert_eq!(drafts[0].arrivals.len(), 6);
    }

    #[test]
    fn parts_end_where_numbers_are_missing() {
        let mut parts = call().parts(2);
        parts.remove(2);
        let arrivals = arrivals(parts);
        assert_eq!(stretches(&drafts(&arrivals)), [(1, 4, false), (7, 10, true)]);
    }

    #[test]
    fn parts_stay_small() {
        let large = Script::new("c").start("always");
        let large = (0..5).fold(large, |one, _| one.audio_of(0, 0, vec![0; 100_000].into()));
        let arrivals = arrivals(large.parts(1));
        assert_eq!(stretches(&drafts(&arrivals)), [(1, 3, false), (4, 5, false), (6, 6, false)]);
    }

    #[test]
    fn what_no_door_makes_is_kept_under_names_that_are_true() {
        let one = call().parts(3);
        let other = Script::new("d").start("always").end(0).data();
        let mixed = [&one[0][..], &other[..], &one[2][..]].concat().into();
        let arrivals = arrivals([mixed, one[1].clone()]);
        let drafts = drafts(&arrivals);
        let expected = [(1, 3, false), (4, 6, false), (7, 9, false), (1, 2, true)];
        assert_eq!(stretches(&drafts), expected);
        assert_eq!(drafts[0].content(), drafts[2].content());
    }
}
