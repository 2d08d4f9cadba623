//! Where scripts are played: a clock, a server to call, and perhaps a platform.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::future::{join, join_all};
use sidetone_audiohook_proto::{ClientConfig, RetryPolicy};
use sidetone_model::{
    Adaptor, AgentId, ConversationId, ConversationKey, ParticipantId, Pii, SessionId, Timestamp,
};
use sidetone_ports::Clock;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::course::{Course, cut_short};
use crate::caller::{CallerPlan, CallerReport, Cue, Deed, Target, call};
use crate::conversation::Conversation;
use crate::platform::{Delivery, Platform};
use crate::script::{AudioScript, Expected, Scenario, Script, Trouble, Truth};
use crate::voice::Source;

/// A probe ends by itself; this is for one that gets no answer.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// Provisions an agent on another telephony platform, as an administrator would.
pub type Administrator = Arc<dyn Fn(AgentId, Adaptor) -> BoxFuture<'static, ()> + Send + Sync>;

/// Where scripts are played; cheap to copy.
#[derive(Clone)]
pub struct Stage {
    /// The clock of everything.
    pub clock: Clock,
    /// The server that gets the audio.
    pub target: Target,
    /// The platform that tells of the calls; without one there is audio only.
    pub platform: Option<Platform>,
    /// What is heard instead of the built-in voices.
    pub sound: Option<Source>,
    /// Who moves agents; without one they stay.
    pub administrator: Option<Administrator>,
}

/// A call that was played.
#[derive(Debug, Clone)]
pub struct Played {
    /// Which story it was.
    pub scenario: Scenario,
    /// The script.
    pub script: Script,
    /// The conversation; the sessions of a probe do not name it.
    pub conversation: ConversationId,
    /// When the call began, by the stage's clock: the zero of the script's times.
    pub begun_at: Timestamp,
    /// What is true of it; one entry per session of the script.
    pub truth: Truth,
    /// What came of each session, in the same order.
    pub sessions: Vec<CallerReport>,
    /// Whether it was stopped before its end, so that the truth does not hold.
    pub cut_short: bool,
}

impl Stage {
    /// Plays a script to its end, or until `stop` says that it ends here.
    pub async fn play(&self, script: Script, stop: &CancellationToken) -> Played {
        self.play_with(script, stop, |_, _| {}).await
    }

    /// Plays a script to its end as a given conversation, which another organization may have
    /// too.
    pub async fn play_as(
        &self,
        conversation: ConversationId,
        script: Script,
        stop: &CancellationToken,
    ) -> Played {
        self.perform(conversation, script, stop, |_, _| {}).await
    }

    /// Plays a script whose sessions a test changes first: `change` gets each one's place in
    /// the script and its plan.
    pub async fn play_with(
        &self,
        script: Script,
        stop: &CancellationToken,
        change: impl Fn(usize, &mut CallerPlan),
    ) -> Played {
        self.perform(ConversationId::new(new_id()), script, stop, change).await
    }

    async fn perform(
        &self,
        conversation: ConversationId,
        script: Script,
        stop: &CancellationToken,
        change: impl Fn(usize, &mut CallerPlan),
    ) -> Played {
        let script = match &self.sound {
            Some(sound) => script.with_sound(sound.clone()),
            None => script,
        };
        // Genesys writes milliseconds, so the truth is in milliseconds too.
        let begun_at = Timestamp::from_millis(self.clock.steady().as_millis());
        let key = ConversationKey { organization: self.target.organization(), conversation };
        let course = Course::render(&script, key, begun_at)
            .expect("the tests play every scenario, so scripts fit the calls they describe");
        let participant = ParticipantId::new(course.participant.hyphenated().to_string());
        let sessions = script.sessions.iter().enumerate().map(|(place, session)| {
            let mut plan = self.plan(&script, session, key, &participant, begun_at);
            change(place, &mut plan);
            call(self.clock, &self.target, plan, stop.clone())
        });
        let (sessions, ()) =
            join(join_all(sessions), self.tell(course, script.scenario, stop)).await;
        Played {
            scenario: script.scenario,
            truth: script.truth(),
            script,
            conversation,
            begun_at,
            sessions,
            cut_short: stop.is_cancelled(),
        }
    }

    /// Publishes the course of the call.
    async fn tell(&self, course: Course, scenario: Scenario, stop: &CancellationToken) {
        let Some(platform) = &self.platform else { return };
        let two_sources = scenario == Scenario::TwoSources;
        let mut last: Option<Conversation> = None;
        for notice in course.notices {
            let waiting = self.clock.sleep_until(notice.at);
            if stop.run_until_cancelled(waiting).await.is_none() {
                let now = self.clock.steady().max(course.begun_at);
                if let Some(end) = last.and_then(|conversation| cut_short(conversation, now)) {
                    platform.publish(&end, Duration::ZERO);
                }
                return;
            }
            match notice.trouble {
                Some(Trouble::Moves(person, adaptor)) => {
                    if let Some(administrator) = &self.administrator {
                        administrator(person.agent(), adaptor).await;
                    }
                }
                Some(trouble) => strike(platform, trouble),
                None if two_sources => {
                    for event in notice.conversation.bus_events_since(last.as_ref()) {
                        platform.put_on_bus(&event);
                    }
                    platform.publish_by(&notice.snapshot, Delivery::twice(notice.lag));
                }
                None if notice.lost => platform.publish_by(&notice.snapshot, Delivery::lost()),
                None => platform.publish(&notice.snapshot, notice.lag),
            }
            last = Some(notice.conversation);
        }
    }

    fn plan(
        &self,
        script: &Script,
        session: &AudioScript,
        key: ConversationKey,
        participant: &ParticipantId,
        begun_at: Timestamp,
    ) -> CallerPlan {
        let begins = begun_at + session.begins;
        let id = SessionId::new(new_id());
        let (mut config, ends) = if session.expected == Expected::Probe {
            (ClientConfig::probe(id, key.organization), begins + PROBE_LIMIT)
        } else {
            let (organization, conversation) = (key.organization, key.conversation);
            let config = ClientConfig::call(id, organization, conversation, participant.clone());
            (config, begun_at + session.ends)
        };
        if session.expected != Expected::Probe {
            let customer = &script.customer;
            config.open.participant.ani = Pii::new(customer.ani.clone());
            config.open.participant.ani_name = Pii::new(customer.name.clone());
            config.open.participant.dnis = Pii::new(customer.dnis.clone());
            config.open.language = Some("en-US".to_owned());
        }
        config.frame = session.frame;
        CallerPlan {
            config,
            begins,
            connects_at: begins + session.connects_after,
            ends,
            cues: cues(session, begins),
            sound: script.sound.clone(),
            sound_from: script.sound_from(session),
            retries: RetryPolicy::default(),
        }
    }
}

fn strike(platform: &Platform, trouble: Trouble) {
    match trouble {
        Trouble::SocketsFallSilent => platform.stall_sockets(),
        Trouble::SocketsBreak => platform.kill_sockets(),
        Trouble::ChannelsExpire => platform.expire_channels(),
        Trouble::TokensRevoked => platform.revoke_tokens(),
        // Not the platform's affair.
        Trouble::Moves(..) => {}
    }
}

/// What the client does of its own accord, in order of time.
fn cues(session: &AudioScript, begins: Timestamp) -> Vec<Cue> {
    let mut cues = Vec::new();
    for pause in &session.pauses {
        for (position, deed) in [(pause.from, Deed::Pause), (pause.to, Deed::Resume)] {
            cues.push(Cue { at: begins + position.as_duration(), deed });
        }
    }
    for discard in &session.discards {
        let length = discard.stretch.to.as_duration() - discard.stretch.from.as_duration();
        let deed = Deed::Discard { length, stuck: discard.stuck };
        cues.push(Cue { at: begins + discard.stretch.from.as_duration(), deed });
    }
    cues.sort_by_key(|cue| cue.at);
    cues
}

fn new_id() -> Uuid {
    // Random and not from the seed: one seed may be played twice against one store.
    Uuid::new_v4()
}
