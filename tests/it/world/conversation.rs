//! A conversation as the test wishes it: told by the platform, heard by simulated callers.

use std::time::Duration;

use sidetone_audiohook_proto::{ClientConfig, RetryPolicy};
use sidetone_genesys_sim::{
    CallerPlan, CallerReport, Conversation, Customer, Person, Platform, Queue, SimUser, Target,
    Who, call,
};
use sidetone_model::{
    ConversationId, ConversationKey, ParticipantId, Position, SessionId, Timestamp,
};
use sidetone_ports::Clock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::site::{ORGANIZATION, Running, Site};
use super::sound::source;

/// What a neighbour says at least, in frames.
const TALK_FRAMES_MIN: usize = 5;

/// How long a caller talks at most; tests end their calls long before.
const TALK_MAX: Duration = Duration::from_secs(600);

/// A conversation whose steps the platform tells of at once.
pub(crate) struct LiveCall {
    clock: Clock,
    platform: Platform,
    conversation: Conversation,
}

impl LiveCall {
    /// A customer calls and waits in a queue.
    pub(crate) fn begin(site: &Site) -> Self {
        let conversation = ConversationId::new(Uuid::new_v4());
        let key = ConversationKey { organization: ORGANIZATION, conversation };
        let customer = Customer {
            name: "Springfield, XX".to_owned(),
            ani: "+15555550100".to_owned(),
            dnis: "+15555550199".to_owned(),
        };
        let queue = Queue { id: Uuid::new_v4(), name: "A queue".to_owned(), auto_answer: false };
        let clock = site.clock;
        let mut conversation = Conversation::inbound(key, customer, queue, now(clock));
        conversation.enter_queue(now(clock));
        let live = Self { clock, platform: site.platform.clone(), conversation };
        live.publish();
        live
    }

    /// Returns which conversation it is.
    pub(crate) fn id(&self) -> ConversationId {
        self.conversation.key().conversation
    }

    /// An agent's phone rings.
    pub(crate) fn ring(&mut self, person: &Person) {
        self.conversation.ring(&person.sim_user(), now(self.clock));
        self.publish();
    }

    /// The agent answers; returns when.
    pub(crate) fn answer(&mut self, person: &Person) -> Timestamp {
        let at = now(self.clock);
        self.conversation.answer(person.id, at).expect("it rings");
        self.publish();
        at
    }

    /// The platform takes the call back from an agent who does not answer.
    pub(crate) fn no_answer(&mut self, person: &Person) {
        self.conversation.no_answer(person.id, now(self.clock)).expect("it rings");
        self.publish();
    }

    /// Anybody at all is rung and answers, whether or not the cast knows them.
    pub(crate) fn is_answered_by(&mut self, user: &SimUser) {
        self.conversation.ring(user, now(self.clock));
        self.publish();
        self.conversation.answer(user.id, now(self.clock)).expect("it rings");
        self.publish();
    }

    /// The agent presses hold.
    pub(crate) fn hold(&mut self, person: &Person) -> Timestamp {
        let at = now(self.clock);
        self.conversation.hold(person.id, at).expect("connected");
        self.publish();
        at
    }

    /// The agent comes back.
    pub(crate) fn retrieve(&mut self, person: &Person) {
        self.conversation.retrieve(person.id, now(self.clock)).expect("connected");
        self.publish();
    }

    /// The customer hangs up; returns when.
    pub(crate) fn hang_up(&mut self) -> Timestamp {
        let at = now(self.clock);
        self.conversation.hang_up(Who::Customer, at).expect("on the call");
        self.conversation.terminate();
        self.publish();
        at
    }

    fn publish(&self) {
        self.platform.publish(&self.conversation.snapshot(), Duration::ZERO);
    }
}

/// Genesys writes milliseconds, so nothing here is more exact.
fn now(clock: Clock) -> Timestamp {
    Timestamp::from_millis(clock.now().as_millis())
}

/// The simulated AudioHook client, on a call of its own, until it is told to end.
pub(crate) struct SimCaller {
    pub(crate) session: SessionId,
    /// When its media began.
    pub(crate) begins: Timestamp,
    stop: CancellationToken,
    report: JoinHandle<CallerReport>,
}

impl SimCaller {
    /// Calls, as `conversation`, and says what everybody says in these tests.
    pub(crate) fn call(site: &Site, target: Target, conversation: ConversationId) -> Self {
        Self::call_with(site, target, conversation, |_| {})
    }

    /// Calls with a plan that a test changes first.
    pub(crate) fn call_with(
        site: &Site,
        target: Target,
        conversation: ConversationId,
        change: impl FnOnce(&mut CallerPlan),
    ) -> Self {
        let session = SessionId::new(Uuid::new_v4());
        let participant = ParticipantId::new(Uuid::new_v4().to_string());
        let begins = site.clock.now();
        let mut plan = CallerPlan {
            config: ClientConfig::call(session, ORGANIZATION, conversation, participant),
            begins,
            connects_at: begins,
            ends: begins + TALK_MAX,
            cues: Vec::new(),
            sound: source(),
            sound_from: Position::ZERO,
            retries: RetryPolicy { retries_max: 0, ..RetryPolicy::default() },
        };
        change(&mut plan);
        let (stop, clock) = (CancellationToken::new(), site.clock);
        let stopped = stop.clone();
        let report = tokio::spawn(async move { call(clock, &target, plan, stopped).await });
        Self { session, begins, stop, report }
    }

    /// Hangs up, and returns what came of it.
    pub(crate) async fn end(self) -> CallerReport {
        self.stop.cancel();
        self.report.await.expect("the simulated client does not panic")
    }
}

/// Waits until some frames of a session are in the stream.
pub(crate) async fn delivered(site: &Site, session: SessionId, frames: usize) {
    let data = site.data();
    super::until("an agent's audio is in the stream", || async {
        let ledger = super::Ledger::read(&data).await;
        (ledger.audio(session).len() >= frames).then_some(())
    })
    .await;
}

/// A call that runs beside what a test does, to see that it takes no harm.
pub(crate) struct Neighbour {
    call: LiveCall,
    caller: SimCaller,
    agent: &'static Person,
    answered_at: Timestamp,
}

impl Neighbour {
    /// Begins a call, and waits until an agent talks on it.
    pub(crate) async fn begin(site: &Site, running: &Running, agent: &'static Person) -> Self {
        let mut call = LiveCall::begin(site);
        let caller = SimCaller::call(site, site.target(running), call.id());
        running.session_is(caller.session, "paused").await;
        call.ring(agent);
        running.session_is(caller.session, "listening").await;
        let answered_at = call.answer(agent);
        Self { call, caller, agent, answered_at }
    }

    /// Returns which conversation it is.
    pub(crate) fn conversation(&self) -> ConversationId {
        self.call.id()
    }

    /// Ends the call, and asserts that every word of it was delivered and recorded.
    pub(crate) async fn takes_no_harm(mut self, site: &Site, running: &Running) {
        delivered(site, self.caller.session, TALK_FRAMES_MIN).await;
        let ended_at = self.call.hang_up();
        running.session_is(self.caller.session, "paused").await;
        let (session, begins) = (self.caller.session, self.caller.begins);
        let report = self.caller.end().await;
        assert!(report.is_clean(), "{report:#?}");
        running.recorded(session).await;
        let data = site.data();
        let ledger = super::Ledger::read(&data).await;
        super::assert_talk_is_delivered(
            &ledger,
            session,
            &self.agent.agent(),
            self.answered_at.since(begins)..ended_at.since(begins),
        );
        super::assert_recording_is_exact(&data, &ledger, session);
    }
}
