//! What one session still has to put into the stream: a bounded queue with running numbers.
//!
//! A record gets its number when it is sent for the first time and keeps it until the stream
//! has answered. Overflow takes the oldest whole frames that were never sent, and leaves a
//! gap record in their place, so nothing is lost in silence and numbers have no holes.

use std::collections::VecDeque;

use sidetone_delivery_wire::{Body, Gap, GapReason, Heading, encode_behind};
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
pub(crate) struct Committed {
    /// When the oldest of it was made.
    pub(crate) oldest: Option<Timestamp>,
    /// How many bytes of audio that freed.
    pub(crate) audio_bytes: usize,
    /// How many frames it was.
    pub(crate) frames: u64,
}

/// One session's queue.
#[derive(Debug)]
pub(crate) struct Outbox {
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
    pub(crate) fn new(heading: Heading) -> Self {
        Self {
            heading,
            first_number: 1,
            queue: VecDeque::new(),
            chosen: 0,
            audio_bytes: 0,
            frames_in_gaps: 0,
        }
    }

    /// Returns what the records have in common.
    pub(crate) const fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Returns the bytes of audio that wait or are in flight.
    pub(crate) const fn audio_bytes(&self) -> usize {
        self.audio_bytes
    }

    /// Returns how many records wait or are in flight.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns whether the stream has everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, made_at: Timestamp, body: Body) {
        self.audio_bytes += audio_bytes(&body);
        self.queue.push_back((made_at, body));
    }

    /// Replaces the oldest frame that was never sent by a gap; returns the bytes that freed,
    /// 0 if there is no such frame.
    pub(crate) fn drop_oldest_frame(&mut self) -> usize {
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
    pub(crate) fn choose(&mut self) -> usize {
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
    pub(crate) fn encode_chosen(&self, into: &mut Vec<u8>) {
        let chosen = (self.first_number..).zip(&self.queue).take(self.chosen);
        let lent = chosen.map(|(number, (made_at, body))| (number, *made_at, body));
        encode_behind(into, &self.heading, lent);
    }

    /// Notes that the stream has what was chosen.
    pub(crate) fn commit(&mut self) -> Committed {
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
