//! What one session still has to put into the stream: a bounded queue with running numbers.
//!
//! A record gets its number when it is sent for the first time and keeps it until the stream
//! has answered. Overflow takes the oldest whole frames that were never sent, and leaves a
//! gap record in their place, so nothing is lost in silence and numbers have no holes.
//!
//! Pure: a long-lived door keeps it in memory, a door without a process beside its engine.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sidetone_delivery_wire::{
    Body, CallRecord, DecodeError, Gap, GapReason, Heading, decode, encode_behind,
};
use sidetone_model::Timestamp;
use sidetone_ports::StreamRecord;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Bytes of one session: 60 s of µ-law in stereo.
    pub session_bytes_max: usize,
    /// Bytes of all sessions: 60 s of 250 sessions.
    pub total_bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { session_bytes_max: 60 * 16_000, total_bytes_max: 250 * 60 * 16_000 }
    }
}

/// Records for which an empty queue keeps room: a few frames between two puts.
const CAPACITY_AT_REST_MAX: usize = 16;

/// What the stream took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// When the oldest of it was made.
    pub oldest: Option<Timestamp>,
    /// How many bytes of audio that freed.
    pub audio_bytes: usize,
    /// How many frames it was.
    pub frames: u64,
}

/// A queue at rest: all of it but the heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxSnapshot {
    first_number: u64,
    chosen: usize,
    frames_in_gaps: u64,
    /// `CallRecords` in Protocol Buffers, without what the heading says.
    records: Vec<u8>,
}

/// One session's queue.
#[derive(Debug)]
pub struct Outbox {
    heading: Heading,
    /// The number that the first of the queue has, or will have once it is chosen.
    first_number: u64,
    queue: VecDeque<(Timestamp, Body)>,
    /// How many, from the first, are chosen: they keep their numbers until they are committed.
    chosen: usize,
    audio_bytes: usize,
    frames_in_gaps: u64,
}

impl Outbox {
    /// Begins with an empty queue.
    pub fn new(heading: Heading) -> Self {
        Self {
            heading,
            first_number: 1,
            queue: VecDeque::new(),
            chosen: 0,
            audio_bytes: 0,
            frames_in_gaps: 0,
        }
    }

    /// Returns the queue as it is, to be put down.
    pub fn snapshot(&self) -> OutboxSnapshot {
        let numbered = (self.first_number..).zip(&self.queue);
        let mut records = Vec::new();
        encode_behind(
            &mut records,
            &self.heading.unsaid(),
            numbered.map(|(number, (made_at, body))| (number, *made_at, body)),
        );
        let Self { first_number, chosen, frames_in_gaps, .. } = *self;
        OutboxSnapshot { first_number, chosen, frames_in_gaps, records }
    }

    /// Takes a queue up again.
    ///
    /// Errors: [`DecodeError`] if the snapshot holds no records.
    pub fn restore(heading: Heading, snapshot: OutboxSnapshot) -> Result<Self, DecodeError> {
        let OutboxSnapshot { first_number, chosen, frames_in_gaps, records } = snapshot;
        let mut outbox = Self { first_number, frames_in_gaps, ..Self::new(heading) };
        for CallRecord { made_at_us, body, .. } in decode(records.into())? {
            // Every record that was pushed had a body.
            if let Some(body) = body {
                outbox.push(Timestamp::from_micros(made_at_us), body);
            }
        }
        outbox.chosen = chosen.min(outbox.queue.len());
        Ok(outbox)
    }

    /// Returns what the records have in common.
    pub const fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Returns the bytes of audio that wait or are in flight.
    pub const fn audio_bytes(&self) -> usize {
        self.audio_bytes
    }

    /// Returns how many records wait or are in flight.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of the first that is chosen, and how many are.
    pub const fn chosen(&self) -> (u64, usize) {
        (self.first_number, self.chosen)
    }

    /// Returns whether the stream has everything.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Appends a record.
    pub fn push(&mut self, made_at: Timestamp, body: Body) {
        self.audio_bytes += audio_bytes(&body);
        self.queue.push_back((made_at, body));
    }

    /// Replaces the oldest frame that was never sent by a gap; returns the bytes that freed,
    /// 0 if there is no such frame.
    pub fn drop_oldest_frame(&mut self) -> usize {
        let mut unsent = self.queue.iter().enumerate().skip(self.chosen);
        let oldest = unsent.find_map(|(place, (made_at, body))| match body {
            Body::Audio(audio) => Some((place, *made_at, audio)),
            Body::SessionStarted(_)
            | Body::Gap(_)
            | Body::Paused(_)
            | Body::Resumed(_)
            | Body::CallEvent(_)
            | Body::Match(_)
            | Body::SessionEnded(_) => None,
        });
        let Some((place, made_at, audio)) = oldest else { return 0 };
        let bytes = audio.data.len();
        let (from, to) = (audio.position, audio.position + u64::from(audio.samples));
        self.audio_bytes -= bytes;
        self.frames_in_gaps += 1;
        let before = place.checked_sub(1).filter(|before| *before >= self.chosen);
        if let Some((_, Body::Gap(gap))) = before.map(|before| &mut self.queue[before])
            && gap.reason() == GapReason::Overflow
            && gap.to == from
        {
            gap.to = to;
            gap.frames += 1;
            self.queue.remove(place);
        } else {
            let mut gap = Gap { from, to, frames: 1, ..Gap::default() };
            gap.set_reason(GapReason::Overflow);
            self.queue[place] = (made_at, Body::Gap(gap));
        }
        bytes
    }

    /// Chooses and numbers what is next, unless something is chosen that was not committed.
    ///
    /// Returns an upper bound of the bytes that it takes, 0 if there is nothing.
    pub fn choose(&mut self) -> usize {
        let sizes =
            self.queue.iter().map(|(_, body)| self.heading.bytes_per_record() + body_bytes(body));
        if self.chosen > 0 {
            return sizes.take(self.chosen).sum();
        }
        let (mut chosen, mut bytes) = (0, 0);
        for size in sizes {
            if chosen > 0 && bytes + size > StreamRecord::DATA_BYTES_MAX {
                break;
            }
            chosen += 1;
            bytes += size;
        }
        self.chosen = chosen;
        for (_, body) in self.queue.iter_mut().take(chosen) {
            if let Body::SessionEnded(ended) = body {
                ended.frames_in_gaps += self.frames_in_gaps;
            }
        }
        bytes
    }

    /// Encodes what is chosen behind what a buffer holds already.
    ///
    /// Call [`Outbox::commit`] or this again afterwards.
    pub fn encode_chosen(&self, into: &mut Vec<u8>) {
        let chosen = (self.first_number..).zip(&self.queue).take(self.chosen);
        let lent = chosen.map(|(number, (made_at, body))| (number, *made_at, body));
        encode_behind(into, &self.heading, lent);
    }

    /// Notes that the stream has what was chosen.
    pub fn commit(&mut self) -> Committed {
        let oldest = self.queue.front().map(|(made_at, _)| *made_at);
        let mut committed =
            Committed { oldest: oldest.filter(|_| self.chosen > 0), audio_bytes: 0, frames: 0 };
        for (_, body) in self.queue.drain(..self.chosen) {
            committed.audio_bytes += audio_bytes(&body);
            committed.frames += u64::from(matches!(body, Body::Audio(_)));
        }
        self.audio_bytes -= committed.audio_bytes;
        self.first_number += self.chosen as u64;
        self.chosen = 0;
        if self.queue.is_empty() && self.queue.capacity() > CAPACITY_AT_REST_MAX {
            // An outage of the stream leaves no memory behind.
            self.queue = VecDeque::new();
        }
        committed
    }
}

fn audio_bytes(body: &Body) -> usize {
    match body {
        Body::Audio(audio) => audio.data.len(),
        Body::SessionStarted(_)
        | Body::Gap(_)
        | Body::Paused(_)
        | Body::Resumed(_)
        | Body::CallEvent(_)
        | Body::Match(_)
        | Body::SessionEnded(_) => 0,
    }
}

/// An upper bound of what a body takes, its small fields being in the heading's allowance.
fn body_bytes(body: &Body) -> usize {
    match body {
        Body::Audio(audio) => audio.data.len() + audio.agent_id.len() + 32,
        Body::SessionStarted(_)
        | Body::Gap(_)
        | Body::Paused(_)
        | Body::Resumed(_)
        | Body::CallEvent(_)
        | Body::Match(_)
        | Body::SessionEnded(_) => 1_024,
    }
}

#[cfg(test)]
mod tests;
