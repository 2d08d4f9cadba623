//! What a holder does at a desk: one errand, taken from a state that is written, bounded in
//! time by its turn.

use std::future::Future;
use std::time::Duration;

use sidetone_driver::{read_conversation, save_item, stored_item};
use sidetone_engine::Conversation;
use sidetone_model::{ConnectionId, SessionItem, Timestamp};
use sidetone_ports::{
    CallStore, ClientLine, Clock, Mailbox, PutOutcome, RecordSink, Revision, Said, StoreError,
    StreamRecord, chain,
};

use crate::desk::Duty;
use crate::state::ConnectionState;

/// Something to do.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Say these, one after the other, and then perhaps hang up.
    Speak {
        /// Each with its `seq`.
        replies: Vec<(u64, String)>,
        /// Whether nothing is to be said afterwards.
        hang_up: bool,
    },
    /// Write the session's item, if it changed, and read its conversation.
    Save {
        /// The session.
        own: SessionItem,
        /// Whether it is to be written.
        changed: bool,
        /// What it is written over.
        revision: Revision,
    },
    /// Put these records.
    Publish {
        /// Which they are.
        chosen: (u64, usize),
        /// All of them.
        record: StreamRecord,
    },
}

/// How an errand went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client was told.
    Spoken {
        /// The last `seq` that it was.
        said: u64,
        /// Whether it was hung up on.
        hung_up: bool,
        /// Whether it is gone.
        gone: bool,
        /// Whether nothing failed.
        went_well: bool,
    },
    /// The session's item was written, as far as it was.
    Saved {
        /// Which item, if one was to be written.
        item: Option<SessionItem>,
        /// The item's revision, as far as is known.
        revision: Revision,
        /// What the partition held afterwards; nothing if something failed.
        conversation: Option<Conversation>,
    },
    /// Records were put.
    Published {
        /// Which.
        chosen: (u64, usize),
        /// Whether the stream has them.
        went_well: bool,
    },
}

impl Errand {
    /// Returns what there is to do at a desk.
    pub(crate) fn of(state: &ConnectionState, duty: Duty) -> Option<Self> {
        let rest = &state.rest;
        match duty {
            Duty::Speak => {
                let replies = rest.replies.iter().map(|reply| (reply.seq, reply.text.clone()));
                Some(Self::Speak { replies: replies.collect(), hang_up: rest.hang_up })
            }
            Duty::Save => {
                let own = rest.unsaved.as_ref().or(rest.own.as_ref())?.clone();
                let changed = rest.unsaved.is_some();
                Some(Self::Save { own, changed, revision: rest.revision })
            }
            Duty::Publish => {
                let outbox = state.outbox.as_ref()?;
                let mut data = Vec::new();
                outbox.encode_chosen(&mut data);
                let partition_key = outbox.heading().key().conversation;
                let record = StreamRecord { partition_key, data: data.into() };
                Some(Self::Publish { chosen: outbox.chosen(), record })
            }
        }
    }
}

/// The outside world, as errands need it.
#[derive(Debug)]
pub(crate) struct World<'a, S, R, L> {
    pub(crate) clock: &'a Clock,
    pub(crate) store: &'a S,
    pub(crate) sink: &'a R,
    pub(crate) line: &'a L,
    pub(crate) connection: &'a ConnectionId,
    /// How long one call may take.
    pub(crate) call_limit: Duration,
}

impl<S: CallStore + Mailbox, R: RecordSink, L: ClientLine> World<'_, S, R, L> {
    /// Does it, until `until` at the latest.
    pub(crate) async fn run(&self, errand: Errand, until: Timestamp) -> Outcome {
        match errand {
            Errand::Speak { replies, hang_up } => self.speak(replies, hang_up, until).await,
            Errand::Save { own, changed, revision } => {
                self.save(own, changed, revision, until).await
            }
            Errand::Publish { chosen, record } => self.publish(chosen, record, until).await,
        }
    }

    /// The next is said only once the one before was taken: two have no order between them.
    async fn speak(&self, replies: Vec<(u64, String)>, hang_up: bool, until: Timestamp) -> Outcome {
        let (mut said, mut hung_up) = (0, false);
        let ended =
            |said, hung_up, gone, went_well| Outcome::Spoken { said, hung_up, gone, went_well };
        for (seq, text) in replies {
            match self.within(until, self.line.say(self.connection, &text)).await {
                Some(Ok(Said::Taken)) => said = seq,
                Some(Ok(Said::Gone)) => return ended(said, false, true, true),
                failed => {
                    let error = failed.and_then(Result::err).map(|error| chain(&error));
                    self.log_failure("saying a message to the client", error);
                    return ended(said, false, false, false);
                }
            }
        }
        if hang_up {
            match self.within(until, self.line.hang_up(self.connection)).await {
                Some(Ok(Said::Taken)) => hung_up = true,
                Some(Ok(Said::Gone)) => return ended(said, true, true, true),
                failed => {
                    let error = failed.and_then(Result::err).map(|error| chain(&error));
                    self.log_failure("hanging up", error);
                    return ended(said, false, false, false);
                }
            }
        }
        ended(said, hung_up, false, true)
    }

    async fn save(
        &self,
        own: SessionItem,
        changed: bool,
        mut revision: Revision,
        until: Timestamp,
    ) -> Outcome {
        let saved = async {
            if !changed {
                return read_conversation(self.store, self.clock, own.key).await;
            }
            match save_item(self.store, self.clock, &own, &mut revision).await {
                Err(error) if error.is_conflict() => self.save_over(&own, &mut revision).await,
                saved => saved,
            }
        };
        let conversation = match self.within(until, saved).await {
            Some(Ok(conversation)) => Some(conversation),
            failed => {
                let error = failed.and_then(Result::err).map(|error| chain(&error));
                self.log_failure("saving the session's item", error);
                None
            }
        };
        Outcome::Saved { item: changed.then_some(own), revision, conversation }
    }

    /// Writes over what a holder wrote who died before it could say so.
    async fn save_over(
        &self,
        own: &SessionItem,
        revision: &mut Revision,
    ) -> Result<Conversation, StoreError> {
        if let Some((stored, at)) = stored_item(self.store, self.clock, own).await? {
            *revision = at;
            // Phases only move on: somebody who saw more of the session was here.
            if stored.phase > own.phase {
                return read_conversation(self.store, self.clock, own.key).await;
            }
        }
        save_item(self.store, self.clock, own, revision).await
    }

    async fn publish(
        &self,
        chosen: (u64, usize),
        record: StreamRecord,
        until: Timestamp,
    ) -> Outcome {
        let went_well = match self.within(until, self.sink.put(vec![record])).await {
            Some(Ok(outcomes)) => match outcomes[..] {
                [PutOutcome::Committed(_)] => true,
                _ => {
                    self.log_failure("putting records", Some("the stream refused them".into()));
                    false
                }
            },
            failed => {
                let error = failed.and_then(Result::err).map(|error| chain(&error));
                self.log_failure("putting records", error);
                false
            }
        };
        Outcome::Published { chosen, went_well }
    }

    async fn within<T>(&self, until: Timestamp, future: impl Future<Output = T>) -> Option<T> {
        let left = until.since(self.clock.now()).min(self.call_limit);
        self.clock.timeout(left, future).await
    }

    fn log_failure(&self, what: &'static str, error: Option<String>) {
        let error = error.as_deref().unwrap_or("no answer in time");
        tracing::warn!(connection = %self.connection, error, "{what} failed, trying again");
    }
}
