//! One session as its socket task holds it: the engine, and what it wants done.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sidetone_audiohook_proto::{ClientEnvelope, SessionEvent, Violation};
use sidetone_delivery_wire::{Body, Heading};
use sidetone_engine::{Conversation, Engine, Input, Output};
use sidetone_model::{BreachReport, OrganizationId, SessionItem, SessionPhase, Timestamp};
use sidetone_ports::{CallStore, Freshness, Mailbox, NonceStore, OwnerStore, RecordSink, Revision};
use tokio::sync::oneshot;

use crate::host::{Host, StatusCell};
use crate::producer::Outlet;
use crate::records;
use crate::view::View;

/// What the socket task has to do for its session.
#[derive(Debug, PartialEq, Eq)]
pub enum SocketOutput {
    /// Send this text.
    Text(String),
    /// Close the socket.
    Drop,
    /// Log this: a violation, a fault of the client's, an oddity let pass.
    Noted(SessionEvent),
}

/// Whether the session may publish.
#[derive(Debug)]
enum Entry {
    /// The shared nonce memory has not answered; what is published waits here.
    Asked { answer: oneshot::Receiver<Freshness>, waiting: Vec<(Timestamp, Body)> },
    /// It may.
    Granted,
    /// The nonce was seen elsewhere: nothing of this session reaches the stream.
    Refused,
}

/// What comes from behind a session.
enum News {
    /// The shared nonce memory has answered.
    Answer(Freshness),
    /// The conversation changed.
    View(Arc<Conversation>),
}

/// One session; dropped when its task ends, however it ends.
#[derive(Debug)]
pub struct Session<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    host: Host<S, R>,
    organization: OrganizationId,
    engine: Engine,
    /// The session's item as it was written last.
    own: Option<SessionItem>,
    entry: Entry,
    outlet: Option<Outlet>,
    view: Arc<View>,
    /// Answers once what was saved last is written. Not the task's handle: that would keep the
    /// task's memory as long as the session.
    saver: Option<oneshot::Receiver<Revision>>,
    status: Arc<StatusCell>,
    socket: VecDeque<SocketOutput>,
    /// By how much world time was ahead of steady time when the engine was given it. Units:
    /// microseconds.
    world_ahead: i64,
}

/// By how much world time must have moved against steady time for the legs to be placed anew.
/// Units: microseconds; below what positions are good to.
const WORLD_STEP_MIN: u64 = 20_000;

impl<S, R> Session<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    pub(crate) fn new(
        host: Host<S, R>,
        organization: OrganizationId,
        engine: Engine,
        answer: Option<oneshot::Receiver<Freshness>>,
        status: Arc<StatusCell>,
    ) -> Self {
        let entry = match answer {
            Some(answer) => Entry::Asked { answer, waiting: Vec::new() },
            None => Entry::Granted,
        };
        Self {
            host,
            organization,
            engine,
            own: None,
            entry,
            outlet: None,
            view: Arc::default(),
            saver: None,
            status,
            socket: VecDeque::new(),
            world_ahead: 0,
        }
    }

    /// Takes one input at the clock's time; drain [`Session::poll_socket`] afterwards.
    pub fn handle(&mut self, input: Input<'_>) {
        let is_media = matches!(input, Input::Media(_));
        let text = match input {
            Input::Text(text) => Some(text),
            Input::Media(_)
            | Input::Conversation(_)
            | Input::WorldTime(_)
            | Input::Skipped { .. }
            | Input::Timeout
            | Input::Breach(_)
            | Input::Gone
            | Input::Refuse
            | Input::Shutdown => None,
        };
        let (now, world) = (self.host.clock().steady(), self.host.clock().now());
        let ahead = world.micros_after(now);
        if ahead.abs_diff(self.world_ahead) >= WORLD_STEP_MIN {
            self.world_ahead = ahead;
            self.engine.handle(now, Input::WorldTime(world));
        }
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Reply(text) => self.socket.push_back(SocketOutput::Text(text)),
                Output::DropSocket => self.socket.push_back(SocketOutput::Drop),
                Output::Publish(delivery) => self.publish(world, records::body(delivery)),
                Output::Join(item) => {
                    self.join(&item);
                    self.save(item);
                }
                Output::Save(item) => self.save(item),
                Output::Noted(event) => {
                    if let SessionEvent::Violation(violation) = event {
                        self.keep_breach(violation, text);
                    }
                    self.socket.push_back(SocketOutput::Noted(event));
                }
                Output::Done => {}
            }
        }
        // A frame changes nothing that a person looks at between two pings.
        if !is_media {
            let committed = self.outlet.as_ref().map_or(0, Outlet::committed_frames);
            self.host.report(&self.status, self.engine.status(), committed);
        }
    }

    /// Stores a breach of the protocol before the conversation was accepted: no item of the session
    /// will explain it.
    fn keep_breach(&self, violation: Violation, text: Option<&str>) {
        if self.own.is_some() || self.engine.status().probe || matches!(self.entry, Entry::Refused)
        {
            return;
        }
        let conversation = text.and_then(ClientEnvelope::conversation_of_open);
        if conversation.is_some_and(|id| id.is_nil()) {
            return;
        }
        let report = BreachReport {
            session: self.engine.session_id(),
            at: self.host.clock().now(),
            reason: violation.label().to_owned(),
            detail: violation.to_string(),
        };
        let (host, organization) = (self.host.clone(), self.organization);
        tokio::spawn(async move { host.keep_breach(organization, conversation, &report).await });
    }

    /// Returns what the socket has to do next.
    pub fn poll_socket(&mut self) -> Option<SocketOutput> {
        let output = self.socket.pop_front();
        if output.is_none() && self.socket.capacity() > 0 {
            self.socket = VecDeque::new();
        }
        output
    }

    /// Returns when [`Input::Timeout`] is due at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.engine.deadline()
    }

    /// Returns whether the session is over and its socket, if any, no longer needed.
    pub const fn is_done(&self) -> bool {
        self.engine.is_done()
    }

    /// Waits until something behind the session has news, and takes it in.
    ///
    /// May be dropped and called again at any time.
    pub async fn changed(&mut self) {
        let input = match poll_fn(|cx| self.poll_news(cx)).await {
            News::Answer(freshness) => self.decide(freshness),
            News::View(conversation) => {
                self.take_back(&conversation);
                Some(Input::Conversation(Arc::unwrap_or_clone(conversation)))
            }
        };
        if let Some(input) = input {
            self.handle(input);
        }
    }

    /// Writes the item again if a sweep has declared this session lost: it is not.
    fn take_back(&mut self, conversation: &Conversation) {
        let Some(own) = self.own.clone().filter(|own| own.phase != SessionPhase::Ended) else {
            return;
        };
        let stored = conversation.sessions.iter().find(|one| one.connection == own.connection);
        if stored.is_some_and(SessionItem::was_given_up) {
            self.save(own);
        }
    }

    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        if let Entry::Asked { answer, .. } = &mut self.entry
            && let Poll::Ready(answer) = Pin::new(answer).poll(cx)
        {
            return Poll::Ready(News::Answer(answer.unwrap_or(Freshness::Fresh)));
        }
        self.view.poll_news(cx).map(News::View)
    }

    /// Goes on without a socket until the session is over and the stream has all of it.
    pub async fn finish(mut self) {
        self.handle(Input::Gone);
        while !self.engine.is_done() {
            let clock = *self.host.clock();
            let deadline = self.engine.deadline();
            let timeout = async {
                match deadline {
                    Some(deadline) => clock.sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed() => {}
                () = timeout => self.handle(Input::Timeout),
            }
        }
        if let Some(saver) = self.saver.take() {
            let _ = saver.await;
        }
        // A probe has no outlet, nor has a session that never came to `open`; both end all the same.
        let mut committed = 0;
        if let Some(outlet) = &self.outlet {
            outlet.drained().await;
            committed = outlet.committed_frames();
        }
        self.host.report_end(&self.status, self.engine.status(), committed);
    }

    fn decide(&mut self, freshness: Freshness) -> Option<Input<'static>> {
        let entry = match freshness {
            Freshness::Fresh => Entry::Granted,
            Freshness::Seen => Entry::Refused,
        };
        let Entry::Asked { waiting, .. } = std::mem::replace(&mut self.entry, entry) else {
            return None;
        };
        match freshness {
            Freshness::Fresh => {
                waiting.into_iter().for_each(|(at, body)| self.publish(at, body));
                None
            }
            Freshness::Seen => Some(Input::Refuse),
        }
    }

    fn publish(&mut self, now: Timestamp, body: Body) {
        self.host.note_talk(&self.status, &body);
        match (&mut self.entry, &self.outlet) {
            (Entry::Granted, Some(outlet)) => outlet.push(now, body),
            (Entry::Asked { waiting, .. }, _) => waiting.push((now, body)),
            (Entry::Refused, _) | (Entry::Granted, None) => {}
        }
    }

    fn join(&mut self, item: &SessionItem) {
        let heading = Heading::new(item.key, Some(item.session), &item.connection);
        self.outlet = Some(self.host.producer().outlet(heading));
        self.host.watch(item, Arc::clone(&self.view));
    }

    /// Writes the item behind the session, after what was written before it.
    fn save(&mut self, item: SessionItem) {
        self.own = Some(item.clone());
        let host = self.host.clone();
        let before = self.saver.take();
        let (written, saver) = oneshot::channel();
        self.saver = Some(saver);
        tokio::spawn(async move {
            let revision = match before {
                Some(before) => before.await.unwrap_or_default(),
                None => 0,
            };
            // The session may be gone by then.
            let _ = written.send(host.save(item, revision).await);
        });
    }
}

impl<S, R> Drop for Session<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    fn drop(&mut self) {
        self.host.report_broken_off(&self.status);
        self.host.forget(&self.status);
        if let Some(own) = self.own.take()
            && !self.engine.is_done()
        {
            let granted = matches!(self.entry, Entry::Granted);
            self.host.give_up(own, self.saver.take(), self.outlet.take(), granted);
        }
    }
}
