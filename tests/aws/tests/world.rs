//! What every test stands in: the deployed stacks, and the Genesys Cloud that they know.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sidetone_audiohook_proto::{ClientConfig, RetryPolicy};
use sidetone_genesys_sim::{CallerPlan, Platform, Scenario, Script, Target};
use sidetone_model::{Position, Timestamp};
use sidetone_ports::Clock;
use sidetone_ports_aws::Aws;
use sidetone_tests_aws::{Addresses, Cloud, Stack};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::client::Knock;

/// How long anything may take that the tests wait for: a schedule's minute, and more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Sessions at once for which everything is warm before the tests begin.
const WARMED: usize = 4;

/// How often they look.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Everything there is.
pub(crate) struct World {
    pub(crate) at: Addresses,
    pub(crate) cloud: Cloud,
    pub(crate) aws: Aws,
    pub(crate) clock: Clock,
    pub(crate) platform: Platform,
    /// Held by whoever changes the stack's secrets, so that a rotation by hand, which takes
    /// several steps, is nobody else's affair.
    pub(crate) secrets: Mutex<()>,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads")
});

static WORLD: LazyLock<World> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let world = World::find().await;
        world.warmed().await;
        world
    })
});

/// Runs a test on what is deployed.
pub(crate) fn deployed<F: Future<Output = ()>>(test: impl FnOnce(&'static World) -> F) {
    let world = &*WORLD;
    RUNTIME.block_on(test(world));
}

impl World {
    async fn find() -> Self {
        let at = Addresses::of_environment().unwrap_or_else(|error| panic!("{error}"));
        let cloud = at.cloud().expect("an HTTP client");
        let aws = Aws::connect().await.expect("aws-local sets a region");
        let clock = Clock::system();
        let platform = at.genesys.start(clock).await.expect("nobody else plays Genesys Cloud");
        // Not only a minute after the deployment, which is when the schedules begin.
        for function in ["TrackerFunction", "SweepFunction"] {
            let name = at.stack.output(function).expect("an output");
            cloud.start(name).await.expect("it starts");
        }
        Self { at, cloud, aws, clock, platform, secrets: Mutex::default() }
    }

    /// Returns the stack as it is by default.
    pub(crate) const fn stack(&self) -> &Stack {
        &self.at.stack
    }

    /// Returns its API Gateway door, for the simulated Genesys Cloud.
    pub(crate) fn api_target(&self) -> Target {
        self.at.genesys.target(&self.stack().api_door).expect("an address")
    }

    /// Returns its ALB door.
    pub(crate) fn audio_url(&self) -> &str {
        self.stack().audio_door.as_deref().expect("the ALB door runs")
    }

    /// Returns the ALB door, for the simulated Genesys Cloud.
    pub(crate) fn audio_target(&self) -> Target {
        self.at.genesys.target(self.audio_url()).expect("an address")
    }

    /// Plans a session that is played from `begins` on as Genesys plays it.
    pub(crate) fn plan(config: ClientConfig, begins: Timestamp, length: Duration) -> CallerPlan {
        CallerPlan {
            config,
            begins,
            connects_at: begins,
            ends: begins + length,
            cues: Vec::new(),
            sound: Script::new(Scenario::Answered, 1).sound,
            sound_from: Position::ZERO,
            retries: RetryPolicy::default(),
        }
    }

    /// Waits until some sessions at once are opened by every door: what stands behind a door
    /// has to have started, and environments of functions start slowly on a busy machine.
    async fn warmed(&self) {
        let stack = self.stack();
        let doors = [Some(&stack.api_door), stack.audio_door.as_ref(), stack.always_door.as_ref()];
        for door in doors.into_iter().flatten() {
            until(&format!("{door} opens sessions"), async || {
                let opening =
                    (0..WARMED).map(async |_| Knock::at(self, door).is_opened(self).await);
                let opened = join_all(opening).await;
                opened.into_iter().all(|opened| opened).then_some(())
            })
            .await;
        }
    }

    /// Waits until the deployed tracker listens to Genesys Cloud.
    pub(crate) async fn tracked(&self) {
        let listens = async || {
            let stats = self.platform.stats();
            (stats.sockets_open > 0 && stats.topics > 0).then_some(())
        };
        until("the tracker listens", listens).await;
    }

    /// Returns the lines that a function of a stack has logged, as objects where they are.
    pub(crate) async fn log_of(&self, stack: &Stack, function: &str) -> Vec<String> {
        let group = format!("/sidetone/{}/{function}", stack.name);
        let (mut lines, mut next) = (Vec::new(), Value::Null);
        loop {
            let mut question = json!({ "logGroupName": group, "limit": 10_000 });
            if !next.is_null() {
                question["nextToken"] = next;
            }
            let target = "Logs_20140328.FilterLogEvents";
            let answer = self.cloud.json("logs", target, &question).await.expect("logs");
            let events = answer["events"].as_array().cloned().unwrap_or_default();
            let some = !events.is_empty();
            let messages = events.iter().filter_map(|event| event["message"].as_str());
            lines.extend(messages.map(str::to_owned));
            next = answer["nextToken"].clone();
            if next.is_null() || !some {
                return lines;
            }
        }
    }
}

/// Waits until something is there.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
