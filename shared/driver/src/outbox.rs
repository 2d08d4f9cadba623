//! What one session still has to put into the stream: a bounded queue with running numbers.
//!
//! A record gets its number when it is sent for the first time and keeps it until the stream
//! has answered. Overflow takes the oldest whole frames that were never sent, and leaves a
//! gap record in their place, so nothing is lost in silence and numbers have no holes.

use std::collections::VecDeque;

use bytes::Bytes;
use sidetone_delivery_wire::{Body, Gap, GapReason, Heading, encode};
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
    next_number: u64,
    in_flight: Vec<(u64, Timestamp, Body)>,
    pending: VecDeque<(Timestamp, Body)>,
    audio_bytes: usize,
    frames_in_gaps: u64,
}

impl Outbox {
    pub(crate) fn new(heading: Heading) -> Self {
        Self {
            heading,
            next_number: 1,
            in_flight: Vec::new(),
            pending: VecDeque::new(),
            audio_bytes: 0,
            frames_in_gaps: 0,
        }
    }

    /// Returns the bytes of audio that wait or are in flight.
    pub(crate) const fn audio_bytes(&self) -> usize {
        self.audio_bytes
    }

    /// Returns whether the stream has everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.pending.is_empty()
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, made_at: Timestamp, body: Body) {
        self.audio_bytes += audio_bytes(&body);
        self.pending.push_back((made_at, body));
    }

    /// Replaces the oldest frame that was never sent by a gap; returns the bytes that freed,
    /// 0 if there is no such frame.
    pub(crate) fn drop_oldest_frame(&mut self) -> usize {
        let oldest = self.pending.iter().position(|(_, body)| matches!(body, Body::Audio(_)));
        let Some(place) = oldest else { return 0 };
        let (made_at, Body::Audio(audio)) = &self.pending[place] else { return 0 };
        let (made_at, bytes) = (*made_at, audio.data.len());
        let (from, to) = (audio.position, audio.position + u64::from(audio.samples));
        self.audio_bytes -= bytes;
        self.frames_in_gaps += 1;
        if let Some((_, Body::Gap(gap))) =
            place.checked_sub(1).map(|before| &mut self.pending[before])
            && gap.reason() == GapReason::Overflow
            && gap.to == from
        {
            gap.to = to;
            gap.frames += 1;
            self.pending.remove(place);
        } else {
            let gap = Gap { from, to, frames: 1, ..Gap::default() };
            let mut body = Body::Gap(gap);
            if let Body::Gap(gap) = &mut body {
                gap.set_reason(GapReason::Overflow);
            }
            self.pending[place] = (made_at, body);
        }
        bytes
    }

    /// Numbers and encodes what is next, or the same again if a request was lost.
    ///
    /// Nothing if there is nothing. Call [`Outbox::commit`] or this again afterwards.
    pub(crate) fn take(&mut self) -> Option<StreamRecord> {
        if self.in_flight.is_empty() {
            let mut room = StreamRecord::DATA_BYTES_MAX;
            while let Some((_, body)) = self.pending.front() {
                let size = self.heading.bytes_per_record() + body_bytes(body);
                if size > room && !self.in_flight.is_empty() {
                    break;
                }
                room = room.saturating_sub(size);
                let Some((made_at, mut body)) = self.pending.pop_front() else { break };
                if let Body::SessionEnded(ended) = &mut body {
                    ended.frames_in_gaps += self.frames_in_gaps;
                }
                self.in_flight.push((self.next_number, made_at, body));
                self.next_number += 1;
            }
        }
        if self.in_flight.is_empty() {
            return None;
        }
        let lent = self.in_flight.iter().map(|(number, made_at, body)| (*number, *made_at, body));
        let data: Bytes = encode(&self.heading, lent);
        Some(StreamRecord { partition_key: self.heading.key().conversation, data })
    }

    /// Notes that the stream has what was taken.
    pub(crate) fn commit(&mut self) -> Committed {
        let bodies = || self.in_flight.iter().map(|(_, _, body)| body);
        let committed = Committed {
            oldest: self.in_flight.first().map(|(_, made_at, _)| *made_at),
            audio_bytes: bodies().map(audio_bytes).sum(),
            frames: bodies().filter(|body| matches!(body, Body::Audio(_))).count() as u64,
        };
        self.audio_bytes -= committed.audio_bytes;
        self.in_flight.clear();
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
