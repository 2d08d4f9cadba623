//! The first pass over a session's records: what there is, and where its audio lies.
//!
//! Audio is only remembered by its place, 48 bytes a frame, so a whole call's index fits
//! where its audio would not.

use std::collections::BTreeMap;

use bytes::Bytes;
use sidetone_delivery_wire::{Body, EndCause};
use sidetone_model::{ConnectionId, Media, Position, SAMPLE_RATE, Timestamp};
use sidetone_ports::PartName;

use crate::ranges::Ranges;
use crate::record::{Record, SessionKey};
use crate::reorder::{Missing, Ordered};
use crate::session::{SessionEnd, SessionStart, SessionView};

/// The longest recording: what is further from its first sample is left out.
///
/// A WAV file counts its bytes in 32 bits; a day and a half of stereo is just under.
pub(crate) const RECORDING_SAMPLES_MAX: u64 = 36 * 3_600 * SAMPLE_RATE as u64;

/// Which numbers there are, for each connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Coverage(pub(crate) BTreeMap<ConnectionId, Ranges>);

impl Coverage {
    pub(crate) fn contains(&self, record: &Record) -> bool {
        let numbers = self.0.get(&record.origin.connection);
        numbers.is_some_and(|numbers| numbers.contains(record.number))
    }

    pub(crate) fn insert(&mut self, record: &Record) {
        let numbers = self.0.entry(record.origin.connection.clone()).or_default();
        numbers.insert(record.number, record.number + 1);
    }

    /// Returns what parts hold by their names.
    pub(crate) fn of_names(names: &[PartName]) -> Self {
        let mut coverage = Self::default();
        for name in names {
            let numbers = coverage.0.entry(name.connection.clone()).or_default();
            numbers.insert(name.first, name.last.saturating_add(1));
        }
        coverage
    }

    pub(crate) fn extend(&mut self, other: Self) {
        for (connection, numbers) in other.0 {
            let own = self.0.entry(connection).or_default();
            numbers.iter().for_each(|(from, to)| _ = own.insert(from, to));
        }
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(connection, numbers)| {
            self.0.get(connection).is_some_and(|own| own.covers(numbers))
        })
    }

    /// Returns whether a number below the last is missing.
    pub(crate) fn has_holes(&self) -> bool {
        self.0.values().any(|numbers| !numbers.holes_from(1).is_empty())
    }

    /// Counts the numbers that are here and not in `other`.
    pub(crate) fn beyond(&self, other: &Self) -> u64 {
        let beyond = |connection: &ConnectionId, numbers: &Ranges| {
            let Some(known) = other.0.get(connection) else { return numbers.total() };
            let mut both = known.clone();
            numbers.iter().for_each(|(from, to)| _ = both.insert(from, to));
            both.total() - known.total()
        };
        self.0.iter().map(|(connection, numbers)| beyond(connection, numbers)).sum()
    }
}

/// What was found of one session.
#[derive(Debug)]
pub(crate) struct Index {
    key: SessionKey,
    connections: BTreeMap<ConnectionId, Found>,
    audio: Vec<Frame>,
    last_made_at: Timestamp,
    /// There were records of something else among them.
    pub(crate) has_others: bool,
}

#[derive(Debug)]
struct Found {
    ordinal: usize,
    numbers: Ranges,
    /// The lowest number, and when it was made.
    first: (u64, Timestamp),
    media: Option<Media>,
    /// What is not audio.
    records: BTreeMap<u64, Record>,
    ended_with: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    position: u64,
    number: u64,
    place: u64,
    samples: u32,
    connection: u32,
    audio: AudioPlace,
}

/// Where the bytes of a frame lie in the data of its part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AudioPlace {
    from: u32,
    bytes: u32,
}

impl AudioPlace {
    /// Finds audio in the data that it was decoded from, of which it is a slice.
    fn find(audio: &Bytes, data: &Bytes) -> Self {
        let from = (audio.as_ptr() as usize).wrapping_sub(data.as_ptr() as usize);
        let from = if audio.is_empty() { 0 } else { from };
        // Elsewhere it is found nowhere: `in_part` says so.
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { from: number(from), bytes: number(audio.len()) }
    }

    /// Returns the audio, if the part holds so much.
    pub(crate) fn in_part(self, data: &Bytes) -> Option<Bytes> {
        let (from, bytes) = (self.from as usize, self.bytes as usize);
        let to = from.checked_add(bytes)?;
        (to <= data.len()).then(|| data.slice(from..to))
    }
}

/// A frame, or what is left of it, that goes into the recording.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) position: u64,
    /// Up to which of its samples it is used.
    pub(crate) until: u32,
    /// Samples at its beginning that are not: nobody's, or there before.
    pub(crate) skip: u32,
    /// Where its record lies, as whoever reads it counts.
    pub(crate) place: u64,
    pub(crate) number: u64,
    pub(crate) audio: AudioPlace,
    /// Index into [`Plan::connections`].
    pub(crate) connection: usize,
}

impl Piece {
    /// Returns the position of the first sample that is used.
    pub(crate) fn from(&self) -> u64 {
        self.position + u64::from(self.skip)
    }

    /// Returns the position behind the last one.
    pub(crate) fn to(&self) -> u64 {
        self.position + u64::from(self.until)
    }
}

/// A connection as the recording names it.
#[derive(Debug, Clone)]
pub(crate) struct PlanConnection {
    pub(crate) id: ConnectionId,
    pub(crate) media: Option<Media>,
    pub(crate) last_number: u64,
}

/// Everything but the audio's bytes.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) key: SessionKey,
    pub(crate) view: SessionView,
    /// In order; they do not overlap.
    pub(crate) pieces: Vec<Piece>,
    /// In order of their beginning.
    pub(crate) connections: Vec<PlanConnection>,
    /// Samples per channel that were delivered and belong to nobody.
    pub(crate) samples_of_nobody: u64,
    /// Frames, whether or not they are used.
    pub(crate) frames: u64,
    /// Something lies further from the first sample than a recording is long.
    pub(crate) cut: bool,
    /// Every number of every connection is there, and each said itself that it ended.
    pub(crate) complete: bool,
}

impl Index {
    pub(crate) fn new(key: SessionKey) -> Self {
        Self {
            key,
            connections: BTreeMap::new(),
            audio: Vec::new(),
            last_made_at: Timestamp::default(),
            has_others: false,
        }
    }

    /// Notes the records decoded from the data of one part; what is there already stays as it was.
    pub(crate) fn add(&mut self, data: &Bytes, records: Vec<Record>) {
        for record in records {
            if record.origin.session != self.key {
                self.has_others = true;
                continue;
            }
            self.last_made_at = self.last_made_at.max(record.made_at);
            let ordinal = self.connections.len();
            if !self.connections.contains_key(&record.origin.connection) {
                let found = Found::new(ordinal, &record);
                self.connections.insert(record.origin.connection.clone(), found);
            }
            let Some(found) = self.connections.get_mut(&record.origin.connection) else {
                continue;
            };
            if found.numbers.insert(record.number, record.number + 1) {
                self.audio.extend(found.take(data, record));
            }
        }
    }

    /// Returns whether the session is known to be over.
    pub(crate) fn has_end(&self) -> bool {
        self.connections.values().any(|found| found.ended_with.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Returns when the newest record was made.
    pub(crate) fn last_made_at(&self) -> Timestamp {
        self.last_made_at
    }

    pub(crate) fn coverage(&self) -> Coverage {
        let numbers = |(id, found): (&ConnectionId, &Found)| (id.clone(), found.numbers.clone());
        Coverage(self.connections.iter().map(numbers).collect())
    }

    /// Puts everything in order: one answer, whatever order the parts came in.
    pub(crate) fn plan(self) -> Plan {
        let all_ended = self.connections.values().all(Found::is_complete);
        let mut found: Vec<(ConnectionId, Found)> = self.connections.into_iter().collect();
        found.sort_by(|(id, one), (other_id, other)| {
            (one.order(id), id).cmp(&(other.order(other_id), other_id))
        });
        let mut rank = vec![0; found.len()];
        for (place, (_, one)) in found.iter().enumerate() {
            rank[one.ordinal] = place;
        }
        let mut view = SessionView::new(self.key);
        let connections: Vec<PlanConnection> = found
            .iter()
            .map(|(id, one)| PlanConnection {
                id: id.clone(),
                media: one.media,
                last_number: one.numbers.end().map_or(0, |end| end - 1),
            })
            .collect();
        let mut frames = self.audio;
        frames.sort_unstable_by_key(|frame| {
            (frame.position, rank[frame.connection as usize], frame.number)
        });
        // Audio first: what call events and open gaps mean depends on all of it.
        for frame in &frames {
            let connection = &connections[rank[frame.connection as usize]].id;
            view.note_audio(connection, frame.number, frame.position, frame.samples);
        }
        for (id, one) in found {
            one.tell(&id, &mut view);
        }
        // Who finds a door dead does not know how far it came.
        let said_itself = |end: &SessionEnd| end.ended.cause() != EndCause::Lost;
        let complete = all_ended && view.end().is_some_and(said_itself);
        let mut plan = Plan {
            key: self.key,
            view,
            pieces: Vec::new(),
            connections,
            samples_of_nobody: 0,
            frames: frames.len() as u64,
            cut: false,
            complete,
        };
        plan.lay_out(&frames, &rank);
        plan
    }
}

impl Found {
    fn new(ordinal: usize, record: &Record) -> Self {
        Self {
            ordinal,
            numbers: Ranges::default(),
            first: (record.number, record.made_at),
            media: None,
            records: BTreeMap::new(),
            ended_with: None,
        }
    }

    /// Keeps a record, or the place of its audio.
    fn take(&mut self, data: &Bytes, record: Record) -> Option<Frame> {
        if record.number < self.first.0 {
            self.first = (record.number, record.made_at);
        }
        match &record.body {
            Some(Body::Audio(audio)) => {
                return Some(Frame {
                    position: audio.position,
                    number: record.number,
                    place: record.sequence,
                    samples: audio.samples,
                    connection: self.ordinal.try_into().unwrap_or(u32::MAX),
                    audio: AudioPlace::find(&audio.data, data),
                });
            }
            Some(Body::SessionStarted(started)) => {
                self.media = SessionStart::read(started).media;
            }
            Some(Body::SessionEnded(_)) => self.ended_with = Some(record.number),
            Some(
                Body::Gap(_)
                | Body::Paused(_)
                | Body::Resumed(_)
                | Body::CallEvent(_)
                | Body::Match(_),
            )
            | None => {}
        }
        self.records.insert(record.number, record);
        None
    }

    fn is_complete(&self) -> bool {
        self.numbers.holes_from(1).is_empty()
            && self.ended_with.is_some_and(|last| self.numbers.end() == Some(last + 1))
    }

    /// What is said of a dead connection comes behind everything it said itself.
    fn order(&self, id: &ConnectionId) -> (bool, Timestamp) {
        (id.as_str().starts_with("sweep-"), self.first.1)
    }

    fn tell(self, id: &ConnectionId, view: &mut SessionView) {
        let holes = self.numbers.holes_from(1);
        let last = self.numbers.end().map_or(0, |end| end - 1);
        view.note_number(id, last);
        let key = view.key();
        for (from, end) in holes {
            view.apply(&Ordered::Missing(Missing {
                origin: crate::record::Origin { session: key, connection: id.clone() }.into(),
                from,
                to: end - 1,
            }));
        }
        for record in self.records.into_values() {
            view.apply(&Ordered::Record(record));
        }
    }
}

impl Plan {
    /// Returns the position of the recording's first sample, if it has any.
    pub(crate) fn start(&self) -> Option<u64> {
        self.pieces.first().map(Piece::from)
    }

    /// Returns the position behind the recording's last sample, if it has any.
    pub(crate) fn end(&self) -> Option<u64> {
        self.pieces.last().map(Piece::to)
    }

    /// Chooses the frames that are used, each sample at most once.
    fn lay_out(&mut self, frames: &[Frame], rank: &[usize]) {
        let mut begin = None;
        let mut cursor = 0;
        let mut of_nobody = Ranges::default();
        let mut kept = Ranges::default();
        for frame in frames {
            let Some(end) = frame.position.checked_add(u64::from(frame.samples)) else {
                self.cut = true;
                continue;
            };
            let (from, to) = (Position::from_samples(frame.position), Position::from_samples(end));
            if frame.samples == 0 {
                continue;
            }
            let connection = rank[frame.connection as usize];
            let mut rest = frame.position;
            for (from, to) in self.view.kept(from, to) {
                let (from, to) = (from.samples(), to.samples());
                if rest < from {
                    of_nobody.insert(rest, from);
                }
                rest = to;
                // Without a description of its media, audio cannot be understood.
                if to <= cursor || self.connections[connection].media.is_none() {
                    continue;
                }
                if to - *begin.get_or_insert(from) > RECORDING_SAMPLES_MAX {
                    self.cut = true;
                    continue;
                }
                kept.insert(from, to);
                self.pieces.push(Piece {
                    position: frame.position,
                    // Both lie within the frame.
                    until: u32::try_from(to - frame.position).unwrap_or(frame.samples),
                    skip: u32::try_from(from.max(cursor) - frame.position).unwrap_or(0),
                    place: frame.place,
                    number: frame.number,
                    audio: frame.audio,
                    connection,
                });
                cursor = to;
            }
            if rest < end {
                of_nobody.insert(rest, end);
            }
        }
        let mut either = kept.clone();
        of_nobody.iter().for_each(|(from, to)| _ = either.insert(from, to));
        self.samples_of_nobody = either.total() - kept.total();
    }
}

#[cfg(test)]
mod tests {
    use sidetone_delivery_wire::CallEventKind::{Ended, Started};

    use super::*;
    use crate::testing::{Script, event};

    fn plan_of(scripts: &[Script]) -> Plan {
        let mut index = Index::new(scripts[0].session_key());
        for script in scripts {
            index.add(&Bytes::new(), script.records(1));
        }
        index.plan()
    }

    fn laid_out(plan: &Plan) -> Vec<(u64, u64)> {
        let place = |piece: &Piece| (piece.from(), piece.to());
        plan.pieces.iter().map(place).collect()
    }

    #[test]
    fn media_that_overlaps_is_used_once() {
        let plan = plan_of(&[
            Script::new("b").start("always").audio(0, 100).audio(80, 100).audio(90, 20),
            Script::new("a").start("always").audio(50, 20).audio(170, 30),
        ]);
        assert_eq!(laid_out(&plan), [(0, 100), (100, 180), (180, 200)]);
    }

    #[test]
    fn audio_of_nobody_is_left_out_and_counted() {
        let events = [event(Started, "l", "ada", 100), event(Ended, "l", "ada", 200)];
        let [started, ended] = events;
        let script =
            Script::new("c").start("matched").event(started).frames(0, 500).event(ended).end(4_000);
        let plan = plan_of(&[script]);
        // 50 ms before the leg and 250 ms behind it are its own, where nobody else has a claim.
        assert_eq!((plan.start(), plan.end()), (Some(400), Some(3_600)));
        assert_eq!(plan.samples_of_nobody, 800);
        assert!(plan.complete);
    }

    #[test]
    fn a_session_whose_door_was_taken_for_dead_is_recorded_whole() {
        let door = Script::new("c").start("always").audio(0, 160).audio(160, 160).end(320);
        let swept = Script::new("sweep-c").open_gap("c").lost();
        for scripts in [[door.clone(), swept.clone()], [swept, door]] {
            let plan = plan_of(&scripts);
            assert_eq!(laid_out(&plan), [(0, 160), (160, 320)]);
            assert!(plan.complete && plan.view.gaps().is_empty());
            assert_eq!(plan.view.end().map(|end| end.ended.cause()), Some(EndCause::Closed));
        }
    }

    #[test]
    fn a_position_out_of_all_reason_is_left_out() {
        let plan = plan_of(&[Script::new("c")
            .start("always")
            .audio(0, 160)
            .audio(u64::MAX - 10, 160)
            .audio(u64::MAX - 1_000, 160)
            .audio(160, 160)]);
        assert_eq!(laid_out(&plan), [(0, 160), (160, 320)]);
        assert!(plan.cut);
    }

    #[test]
    fn audio_whose_media_nobody_described_is_not_guessed() {
        let mut index = Index::new(Script::new("c").session_key());
        let mut records = Script::new("c").start("always").audio(0, 160).end(160).records(1);
        records.remove(0);
        index.add(&Bytes::new(), records);
        let plan = index.plan();
        assert!(plan.pieces.is_empty() && !plan.complete);
        assert_eq!(plan.view.missing()[0].to, 1);
    }
}
