//! The engine: one input in, then outputs until there are none.
//!
//! It holds the protocol's session machine and decides what that leaves open: when to listen,
//! and what of the audio is delivered as whose.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_audiohook_proto::{
    ClosedBy, ClosingReason, DisconnectReason, Frame, Handshake, Open, OpenAnswer, PauseCause,
    ServerCommand, ServerInput, ServerOutput, ServerSession, SessionEvent,
};
use sidetone_model::{
    ConnectionId, ConversationKey, EndCause, Leg, Listen, Media, OrganizationId, OwnerId, Position,
    SessionEnd, SessionId, SessionItem, SessionPhase, Timeline, Timestamp, UnheardReason,
    UnmatchedReason,
};

use crate::config::{EngineConfig, Hearing};
use crate::delivery::{
    AudioDelivery, Delivery, GapCause, GapDelivery, MatchState, SessionEnded, SessionStarted,
};
use crate::exchange::{EngineStatus, Input, LegStatus, Output};
use crate::matching::{Known, LABEL_AFTER, Wish};
use crate::placement::Placement;
use crate::ring::Ring;
use crate::told::ToldEvents;

mod snapshot;

pub use snapshot::SnapshotError;

#[derive(Debug, Serialize, Deserialize)]
enum Phase {
    AwaitingOpen,
    Joining { request: Request, until: Timestamp },
    Running,
    Lingering { until: Timestamp },
    Done,
}

/// What is kept of an `open` until it is answered.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    offer: Option<Media>,
    language: Option<String>,
}

/// The longest frame that is given whole to one agent; a longer message, as a backlog brings
/// them, is taken as several frames.
///
/// Units: samples; 200 ms, which is what Genesys usually sends.
const PIECE_MAX: u64 = 1_600;

/// How long after an agent left audio still comes: until the frame that holds the last words
/// is full, which a pause would take away unsent.
const LAST_FRAME_MAX: Duration = Duration::from_millis(300);

/// How much better the media clock must have become before the legs are placed anew: early
/// messages improve it one by one, by microseconds.
const CLOCK_STEP_MIN: Duration = Duration::from_millis(1);

/// One AudioHook session with its match.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    /// Given again when the engine is restored.
    #[serde(skip)]
    config: Arc<EngineConfig>,
    organization: OrganizationId,
    session_id: SessionId,
    connection: ConnectionId,
    owner: OwnerId,
    session: ServerSession,
    phase: Phase,
    own: Option<SessionItem>,
    conversation: Known,
    placement: Placement,
    timeline: Timeline,
    /// The media's start by which the timeline was made.
    placed_by: Option<Timestamp>,
    ring: Ring,
    told: ToldEvents,
    match_told: Option<MatchState>,
    wish: Option<Wish>,
    /// When to ask for a pause, once an agent has left.
    pause_at: Option<Timestamp>,
    /// When a session that matched nothing is labelled with the reason.
    #[serde(default)]
    label_at: Option<Timestamp>,
    probe: bool,
    cause: Option<EndCause>,
    paused_at: Option<Position>,
    position: Position,
    figures: Figures,
    /// Empty at rest: drained before the next input.
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Figures {
    frames_received: u64,
    frames_accepted: u64,
    samples_streamed: u64,
    samples_paused: u64,
}

impl Engine {
    /// Starts a session whose upgrade was just accepted.
    pub fn new(
        now: Timestamp,
        config: Arc<EngineConfig>,
        handshake: Handshake,
        connection: ConnectionId,
        owner: OwnerId,
    ) -> Self {
        Self {
            organization: handshake.organization,
            session_id: handshake.session_id.session_id(),
            session: ServerSession::new(now, config.session, handshake),
            config,
            connection,
            owner,
            phase: Phase::AwaitingOpen,
            own: None,
            conversation: Known::default(),
            placement: Placement::default(),
            timeline: Timeline::default(),
            placed_by: None,
            ring: Ring::default(),
            told: ToldEvents::default(),
            match_told: None,
            wish: None,
            pause_at: None,
            label_at: None,
            probe: false,
            cause: None,
            paused_at: None,
            position: Position::ZERO,
            figures: Figures::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input; drain [`Engine::poll_output`] afterwards.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        match input {
            Input::Text(text) => self.session.handle(now, ServerInput::Text(text)),
            Input::Media(data) => self.session.handle(now, ServerInput::Media(data)),
            Input::Conversation(conversation) => {
                self.conversation.join(conversation);
                if let Phase::Joining { .. } = self.phase {
                    self.open(now);
                }
                self.review(now);
            }
            Input::WorldTime(world) => self.set_world_time(now, world),
            Input::Skipped { to } => self.session.handle(now, ServerInput::Skipped { to }),
            Input::Timeout => {
                self.session.handle(now, ServerInput::Timeout);
                self.pass_deadlines(now);
            }
            Input::Breach(violation) => self.session.handle(now, ServerInput::Breach(violation)),
            Input::Gone => self.session.handle(now, ServerInput::Gone),
            Input::Refuse => {
                self.disconnect(now, DisconnectReason::Unauthorized, EndCause::Violation);
            }
            Input::Shutdown => {
                self.disconnect(now, DisconnectReason::Error, EndCause::Shutdown);
            }
        }
        self.drain_session(now);
    }

    /// Returns the next output, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Given back at rest, as the session machine's; see there.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Returns when [`Input::Timeout`] is due at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        let own = match &self.phase {
            Phase::Joining { until, .. } | Phase::Lingering { until } => Some(*until),
            Phase::Running if self.match_told.is_none() => self.label_at,
            Phase::AwaitingOpen | Phase::Running | Phase::Done => None,
        };
        let others = [self.pause_at, self.session.deadline(), self.ring.deadline()];
        others.into_iter().chain([own]).flatten().min()
    }

    /// Returns whether nothing will follow.
    pub const fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Returns where the next audio belongs, if audio may come.
    pub fn awaits_audio_at(&self) -> Option<Position> {
        self.session.awaits_audio_at()
    }

    /// Returns the session.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Returns what a person wants to know.
    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            key: self.own.as_ref().map(|own| own.key),
            probe: self.probe,
            state: match &self.own {
                Some(own) => self.conversation.match_state(own, self.config.listen),
                None => MatchState::Unmatched(UnmatchedReason::NoAgent),
            },
            listens: self.session.listens(),
            rings: self.conversation.rings(),
            held: self.conversation.stints().iter().any(Leg::is_held),
            position: self.position,
            frames_accepted: self.figures.frames_accepted,
            leg: self.conversation.shown_leg().map(LegStatus::of),
        }
    }

    fn disconnect(&mut self, now: Timestamp, reason: DisconnectReason, cause: EndCause) {
        self.cause.get_or_insert(cause);
        self.command(now, ServerCommand::Disconnect { reason, info: None });
    }

    fn drain_session(&mut self, now: Timestamp) {
        while let Some(output) = self.session.poll_output() {
            match output {
                ServerOutput::Send(text) => self.outputs.push_back(Output::Reply(text)),
                ServerOutput::Event(event) => self.on_session_event(now, event),
                ServerOutput::DropSocket => self.outputs.push_back(Output::DropSocket),
            }
        }
    }

    fn command(&mut self, now: Timestamp, command: ServerCommand) {
        if let Err(error) = self.session.command(now, command) {
            // Media is chosen from the offers, so the machine cannot refuse it.
            unreachable!("{error}");
        }
    }

    fn on_session_event(&mut self, now: Timestamp, event: SessionEvent) {
        match event {
            SessionEvent::OpenRequested { open, .. } => self.on_open(now, open),
            SessionEvent::Audio { position, frame } => self.on_audio(now, position, &frame),
            SessionEvent::PositionObserved { position } => self.observe(now, position),
            SessionEvent::Paused { position, cause } => {
                if self.paused_at.is_none() {
                    self.paused_at = Some(position);
                    let asked = cause != PauseCause::Client;
                    self.publish(Delivery::Paused { position, asked });
                }
            }
            SessionEvent::Resumed { start, position } => {
                self.placement.clock.resume(now, position);
                self.paused_at = None;
                self.figures.samples_paused += position.samples_since(start);
                self.publish(Delivery::Resumed { from: start, to: position });
            }
            SessionEvent::Discarded { start, to }
            | SessionEvent::Drifted { expected: start, stated: to } => {
                if start < to {
                    self.miss(start, to, GapCause::Discarded);
                }
            }
            SessionEvent::Undelivered { start, to } => {
                self.miss(start, to, GapCause::Undelivered);
            }
            SessionEvent::Violation(_) => {
                self.cause.get_or_insert(EndCause::Violation);
                self.outputs.push_back(Output::Noted(event));
            }
            SessionEvent::Closing { reason, .. } => {
                self.cause.get_or_insert(match reason {
                    ClosingReason::Client(_) => EndCause::Closed,
                    ClosingReason::Violation(_) => EndCause::Violation,
                    ClosingReason::Requested(_) | ClosingReason::Unanswered => EndCause::Shutdown,
                });
            }
            SessionEvent::Closed { by, .. } => {
                self.placement.end = Some(self.position);
                self.place_legs();
                self.cause.get_or_insert(match by {
                    ClosedBy::Agreement => EndCause::Closed,
                    ClosedBy::Timeout => EndCause::Timeout,
                    ClosedBy::Loss => EndCause::ConnectionLost,
                });
                self.linger(now);
            }
            SessionEvent::ClientError { .. } | SessionEvent::Tolerated(_) => {
                self.outputs.push_back(Output::Noted(event));
            }
            // Moves neither media nor the match.
            SessionEvent::LanguageUpdated { .. } => {}
        }
    }

    fn on_open(&mut self, now: Timestamp, open: Box<Open>) {
        if open.is_probe() {
            self.probe = true;
            let media = self.hearable(open.best_offer());
            self.command(now, ServerCommand::Open(OpenAnswer { media, ..OpenAnswer::default() }));
            return;
        }
        let offer = open.best_offer();
        let item = SessionItem {
            key: ConversationKey {
                organization: self.organization,
                conversation: open.conversation_id,
            },
            session: self.session_id,
            connection: self.connection.clone(),
            participant: open.participant.id.clone(),
            owner: self.owner.clone(),
            opened_at: self.placement.in_the_world(now),
            phase: SessionPhase::Live,
            door: self.config.door,
            media: self.hearable(offer),
            unheard: match (self.hearable(offer), offer) {
                (Some(_), _) => None,
                (None, Some(_)) => Some(UnheardReason::TextOnlyDoor),
                (None, None) => Some(UnheardReason::NothingOffered),
            },
            end: None,
        };
        self.own = Some(item.clone());
        self.label_at = Some(now + LABEL_AFTER);
        self.outputs.push_back(Output::Join(item));
        let until = now + self.config.join_limit;
        let request = Request { offer, language: open.language };
        self.phase = Phase::Joining { request, until };
    }

    /// Returns the medium to take of what is offered.
    fn hearable(&self, offer: Option<Media>) -> Option<Media> {
        match self.config.hears {
            Hearing::Audio => offer,
            Hearing::Nothing => None,
        }
    }

    /// Answers `open`, with what is known by now.
    fn open(&mut self, now: Timestamp) {
        let phase = std::mem::replace(&mut self.phase, Phase::Running);
        let (Phase::Joining { request, .. }, Some(own)) = (phase, &self.own) else { return };
        let media = self.hearable(request.offer);
        // Without a medium there is nothing to pause.
        let wish = match media {
            Some(_) => self.conversation.wish(own, self.config.listen, self.config.on_hold),
            None => Wish::Listen,
        };
        let started = SessionStarted {
            media,
            unheard: own.unheard,
            participant: own.participant.clone(),
            listen: self.config.listen,
            opened_at: own.opened_at,
            language: request.language,
        };
        self.wish = Some(wish);
        let start_paused = wish == Wish::Pause;
        let answer = OpenAnswer { media, start_paused, ..OpenAnswer::default() };
        self.command(now, ServerCommand::Open(answer));
        self.publish(Delivery::SessionStarted(started));
    }

    fn on_audio(&mut self, now: Timestamp, position: Position, frame: &Frame) {
        if self.own.is_none() {
            return;
        }
        let samples = frame.samples();
        self.figures.samples_streamed += samples;
        self.observe(now, position.plus_samples(samples));
        let mut from = 0;
        while from < samples {
            let to = samples.min(from + PIECE_MAX);
            self.on_piece(now, position.plus_samples(from), frame.slice(from..to));
            from = to;
        }
    }

    fn on_piece(&mut self, now: Timestamp, position: Position, piece: Frame) {
        self.figures.frames_received += 1;
        // At most PIECE_MAX, so it always fits.
        let samples = u32::try_from(piece.samples()).unwrap_or(u32::MAX);
        let data = piece.into_bytes();
        let frame = AudioDelivery { position, samples, data, agent: None, held: false };
        let owned = self.timeline.owner_of(position, frame.end()).is_some();
        if owned || self.config.listen == Listen::Always {
            self.deliver(frame);
        } else {
            self.ring.push(now, frame);
        }
    }

    fn miss(&mut self, from: Position, to: Position, cause: GapCause) {
        self.publish(Delivery::Gap(GapDelivery { from, to, cause, frames: 0 }));
    }

    /// Hands a frame on, as whose it is known to be.
    fn deliver(&mut self, mut frame: AudioDelivery) {
        let segment = self.timeline.owner_of(frame.position, frame.end());
        frame.agent = segment.map(|segment| segment.agent.clone());
        frame.held = segment.is_some_and(|segment| {
            let leg = |leg: &&Leg| leg.communication == segment.communication;
            self.conversation.stints().iter().find(leg).is_some_and(|leg| {
                self.placement.moment_at(frame.position).is_some_and(|at| is_held_at(leg, at))
            })
        });
        self.figures.frames_accepted += 1;
        self.publish(Delivery::Audio(frame));
    }

    /// Notes how far the media had come; a better estimate of its start moves every leg.
    fn observe(&mut self, now: Timestamp, position: Position) {
        self.position = self.position.max(position);
        if self.placement.clock.observe(now, position)
            && !self.conversation.stints().is_empty()
            && self.placement.clock.start().is_none_or(|start| {
                self.placed_by.is_none_or(|placed| placed.since(start) >= CLOCK_STEP_MIN)
            })
        {
            self.place_legs();
        }
    }

    /// Places the legs, which have Genesys' times, anew where world time has moved against the
    /// time in which messages arrive.
    fn set_world_time(&mut self, now: Timestamp, world: Timestamp) {
        self.placement.world_ahead = world.micros_after(now);
        if !self.conversation.stints().is_empty() {
            self.place_legs();
        }
    }

    /// Looks at the conversation again and does what follows from it.
    fn review(&mut self, now: Timestamp) {
        let Some(own) = &self.own else { return };
        if matches!(self.phase, Phase::AwaitingOpen | Phase::Joining { .. } | Phase::Done) {
            return;
        }
        let wish = self.conversation.wish(own, self.config.listen, self.config.on_hold);
        if matches!(self.phase, Phase::Running) {
            self.follow(now, wish);
        }
        self.place_legs();
        self.tell_match(now, false);
        if self.conversation.was_not_answered() {
            self.ring.clear();
        }
        if let Phase::Lingering { .. } = self.phase
            && self.conversation.is_over()
        {
            self.end(now);
        }
    }

    /// Asks Genesys for what is wished, if it was not asked yet.
    fn follow(&mut self, now: Timestamp, wish: Wish) {
        self.pause_at = None;
        if self.wish == Some(wish) || self.session.media().is_none() {
            return;
        }
        let command = match wish {
            Wish::Listen => ServerCommand::Resume,
            Wish::Pause => {
                // An agent's last words may still be in a frame that is not full.
                let last_end = self.conversation.last_end();
                let due = last_end.map(|end| self.placement.arrival_of(end) + LAST_FRAME_MAX);
                if due.is_some_and(|due| now < due) {
                    self.pause_at = due;
                    return;
                }
                ServerCommand::Pause
            }
        };
        self.wish = Some(wish);
        self.command(now, command);
    }

    /// Puts the legs on the media, tells what moved, and lets go what now has an owner.
    fn place_legs(&mut self) {
        self.timeline = self.conversation.timeline(self.placement);
        self.placed_by = self.placement.clock.start();
        for event in self.told.news(self.conversation.stints(), self.placement) {
            self.publish(Delivery::CallEvent(Box::new(event)));
        }
        for frame in self.ring.release(&self.timeline) {
            self.deliver(frame);
        }
        for (from, to) in self.ring.release_forgotten(&self.timeline) {
            self.miss(from, to, GapCause::LateEvent);
        }
    }

    /// Tells the stream of a match at once, of its absence when it is time.
    fn tell_match(&mut self, now: Timestamp, last: bool) {
        let Some(own) = &self.own else { return };
        let state = self.conversation.match_state(own, self.config.listen);
        let due = match &state {
            MatchState::Matched(_) | MatchState::Unmatched(UnmatchedReason::Duplicate) => true,
            MatchState::Unmatched(_) => last || self.label_at.is_some_and(|at| now >= at),
        };
        if due && self.match_told.as_ref() != Some(&state) {
            self.match_told = Some(state.clone());
            self.publish(Delivery::Match { state, position: self.position });
        }
    }

    fn pass_deadlines(&mut self, now: Timestamp) {
        self.ring.expire(now);
        if self.pause_at.is_some_and(|due| now >= due) && matches!(self.phase, Phase::Running) {
            self.follow(now, Wish::Pause);
        }
        match &self.phase {
            Phase::Joining { until, .. } if now >= *until => {
                self.open(now);
                self.review(now);
            }
            Phase::Lingering { until } if now >= *until => self.end(now),
            Phase::Running => self.tell_match(now, false),
            Phase::AwaitingOpen | Phase::Joining { .. } | Phase::Lingering { .. } | Phase::Done => {
            }
        }
    }

    /// Stays for call events that come late; nothing more goes to Genesys.
    fn linger(&mut self, now: Timestamp) {
        let cause = self.cause.unwrap_or(EndCause::ConnectionLost);
        if let Some(own) = &mut self.own {
            own.end.get_or_insert(SessionEnd { at: self.placement.in_the_world(now), cause });
        }
        match &self.phase {
            Phase::Running => {}
            // Refused, a probe, or gone before an answer: nobody waits for it.
            Phase::AwaitingOpen | Phase::Joining { .. } => {
                if let Some(mut own) = self.own.clone() {
                    own.phase = SessionPhase::Ended;
                    self.outputs.push_back(Output::Save(own));
                }
                self.phase = Phase::Done;
                self.outputs.push_back(Output::Done);
                return;
            }
            Phase::Lingering { .. } | Phase::Done => return,
        }
        if let Some(own) = &mut self.own {
            own.phase = SessionPhase::Lingering;
            self.outputs.push_back(Output::Save(own.clone()));
        }
        self.phase = Phase::Lingering { until: now + self.config.linger };
        if self.conversation.is_over() {
            self.end(now);
        }
    }

    fn end(&mut self, now: Timestamp) {
        let Some(mut own) = self.own.clone() else { return };
        self.tell_match(now, true);
        let still_paused = self.paused_at.map_or(0, |since| self.position.samples_since(since));
        self.publish(Delivery::SessionEnded(SessionEnded {
            cause: self.cause.unwrap_or(EndCause::ConnectionLost),
            position: self.position,
            frames_received: self.figures.frames_received,
            frames_accepted: self.figures.frames_accepted,
            streamed: Position::from_samples(self.figures.samples_streamed),
            paused: Position::from_samples(self.figures.samples_paused + still_paused),
            ended_at: own.end.map_or(self.placement.in_the_world(now), |end| end.at),
        }));
        own.phase = SessionPhase::Ended;
        self.outputs.push_back(Output::Save(own));
        self.phase = Phase::Done;
        self.outputs.push_back(Output::Done);
    }

    fn publish(&mut self, delivery: Delivery) {
        self.outputs.push_back(Output::Publish(delivery));
    }
}

fn is_held_at(leg: &Leg, at: Timestamp) -> bool {
    leg.holds.iter().any(|hold| hold.from <= at && hold.to.is_none_or(|to| at < to))
}

#[cfg(test)]
mod tests;
