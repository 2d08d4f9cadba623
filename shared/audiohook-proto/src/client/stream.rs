//! The client's stream of media: backlog, frames in real time, gaps, the two pause switches.
//!
//! Source: docs/wire/audiohook.md, "Cadence", "Position", "Pauses".

use std::time::Duration;

use sidetone_model::{Media, Position, Timestamp};

use super::config::CLIENT_MESSAGE_BYTES_MAX;
use super::event::{ClientEvent, ClientOutput, EndCause, FrameFault};
use super::session::{ClientSession, Phase};
use crate::wire::{ClientBody, CloseReason, MediaTime, Opened, Skip};

impl ClientSession {
    /// Begins to stream as the server asked; its selection has been checked.
    pub(super) fn begin(&mut self, now: Timestamp, since: Timestamp, opened: &Opened) {
        self.phase = Phase::Active;
        self.was_opened = true;
        self.media = opened.media.first().copied();
        self.server_paused = opened.start_paused == Some(true);
        self.emit(ClientEvent::Opened {
            media: self.media,
            paused: self.is_paused(),
            latency: now.since(since),
        });
        if self.config.open.is_probe() {
            if let Some(media) = self.media {
                let (from, to) = (Position::ZERO, Position::ZERO);
                self.outputs.push_back(ClientOutput::SendAudio { media, from, to, fault: None });
            }
            self.send_close(now, CloseReason::End, EndCause::Completed);
            return;
        }
        self.next_ping_at = Some(now + self.config.timers.first_ping);
        if self.server_paused {
            // What was heard so far belongs to the pause.
            self.enter_pause();
        } else if self.media.is_some() {
            self.send_backlog(now, opened.discard_to.map(MediaTime::position));
        } else if self.client_paused {
            self.enter_pause();
        }
        if let Some(language) = self.late_language.take() {
            self.update(now, language);
        }
    }

    /// Sends what was heard before `opened`: as much as was kept, in large messages, with the
    /// client's own pauses in their places.
    fn send_backlog(&mut self, now: Timestamp, discard_to: Option<Position>) {
        let heard = self.line.clock(now);
        let granted = discard_to.map_or(Position::ZERO, |to| self.line.frame_floor(to.min(heard)));
        let dropped = self.discarding_to.take_if(|to| *to <= heard).unwrap_or_default();
        let kept_from = self.line.oldest_kept(now).max(granted).max(dropped);
        self.report_discarded(kept_from);
        for (start, end) in std::mem::take(&mut self.early_pauses) {
            if end > self.line.end() {
                self.send_up_to(start);
                self.enter_pause();
                self.leave_pause(end);
            }
        }
        if self.client_paused {
            self.send_up_to(self.pause_start);
            self.enter_pause();
        } else if self.discarding_to.is_none() {
            self.send_up_to(self.line.frame_floor(heard));
        }
    }

    /// Sends all media up to a position in messages as large as they may be.
    fn send_up_to(&mut self, until: Position) {
        let Some(media) = self.media else { return };
        let steps = self.line.samples_per_message(CLIENT_MESSAGE_BYTES_MAX, media.bytes_per_step());
        while self.line.end() < until {
            self.send_frame(media, self.line.end().plus_samples(steps).min(until));
        }
    }

    pub(super) fn send_due_audio(&mut self, now: Timestamp) {
        let Some(media) = self.media.filter(|_| self.is_streaming()) else { return };
        let heard = self.line.clock(now);
        if let Some(until) = self.discarding_to {
            if until > heard {
                return;
            }
            self.discarding_to = None;
            self.report_discarded(until);
        }
        while let Some(to) = self.line.frame_before(heard) {
            self.send_frame(media, to);
        }
    }

    /// Sends the rest of what was heard, which may be less than a frame.
    pub(super) fn flush(&mut self, now: Timestamp) {
        if !self.is_streaming() {
            return;
        }
        let heard = self.line.clock(now);
        if self.discarding_to.take().is_some() {
            self.report_discarded(heard);
        }
        self.send_up_to(heard);
    }

    fn send_frame(&mut self, media: Media, to: Position) {
        self.frames_sent += 1;
        let faults = &self.config.faults;
        let fault = if faults.odd_frame_at == Some(self.frames_sent) {
            Some(FrameFault::Odd)
        } else if faults.oversize_frame_at == Some(self.frames_sent) {
            Some(FrameFault::Oversize)
        } else {
            None
        };
        let from = self.line.end();
        self.outputs.push_back(ClientOutput::SendAudio { media, from, to, fault });
        self.line.sent_to(to);
    }

    /// Drops audio from where the stream stands; during a pause all of it is dropped anyway.
    pub(super) fn discard(&mut self, now: Timestamp, length: Duration) {
        match self.phase {
            Phase::Connecting | Phase::Opening { .. } => {}
            Phase::Active if self.is_streaming() => {}
            Phase::Active | Phase::Closing { .. } | Phase::Over { .. } => return,
        }
        let from = self.discarding_to.unwrap_or(self.line.end());
        self.discarding_to = Some(from.plus(length));
        self.send_due_audio(now);
    }

    fn report_discarded(&mut self, to: Position) {
        let start = self.line.end();
        if to <= start {
            return;
        }
        self.line.skipped_to(to);
        self.send_at(to, ClientBody::Discarded(skip(start, to)));
        self.emit(ClientEvent::Discarded { start, position: to });
    }

    /// Says `paused` for the first time; the pause begins where the line ends.
    fn enter_pause(&mut self) {
        self.pause_start = self.line.end();
        self.discarding_to = None;
        self.say_paused(self.pause_start);
    }

    fn say_paused(&mut self, position: Position) {
        self.send_at(position, ClientBody::Paused);
        self.emit(ClientEvent::Paused { position });
        let Some(media) = self.media else { return };
        for _ in 0..self.config.faults.frames_after_paused {
            let from = self.line.end();
            let to = from.plus(self.config.frame);
            let fault = Some(FrameFault::AfterPaused);
            self.outputs.push_back(ClientOutput::SendAudio { media, from, to, fault });
        }
    }

    /// Says `resumed`; audio goes on at `position`.
    fn leave_pause(&mut self, position: Position) {
        let start = self.pause_start;
        self.line.skipped_to(position);
        self.send_at(position, ClientBody::Resumed(skip(start, position)));
        self.emit(ClientEvent::Resumed { start, position });
    }

    /// Returns where audio goes on if a pause ends at `now`; without audio nowhere.
    fn resume_position(&self, now: Timestamp) -> Position {
        if self.media.is_none() {
            return self.line.end();
        }
        self.line.clock(now).max(self.line.end())
    }

    pub(super) fn take_pause(&mut self, now: Timestamp) {
        let was_paused = self.is_paused();
        self.server_paused = true;
        if was_paused {
            self.say_paused(self.position(now));
        } else {
            self.enter_pause();
        }
    }

    pub(super) fn take_resume(&mut self, now: Timestamp) {
        if !self.is_paused() {
            self.pause_start = self.line.end();
            self.leave_pause(self.pause_start);
            return;
        }
        self.server_paused = false;
        if self.client_paused {
            self.say_paused(self.position(now));
        } else {
            self.leave_pause(self.resume_position(now));
        }
    }

    pub(super) fn begin_own_pause(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Connecting | Phase::Opening { .. } => {
                if !self.client_paused {
                    self.pause_start = self.line.clock(now);
                }
                self.client_paused = true;
            }
            Phase::Active => {
                let was_paused = self.is_paused();
                self.client_paused = true;
                if was_paused {
                    self.say_paused(self.position(now));
                } else {
                    self.enter_pause();
                }
            }
            Phase::Closing { .. } | Phase::Over { .. } => {}
        }
    }

    pub(super) fn end_own_pause(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.client_paused) {
            return;
        }
        match self.phase {
            Phase::Connecting | Phase::Opening { .. } => {
                self.early_pauses.push((self.pause_start, self.line.clock(now)));
            }
            // Under the server's pause nothing is said; whether Genesys does is not known.
            Phase::Active if !self.server_paused => {
                self.leave_pause(self.resume_position(now));
            }
            Phase::Active | Phase::Closing { .. } | Phase::Over { .. } => {}
        }
    }

    pub(super) fn update(&mut self, now: Timestamp, language: String) {
        match self.phase {
            Phase::Connecting => self.config.open.language = Some(language),
            Phase::Opening { .. } => self.late_language = Some(language),
            Phase::Active => {
                self.updates_pending += 1;
                self.send(now, ClientBody::Update { language: Some(language) });
            }
            Phase::Closing { .. } | Phase::Over { .. } => {}
        }
    }
}

fn skip(start: Position, to: Position) -> Skip {
    let length = Position::from_samples(to.samples_since(start));
    Skip { start: start.into(), discarded: length.into() }
}
