//! The AudioHook client alone, against any server.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sidetone_audiohook_proto::{ConnectFailure, DisconnectReason, EndCause};
use sidetone_genesys_sim::{CallerReport, Recording, Scenario, Script, Stage, Target};
use sidetone_ports::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Time between the beginnings of calls.
const STAGGER: Duration = Duration::from_millis(230);

/// What to play, and to whom.
#[derive(Debug, Clone)]
pub struct TargetRun {
    /// The server.
    pub target: Target,
    /// Which stories; only their audio sessions are played.
    pub scenarios: Vec<Scenario>,
    /// How often each.
    pub calls: u32,
    /// How many times faster than the world the client runs.
    pub speed: f64,
    /// Where all randomness comes from.
    pub seed: u64,
    /// What is said instead of the built-in voices.
    pub sound: Option<Arc<Recording>>,
    /// Whether the calls are the recording, from its beginning to its end.
    pub recording_only: bool,
    /// How many calls run at once.
    pub concurrency: usize,
}

/// What the clients saw.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// Every session was opened and closed in order, and the server made no mistake.
    pub ok: bool,
    /// As it was asked for, or drawn.
    pub seed: u64,
    /// As it was asked for.
    pub speed: f64,
    /// One a session.
    pub calls: Vec<TargetCall>,
}

/// What one client saw.
#[derive(Debug, Clone, Serialize)]
pub struct TargetCall {
    /// The scenario's name.
    pub scenario: String,
    /// What makes the same call again.
    pub seed: u64,
    /// The conversation; null digits for a probe.
    pub conversation_id: String,
    /// The audio session.
    pub session_id: String,
    /// From `open` to `opened`; absent if it never came.
    pub opened_ms: Option<u64>,
    /// Whether the server began paused.
    pub began_paused: bool,
    /// How often the client connected.
    pub attempts: u32,
    /// Binary messages that the client sent.
    pub frames_sent: u64,
    /// How much media that was.
    pub sent_ms: u64,
    /// How long the stream was paused, by either side.
    pub paused_ms: u64,
    /// The slowest answer to a `ping`; absent if there was none.
    pub pong_ms_max: Option<u64>,
    /// How the session ended.
    pub end: String,
    /// All of it is as it has to be.
    pub ok: bool,
    /// How the server broke the protocol, each in a sentence.
    pub faults: Vec<String>,
}

impl TargetRun {
    /// Returns how many calls there will be.
    pub fn call_count(&self) -> u64 {
        self.scripts().count() as u64
    }

    /// Plays everything; `over` is told of each call that is.
    ///
    /// Errors: [`Failure`] if a call breaks off in a way that no server can bring about.
    pub async fn run(&self, mut over: impl FnMut()) -> Result<TargetReport, Failure> {
        let stage = Stage {
            clock: Clock::paced(self.speed),
            target: self.target.clone(),
            platform: None,
            sound: None,
            administrator: None,
        };
        let mut scripts = self.scripts().enumerate();
        let mut running = JoinSet::new();
        let mut found: Vec<(usize, Vec<TargetCall>)> = Vec::new();
        let mut stagger = Duration::ZERO;
        loop {
            while running.len() < self.concurrency.max(1) {
                let Some((place, script)) = scripts.next() else { break };
                let (stage, wait) = (stage.clone(), stagger);
                stagger += STAGGER;
                running.spawn(async move {
                    stage.clock.sleep(wait).await;
                    (place, stage.play(script, &CancellationToken::new()).await)
                });
            }
            stagger = Duration::ZERO;
            let Some(played) = running.join_next().await else { break };
            let (place, played) = played
                .map_err(|error| Failure::fault("a simulated call broke off").because(error))?;
            let seed = played.script.seed;
            let calls = played.sessions.iter();
            found.push((
                place,
                calls.map(|one| TargetCall::of(played.scenario, seed, one)).collect(),
            ));
            over();
        }
        found.sort_by_key(|(place, _)| *place);
        let calls: Vec<TargetCall> = found.into_iter().flat_map(|(_, calls)| calls).collect();
        let ok = calls.iter().all(|call| call.ok);
        Ok(TargetReport { ok, seed: self.seed, speed: self.speed, calls })
    }

    fn scripts(&self) -> impl Iterator<Item = Script> {
        let only = self.sound.clone().filter(|_| self.recording_only);
        let scenarios = match &only {
            Some(_) => vec![Scenario::EventFirst],
            None => self.scenarios.clone(),
        };
        let (calls, first, sound) = (u64::from(self.calls), self.seed, self.sound.clone());
        scenarios.into_iter().flat_map(move |scenario| {
            let (only, sound) = (only.clone(), sound.clone());
            (0..calls).map(move |call| {
                let seed = first.wrapping_add(call);
                match (&only, &sound) {
                    (Some(recording), _) => Script::of_recording(Arc::clone(recording), seed),
                    (None, Some(sound)) => {
                        let sound = sidetone_genesys_sim::Source::File(Arc::clone(sound));
                        Script::new(scenario, seed).with_sound(sound)
                    }
                    (None, None) => Script::new(scenario, seed),
                }
            })
        })
    }
}

impl TargetCall {
    fn of(scenario: Scenario, seed: u64, report: &CallerReport) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_micros().div_ceil(1_000)).ok();
        let total = |stretches: &[sidetone_genesys_sim::Stretch]| {
            stretches.iter().map(|stretch| stretch.millis()).sum()
        };
        Self {
            scenario: scenario.as_str().to_owned(),
            seed,
            conversation_id: report.conversation.to_string(),
            session_id: report.session.to_string(),
            opened_ms: report.opened_after.and_then(millis),
            began_paused: report.began_paused,
            attempts: report.attempts,
            frames_sent: report.frames_sent,
            sent_ms: total(&report.sent),
            paused_ms: total(&report.paused),
            pong_ms_max: report.round_trips().max().and_then(millis),
            end: end_name(report.end),
            ok: report.is_clean(),
            faults: report.faults.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Says in words how a session ended.
fn end_name(end: EndCause) -> String {
    match end {
        EndCause::Completed => "completed".to_owned(),
        EndCause::Disconnected(reason) => {
            let reason = match reason {
                DisconnectReason::Completed => "completed",
                DisconnectReason::Unauthorized => "unauthorized",
                DisconnectReason::Error => "error",
                DisconnectReason::Rejected => "rejected",
            };
            format!("disconnected by the server: {reason}")
        }
        EndCause::ConnectFailed(ConnectFailure::HostUnavailable) => "nobody listens there".into(),
        EndCause::ConnectFailed(ConnectFailure::Refused { status }) => {
            format!("refused with status {status}")
        }
        EndCause::ConnectFailed(ConnectFailure::Broken) => "the upgrade broke off".into(),
        EndCause::ConnectFailed(ConnectFailure::Timeout) => "no answer to the upgrade".into(),
        EndCause::ConnectionLost => "the connection was lost".to_owned(),
        EndCause::OpenTimeout => "no answer to open".to_owned(),
        EndCause::PongTimeout => "no answer to a ping".to_owned(),
        EndCause::CloseTimeout => "no answer to close".to_owned(),
        EndCause::Fault { code } => format!("ended by the client with {code}"),
        EndCause::Abandoned => "abandoned".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sidetone_audiohook_proto::{KeyId, Secret};

    use super::*;
    use crate::organization::SIMULATED_ORGANIZATION;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_no_success() {
        // A port that was just free, so that nobody listens on it.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let secret = Secret::from_base64("TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=").unwrap();
        let url = format!("ws://{free}/audiohook/ws");
        let key = KeyId::new("key");
        let run = TargetRun {
            target: Target::new(&url, SIMULATED_ORGANIZATION, key, Some(secret)).unwrap(),
            scenarios: vec![Scenario::Probe, Scenario::Twins],
            calls: 2,
            speed: 50.0,
            seed: 4,
            sound: None,
            recording_only: false,
            concurrency: 3,
        };
        let mut over = 0;
        let report = run.run(|| over += 1).await.unwrap();
        assert_eq!((report.ok, over, run.call_count()), (false, 4, 4));
        let calls: Vec<(&str, u64)> =
            report.calls.iter().map(|call| (call.scenario.as_str(), call.seed)).collect();
        assert_eq!(
            calls,
            [("probe", 4), ("probe", 5), ("twins", 4), ("twins", 4), ("twins", 5), ("twins", 5)]
        );
        assert!(report.calls.iter().all(|call| call.end == "nobody listens there"));
    }
}
