//! One event into a connection's state: pure, so that whoever loses a race steps again.
//!
//! Refuses: stores, clocks, sockets. What a step wants done stands in the state afterwards.

use sidetone_audiohook_proto::Violation;
use sidetone_driver::{Input, Outbox, body};
use sidetone_engine::{Conversation, Delivery, Output};
use sidetone_model::{SessionItem, SessionPhase, Timestamp};

use crate::config::DoorConfig;
use crate::desk::Duty;
use crate::errand::Outcome;
use crate::state::{AGE_MAX, ConnectionState, GONE_GRACE, Note, Reply, heading};

/// What may happen to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// A text message came.
    Text(&'a str),
    /// A message came that is no text.
    NotText,
    /// API Gateway says that the socket is gone.
    Disconnected,
    /// It may be time for something.
    Due,
    /// The conversation's partition was read.
    Conversation(&'a Conversation),
    /// Something was done at a desk.
    Done(&'a Outcome),
}

/// How many unsent bytes of audio a connection keeps: ten seconds. Its state must fit into one
/// item of the store, with the ring and what came early.
const UNSENT_BYTES_MAX: usize = 160_000;

/// How many replies wait for a client that cannot be told: far more than a client would wait for.
const REPLIES_MAX: usize = 256;

/// How many deadlines one step may pass: the engine has fewer that can fall together.
const TIMEOUTS_MAX: usize = 4;

impl ConnectionState {
    /// Takes one event, and whatever it is time for.
    pub(crate) fn step(&mut self, config: &DoorConfig, now: Timestamp, event: Event<'_>) {
        let now = now.max(self.rest.latest);
        match event {
            Event::Text(text) => self.receive(config, now, text),
            Event::NotText => self.feed(now, Input::Breach(Violation::NotJson)),
            Event::Disconnected => self.lose(now),
            Event::Due => {}
            Event::Conversation(conversation) => self.see(now, conversation),
            Event::Done(outcome) => self.note(config, now, outcome),
        }
        self.pass(config, now);
        if self.outbox.as_ref().is_some_and(|outbox| outbox.audio_bytes() > UNSENT_BYTES_MAX) {
            let bytes = self.outbox.as_ref().map_or(0, Outbox::audio_bytes);
            self.drop_frames(bytes - UNSENT_BYTES_MAX);
        }
    }

    /// Hands one input to the engine, and keeps what it wants done.
    pub(crate) fn feed(&mut self, now: Timestamp, input: Input<'_>) {
        self.rest.latest = now;
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Reply(text) => self.reply(text),
                Output::Publish(delivery) => self.publish(now, delivery),
                Output::Join(item) => {
                    self.outbox = Some(Outbox::new(heading(&item)));
                    self.save(item);
                }
                Output::Save(item) => self.save(item),
                Output::DropSocket => self.rest.hang_up = true,
                Output::Noted(event) => self.notes.push(Note::Session(event)),
                Output::Done => {}
            }
        }
    }

    /// Assigns the duties that have work to whoever is about to write this state; gives back
    /// what is left over. At a desk where the holder is busy, the turn is only renewed.
    pub(crate) fn assign(
        &mut self,
        now: Timestamp,
        holder: &str,
        is_busy: impl Fn(Duty) -> bool,
        takes_more: bool,
    ) {
        for duty in Duty::ALL {
            let has_work = self.has_work(duty);
            let desk = self.rest.desks.of_mut(duty);
            if is_busy(duty) {
                if desk.is_held_by(holder) {
                    desk.take(now, holder);
                }
            } else if has_work && takes_more && !desk.rests(now) {
                if desk.take(now, holder) {
                    self.notes.push(Note::TakenOver(duty));
                }
            } else {
                desk.give_back(holder);
            }
        }
        if self.rest.desks.of(Duty::Publish).is_held_by(holder)
            && !is_busy(Duty::Publish)
            && let Some(outbox) = &mut self.outbox
        {
            // Written before they are sent: whoever comes after keeps to these numbers.
            outbox.choose();
        }
    }

    fn reply(&mut self, text: String) {
        self.rest.reply_seq += 1;
        if self.rest.unreachable {
            return;
        }
        self.rest.replies.push_back(Reply { seq: self.rest.reply_seq, text });
        if self.rest.replies.len() > REPLIES_MAX {
            self.notes.push(Note::Unreachable);
            self.rest.unreachable = true;
            self.rest.replies.clear();
            self.rest.gone_at.get_or_insert(self.rest.latest);
        }
    }

    fn publish(&mut self, now: Timestamp, delivery: Delivery) {
        // A probe was never joined and has none.
        if let Some(outbox) = &mut self.outbox {
            outbox.push(now, body(delivery));
        }
    }

    fn save(&mut self, item: SessionItem) {
        self.rest.own = Some(item.clone());
        self.rest.unsaved = Some(item);
    }

    fn see(&mut self, now: Timestamp, conversation: &Conversation) {
        self.feed(now, Input::Conversation(conversation.clone()));
    }

    fn lose(&mut self, now: Timestamp) {
        self.rest.gone_at.get_or_insert(now);
    }

    /// Does what it is time for.
    fn pass(&mut self, config: &DoorConfig, now: Timestamp) {
        self.advance(config, now);
        if now >= self.rest.created_at + AGE_MAX && self.rest.gone_at.is_none() {
            self.rest.hang_up = true;
            self.lose(now);
        }
        let gone = self.rest.gone_at.is_some_and(|gone_at| {
            // What was sent before the socket's end may come after the news of it.
            self.rest.closed || now >= gone_at + GONE_GRACE
        });
        if gone && !self.rest.gone_told {
            self.rest.gone_told = true;
            self.feed(now, Input::Gone);
        }
        // One after the other, as each may bring the next; what is left is due at once.
        for _ in 0..TIMEOUTS_MAX {
            if self.engine.deadline().is_none_or(|deadline| now < deadline) {
                break;
            }
            self.feed(now, Input::Timeout);
            self.advance(config, now);
        }
    }

    /// Notes what was done at a desk, by whomever.
    fn note(&mut self, config: &DoorConfig, now: Timestamp, outcome: &Outcome) {
        let (duty, went_well) = match outcome {
            Outcome::Spoken { said, hung_up, gone, went_well } => {
                self.rest.replies.retain(|reply| reply.seq > *said);
                self.rest.hang_up &= !hung_up;
                if *gone {
                    self.rest.unreachable = true;
                    self.rest.replies.clear();
                    self.lose(now);
                }
                (Duty::Speak, *went_well)
            }
            Outcome::Saved { item, revision, conversation } => {
                self.rest.revision = self.rest.revision.max(*revision);
                if let Some(conversation) = conversation {
                    if self.rest.unsaved == *item {
                        self.rest.unsaved = None;
                    }
                    self.rest.look = false;
                    self.rest.looked_at = now;
                    self.see(now, conversation);
                }
                (Duty::Save, conversation.is_some())
            }
            Outcome::Published { chosen, went_well } => {
                if let Some(outbox) = &mut self.outbox
                    && outbox.chosen() == *chosen
                    && *went_well
                {
                    outbox.commit();
                }
                (Duty::Publish, *went_well)
            }
        };
        let pace = &config.pace;
        let desk = self.rest.desks.of_mut(duty);
        desk.note(now, went_well, pace.retry_first, pace.retry_max);
    }

    /// Asks for the conversation to be read again, if that is long ago.
    pub(crate) fn look_again(&mut self, config: &DoorConfig, now: Timestamp) {
        let live = self.rest.own.as_ref().is_some_and(|own| own.phase == SessionPhase::Live);
        if live && now.since(self.rest.looked_at) >= config.pace.look_every {
            self.rest.look = true;
        }
    }
}
