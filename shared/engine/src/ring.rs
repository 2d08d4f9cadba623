//! The last seconds of what was heard and belongs to nobody yet.
//!
//! It lives in memory alone. What falls out is gone; its place is remembered, so that it can be
//! declared missing should it turn out to have been an agent's.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{Position, Timeline, Timestamp};

use crate::delivery::AudioDelivery;

/// How much media waits.
pub(crate) const RING_MAX: Duration = Duration::from_secs(8);

/// How many stretches of lost media are told apart; beyond that, neighbours become one.
const FORGOTTEN_MAX: usize = 32;

/// Frames that wait for an owner, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ring {
    frames: VecDeque<AudioDelivery>,
    forgotten: VecDeque<(Position, Position)>,
    newest_at: Option<Timestamp>,
}

impl Ring {
    /// Keeps a frame and forgets what is too old beside it.
    pub(crate) fn push(&mut self, now: Timestamp, frame: AudioDelivery) {
        let newest = frame.end();
        self.newest_at = Some(now);
        self.frames.push_back(frame);
        while let Some(oldest) = self.frames.front()
            && newest > oldest.end().plus(RING_MAX)
        {
            let (from, to) = (oldest.position, oldest.end());
            self.forget(from, to);
            self.frames.pop_front();
        }
    }

    /// Returns when the newest frame is too old to keep.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.newest_at.map(|at| at + RING_MAX)
    }

    /// Forgets everything if nothing came for as long as the ring lasts.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.newest_at = None;
            for frame in std::mem::take(&mut self.frames) {
                self.forget(frame.position, frame.end());
            }
        }
    }

    /// Takes out every frame that has an owner, oldest first.
    pub(crate) fn release(&mut self, timeline: &Timeline) -> Vec<AudioDelivery> {
        if self.frames.is_empty() || timeline.segments().is_empty() {
            return Vec::new();
        }
        let (owned, waiting) = std::mem::take(&mut self.frames)
            .into_iter()
            .partition::<Vec<_>, _>(|f| timeline.owner_of(f.position, f.end()).is_some());
        self.frames = waiting.into();
        owned
    }

    /// Takes out every stretch that was forgotten and turns out to have an owner.
    pub(crate) fn release_forgotten(&mut self, timeline: &Timeline) -> Vec<(Position, Position)> {
        let mut missing = Vec::new();
        for (from, to) in std::mem::take(&mut self.forgotten) {
            let owned = timeline.segments().iter().find_map(|segment| {
                let begin = segment.from.max(from);
                let end = segment.to.map_or(to, |end| end.min(to));
                (begin < end).then_some((begin, end))
            });
            match owned {
                None => self.forgotten.push_back((from, to)),
                Some((begin, end)) => {
                    missing.push((begin, end));
                    let rest = [(from, begin), (end, to)];
                    self.forgotten.extend(rest.into_iter().filter(|(from, to)| from < to));
                }
            }
        }
        missing
    }

    /// Drops everything: the agent who rang never came.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, from: Position, to: Position) {
        let full = self.forgotten.len() >= FORGOTTEN_MAX;
        match self.forgotten.back_mut() {
            Some(last) if last.1 == from || full => last.1 = to,
            Some(_) | None => self.forgotten.push_back((from, to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use sidetone_model::{AgentId, CommunicationId, Span};

    use super::*;

    fn frame(from_ms: u64) -> AudioDelivery {
        AudioDelivery {
            position: Position::from_millis(from_ms),
            samples: 1_600,
            data: bytes::Bytes::new(),
            agent: None,
            held: false,
        }
    }

    fn timeline(from_ms: u64, to_ms: Option<u64>) -> Timeline {
        Timeline::new([Span {
            communication: CommunicationId::new("c"),
            agent: AgentId::new("ada"),
            from: Position::from_millis(from_ms),
            to: to_ms.map(Position::from_millis),
        }])
    }

    #[test]
    fn keeps_eight_seconds_and_remembers_what_it_forgot() {
        let mut ring = Ring::default();
        (0..60).for_each(|n| ring.push(Timestamp::default(), frame(n * 200)));
        let released = ring.release(&timeline(2_000, None));
        assert_eq!(released.first().map(|f| f.position), Some(Position::from_millis(3_800)));
        assert_eq!(released.len(), 41);
        let missing = ring.release_forgotten(&timeline(2_000, None));
        assert_eq!(missing, [(Position::from_millis(2_000), Position::from_millis(3_800))]);
        assert_eq!(ring.release_forgotten(&timeline(2_000, None)), []);
    }

    #[test]
    fn releases_only_what_has_an_owner() {
        let mut ring = Ring::default();
        (0..10).for_each(|n| ring.push(Timestamp::default(), frame(n * 200)));
        let released = ring.release(&timeline(400, Some(800)));
        let positions: Vec<_> = released.iter().map(|f| f.position.as_millis()).collect();
        assert_eq!(positions, [200, 400, 600, 800, 1_000]);
        assert_eq!(ring.frames.len(), 5);
    }
}
