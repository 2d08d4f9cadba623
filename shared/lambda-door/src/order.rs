//! What came in, in the order in which it was sent.
//!
//! Texts go by `seq`. A frame goes after the text that it names; among frames, positions tell
//! what is next, and so does each text, which says how far media had come. What is missing is
//! waited for a while; then the engine sees what there is, and answers as the protocol says.
//! Source: docs/wire/text-media.md, "Order".

use bytes::Bytes;
use sidetone_audiohook_proto::Violation;
use sidetone_driver::Input;
use sidetone_model::{Position, Timestamp};

use crate::arrival::{Arrival, Content, Place};
use crate::config::DoorConfig;
use crate::inbox::Waiting;
use crate::state::{ConnectionState, Note};

/// How many texts are remembered to tell a repeat from a client that counts wrongly: a repeat
/// follows within seconds, and a client says far fewer than this in that time.
const TAKEN_MAX: usize = 64;

/// Whether it is a message's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ripeness {
    /// Its place has passed.
    Past,
    /// It is next.
    Ripe,
    /// Something is missing before it.
    Early,
}

impl ConnectionState {
    /// Takes a text message in.
    pub(crate) fn receive(&mut self, config: &DoorConfig, now: Timestamp, text: &str) {
        let bytes_max = config.engine.session.message_bytes_max as usize;
        match Arrival::read(text, bytes_max) {
            Arrival::Unplaced => self.feed(now, Input::Text(text)),
            Arrival::BadMedia => {
                self.feed(now, Input::Breach(Violation::Parameters { field: None }))
            }
            Arrival::Placed { place, heard, print, content } => {
                self.believe_heard(heard);
                match content {
                    // No medium was chosen, so that it is refused as a binary message is.
                    Content::Media { data, .. } if !config.takes_media() => {
                        self.feed(now, Input::Media(data.into()));
                    }
                    Content::Media { .. } => self.lay_down(now, place, print, content),
                    Content::Text { .. } if place.seq < self.rest.expected => {
                        self.judge_repeat(now, place.seq, print, text);
                    }
                    Content::Text { .. } => self.lay_down(now, place, print, content),
                }
                self.advance(config, now);
                self.look_again(config, now);
            }
        }
    }

    /// Hands over whatever it is time for, in order.
    pub(crate) fn advance(&mut self, config: &DoorConfig, now: Timestamp) {
        while let Some((place, first)) = self.rest.inbox.first() {
            let ripeness = self.ripeness(config, place, &first.content);
            let overdue = self.rest.inbox.is_overdue(now);
            if ripeness == Ripeness::Early && !overdue {
                return;
            }
            let Some((place, waiting)) = self.rest.inbox.pop() else { return };
            match ripeness {
                Ripeness::Past => self.pass_by(place, &waiting.content),
                Ripeness::Ripe => self.take(now, place, waiting),
                Ripeness::Early => {
                    self.notes.push(Note::Missed);
                    self.take(now, place, waiting);
                }
            }
        }
    }

    /// The client says how much of ours it has: that need not be said again, whatever became
    /// of whoever said it.
    fn believe_heard(&mut self, heard: u64) {
        if heard <= self.rest.reply_seq {
            self.rest.replies.retain(|reply| reply.seq > heard);
        }
    }

    fn lay_down(&mut self, now: Timestamp, place: Place, print: u64, content: Content) {
        if !self.rest.inbox.insert(place, Waiting { at: now, print, content }) {
            self.notes.push(Note::Doubled);
        }
    }

    /// A text whose `seq` was taken: the same again is API Gateway's doing, another is a breach.
    fn judge_repeat(&mut self, now: Timestamp, seq: u64, print: u64, text: &str) {
        let taken = self.rest.taken.iter().find(|(taken, _)| *taken == seq);
        match taken {
            Some((_, before)) if *before != print => self.feed(now, Input::Text(text)),
            Some(_) | None => self.notes.push(Note::Doubled),
        }
    }

    fn ripeness(&self, config: &DoorConfig, place: Place, content: &Content) -> Ripeness {
        let expected = self.rest.expected;
        match content {
            Content::Text { .. } if place.seq > expected => Ripeness::Early,
            // A client says nothing else before `opened`; what says so has overtaken our answer.
            Content::Text { closes: false, .. } if self.owes_opened() => Ripeness::Early,
            Content::Text { follows, .. } => match (follows, self.engine.awaits_audio_at()) {
                (Some(follows), Some(at)) if config.takes_media() && at < *follows => {
                    Ripeness::Early
                }
                (_, _) => Ripeness::Ripe,
            },
            Content::Media { .. } if place.seq >= expected => Ripeness::Early,
            // A text that was sent after it has been taken.
            Content::Media { .. } if place.seq + 1 < expected => Ripeness::Past,
            Content::Media { position, .. } => self.ripeness_of_frame(place.frame, *position),
        }
    }

    /// Returns whether `open` was taken and waits for its answer.
    const fn owes_opened(&self) -> bool {
        self.rest.own.is_some() && self.rest.reply_seq == 0
    }

    fn ripeness_of_frame(&self, frame: u64, position: Position) -> Ripeness {
        let order = match self.engine.awaits_audio_at() {
            Some(at) => position.cmp(&at),
            // Illegal where it is, or after the end: the engine says so, but once.
            None => frame.cmp(&self.rest.next_frame),
        };
        match order {
            std::cmp::Ordering::Less => Ripeness::Past,
            std::cmp::Ordering::Equal => Ripeness::Ripe,
            std::cmp::Ordering::Greater => Ripeness::Early,
        }
    }

    fn pass_by(&mut self, place: Place, content: &Content) {
        let note = match content {
            Content::Media { .. } if place.frame >= self.rest.next_frame => Note::Late,
            Content::Media { .. } | Content::Text { .. } => Note::Doubled,
        };
        self.notes.push(note);
        self.rest.next_frame = self.rest.next_frame.max(place.frame.saturating_add(1));
    }

    fn take(&mut self, now: Timestamp, place: Place, waiting: Waiting) {
        let Waiting { print, content, .. } = waiting;
        match content {
            Content::Text { text, follows, closes } => {
                if let Some(to) = follows
                    && self.engine.awaits_audio_at().is_some_and(|at| at < to)
                {
                    self.feed(now, Input::Skipped { to });
                }
                self.rest.expected = place.seq.saturating_add(1);
                self.rest.taken.push_back((place.seq, print));
                if self.rest.taken.len() > TAKEN_MAX {
                    self.rest.taken.pop_front();
                }
                self.rest.closed |= closes;
                self.feed(now, Input::Text(&text));
            }
            Content::Media { position, data } => {
                if self.engine.awaits_audio_at().is_some_and(|at| at < position) {
                    self.feed(now, Input::Skipped { to: position });
                }
                self.rest.next_frame = self.rest.next_frame.max(place.frame.saturating_add(1));
                self.feed(now, Input::Media(Bytes::from(data)));
            }
        }
    }
}
