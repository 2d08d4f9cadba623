//! Where the client's media stands: what was sent, what was skipped, what waits.
//!
//! Media runs with the clock from the session's start, heard or not. The line is everything
//! that was sent or reported as skipped; between its end and the clock lies what still waits.

use std::time::Duration;

use sidetone_model::{Position, Timestamp};

#[derive(Debug, Clone)]
pub(super) struct MediaLine {
    started_at: Timestamp,
    frame_samples: u64,
    history_samples: u64,
    end: Position,
    sent: Vec<(Position, Position)>,
}

impl MediaLine {
    pub(super) fn new(started_at: Timestamp, frame: Duration, history: Duration) -> Self {
        Self {
            started_at,
            // An empty frame would never advance.
            frame_samples: samples(frame).max(1),
            history_samples: samples(history),
            end: Position::ZERO,
            sent: Vec::new(),
        }
    }

    /// Returns how far the media has come by the clock.
    pub(super) fn clock(&self, now: Timestamp) -> Position {
        Position::ZERO.plus(now.since(self.started_at))
    }

    /// Returns the end of what was sent or skipped.
    pub(super) const fn end(&self) -> Position {
        self.end
    }

    /// Returns when the next whole frame will have been heard.
    pub(super) fn next_frame_at(&self) -> Timestamp {
        self.moment_of(self.end.plus_samples(self.frame_samples))
    }

    /// Returns when the media comes to a position.
    pub(super) fn moment_of(&self, position: Position) -> Timestamp {
        self.started_at + position.as_duration()
    }

    /// Returns the end of the next whole frame, if all of it lies before `until`.
    pub(super) fn frame_before(&self, until: Position) -> Option<Position> {
        let to = self.end.plus_samples(self.frame_samples);
        (to <= until).then_some(to)
    }

    /// Returns how many samples of whole frames fit into one message.
    pub(super) fn samples_per_message(&self, bytes_max: usize, bytes_per_step: usize) -> u64 {
        let fit = (bytes_max / bytes_per_step) as u64;
        (fit / self.frame_samples * self.frame_samples).max(self.frame_samples.min(fit))
    }

    /// Returns the oldest position that is still kept.
    pub(super) fn oldest_kept(&self, now: Timestamp) -> Position {
        Position::from_samples(self.clock(now).samples().saturating_sub(self.history_samples))
    }

    /// Rounds down to a boundary of frames, counted from the start.
    pub(super) fn frame_floor(&self, position: Position) -> Position {
        let samples = position.samples();
        Position::from_samples(samples - samples % self.frame_samples)
    }

    /// Notes that everything up to `to` was sent.
    pub(super) fn sent_to(&mut self, to: Position) {
        let from = self.end;
        self.end = to;
        if from == to {
            return;
        }
        match self.sent.last_mut() {
            Some((_, last)) if *last == from => *last = to,
            Some(_) | None => self.sent.push((from, to)),
        }
    }

    /// Notes that everything up to `to` was reported as skipped.
    pub(super) const fn skipped_to(&mut self, to: Position) {
        self.end = to;
    }

    /// Returns what was sent, as stretches that do not touch.
    pub(super) fn sent(&self) -> &[(Position, Position)] {
        &self.sent
    }
}

fn samples(duration: Duration) -> u64 {
    Position::ZERO.plus(duration).samples()
}
