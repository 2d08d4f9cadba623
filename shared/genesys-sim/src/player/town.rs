//! A town whose people call all day: simulated traffic that does not end.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidetone_model::UserId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::stage::{Played, Stage};
use crate::script::{Scenario, Script};

/// How often another agent is looked for if the one in a script is busy.
const TRIES_MAX: usize = 16;

/// The shortest time between two calls.
const GAP_MIN: Duration = Duration::from_millis(500);

/// Who calls how often.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Where the randomness begins.
    pub seed: u64,
    /// Mean time between two calls.
    pub gap: Duration,
    /// Calls at a time; beyond that callers hear an engaged tone.
    pub calls_max: usize,
    /// The stories to choose from, the likelier ones several times.
    pub scenarios: Vec<Scenario>,
}

impl Default for Traffic {
    /// A small contact center on an ordinary day: most calls are answered.
    fn default() -> Self {
        use Scenario::{
            Abandoned, Answered, Hold, LateEvent, Outbound, Queued, SecurePause, Transfer,
            TransferAway, UnknownAgent,
        };
        let scenarios = vec![
            Answered,
            Answered,
            Answered,
            Queued,
            Hold,
            Hold,
            Transfer,
            TransferAway,
            Outbound,
            LateEvent,
            SecurePause,
            Abandoned,
            UnknownAgent,
        ];
        Self { seed: 1, gap: Duration::from_secs(6), calls_max: 6, scenarios }
    }
}

/// Endless traffic on a stage.
pub struct Town {
    stage: Stage,
    traffic: Traffic,
    random: ChaCha8Rng,
    count: u64,
}

impl Town {
    /// Founds a town.
    pub fn new(stage: Stage, traffic: Traffic) -> Self {
        let random = ChaCha8Rng::seed_from_u64(traffic.seed);
        Self { stage, traffic, random, count: 0 }
    }

    /// Lets people call until `stop`, then lets every call hang up; tells of each call that
    /// is over. The first call comes at once and is soon answered.
    pub async fn live(mut self, stop: CancellationToken, mut over: impl FnMut(Played)) {
        let mut calls = JoinSet::new();
        let mut talking: BTreeSet<(u64, UserId)> = BTreeSet::new();
        let mut next_at = self.stage.clock.steady();
        while !stop.is_cancelled() {
            let clock = self.stage.clock;
            tokio::select! {
                () = stop.cancelled() => {}
                Some(done) = calls.join_next(), if !calls.is_empty() => {
                    finished(done, &mut talking, &mut over);
                }
                () = clock.sleep_until(next_at) => {
                    next_at = clock.steady() + self.gap();
                    if calls.len() < self.traffic.calls_max {
                        self.ring(&mut calls, &mut talking, &stop);
                    }
                }
            }
        }
        while let Some(done) = calls.join_next().await {
            finished(done, &mut talking, &mut over);
        }
    }

    /// Starts one more call.
    fn ring(
        &mut self,
        calls: &mut JoinSet<(u64, Played)>,
        talking: &mut BTreeSet<(u64, UserId)>,
        stop: &CancellationToken,
    ) {
        let script = self.next_script(talking);
        let number = self.count;
        talking.extend(script.people().map(|person| (number, person.id)));
        let (stage, stop) = (self.stage.clone(), stop.clone());
        calls.spawn(async move { (number, stage.play(script, &stop).await) });
    }

    fn next_script(&mut self, talking: &BTreeSet<(u64, UserId)>) -> Script {
        let first = self.count == 0;
        self.count += 1;
        let busy: BTreeSet<UserId> = talking.iter().map(|(_, user)| *user).collect();
        if first {
            // Whoever watches should see a call with somebody on it soon.
            return Script::prompt(self.random.random());
        }
        let choice = self.random.random_range(0..self.traffic.scenarios.len().max(1));
        let scenario = self.traffic.scenarios.get(choice).copied().unwrap_or(Scenario::Answered);
        let mut script = Script::new(scenario, self.random.random());
        for _ in 1..TRIES_MAX {
            if script.people().all(|person| !busy.contains(&person.id)) {
                break;
            }
            script = Script::new(scenario, self.random.random());
        }
        script
    }

    /// Draws the time to the next call, as independent callers make it.
    fn gap(&mut self) -> Duration {
        let chance: f64 = self.random.random_range(0.001..1.0);
        self.traffic.gap.mul_f64(-chance.ln()).max(GAP_MIN)
    }
}

fn finished(
    done: Result<(u64, Played), tokio::task::JoinError>,
    talking: &mut BTreeSet<(u64, UserId)>,
    over: &mut impl FnMut(Played),
) {
    match done {
        Ok((number, played)) => {
            talking.retain(|(call, _)| *call != number);
            over(played);
        }
        Err(error) => tracing::error!(%error, "a simulated call broke off"),
    }
}
