//! Calls against a Sidetone of our own, from the first ring to the verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sidetone_genesys_sim::{Recording, Scenario, Script, Source};
use sidetone_model::Listen;
use sidetone_ports::Clock;
use tempfile::TempDir;
use tokio::task::{JoinError, JoinSet};

use super::evidence::Evidence;
use super::house::{House, Plan};
use super::story::Story;
use crate::args::Plant;
use crate::failure::Failure;
use crate::judge::{Pace, Verdict};
use crate::simulated::Simulated;

/// Time between the beginnings of the first calls, so that they do not run in step.
const STAGGER: Duration = Duration::from_millis(230);

/// Sessions that may wait for their verdict; each holds its audio in memory.
///
/// Judging takes time from the calls that still run, so it waits for their end if it can.
const UNJUDGED_MAX: usize = 150;

/// What to play, and how.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Which stories.
    pub scenarios: Vec<Scenario>,
    /// How often each.
    pub calls: u32,
    /// How many times faster than the world everything runs.
    pub speed: f64,
    /// Where all randomness comes from; the first call of each story has this seed, the next
    /// one the next.
    pub seed: u64,
    /// What is said instead of the built-in voices.
    pub sound: Option<Arc<Recording>>,
    /// How many calls run at once.
    pub concurrency: usize,
    /// A fault, so that the verdict must be no.
    pub plant: Option<Plant>,
    /// Where to keep state and recordings; without it they are removed.
    pub data: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct EmbeddedReport {
    /// Every call is as it has to be, and no rule of Genesys was broken.
    pub ok: bool,
    /// As it was asked for.
    pub seed: u64,
    /// As it was asked for.
    pub speed: f64,
    /// One finding a session, by scenario and seed.
    pub calls: Vec<Verdict>,
    /// The rules of Genesys' platform that Sidetone broke.
    pub violations: Vec<String>,
    /// The same calls in words, in the same order.
    #[serde(skip)]
    pub stories: Vec<Story>,
    /// Where recordings were kept.
    #[serde(skip)]
    pub recordings: Vec<PathBuf>,
}

impl Embedded {
    /// Plays each of some stories once, as fast as the world.
    pub fn new(scenarios: Vec<Scenario>) -> Self {
        Self {
            scenarios,
            calls: 1,
            speed: 1.0,
            seed: 1,
            sound: None,
            concurrency: 20,
            plant: None,
            data: None,
        }
    }

    /// Returns how many calls there will be.
    pub fn call_count(&self) -> u64 {
        self.scenarios.len() as u64 * u64::from(self.calls)
    }

    /// Plays everything and judges it; `over` is told of each call that is.
    ///
    /// Errors: [`Failure`] if something does not even start.
    pub async fn run(&self, over: impl FnMut()) -> Result<EmbeddedReport, Failure> {
        let premises = Premises::open(self.data.as_deref())?;
        let clock = Clock::scaled(self.speed);
        let simulated = Simulated::start(clock).await?;
        let listens: BTreeMap<Mode, Listen> =
            self.scripts().map(|script| (Mode::of(script.listen), script.listen)).collect();
        let mut houses = BTreeMap::new();
        for (mode, listen) in listens {
            let plan = Plan {
                clock,
                simulated: &simulated,
                listen,
                data: &premises.for_mode(mode),
                sound: self.sound.clone().map(Source::File),
                plant: self.plant,
            };
            houses.insert(mode, Arc::new(House::start(plan).await?));
        }
        let mut findings = self.play(clock, &houses, over).await?;
        findings.sort_by_key(|(place, _, _)| *place);
        let recordings = match &premises {
            Premises::Kept(_) => houses.values().map(|house| house.recordings()).collect(),
            Premises::Removed(_) => Vec::new(),
        };
        for house in houses.into_values() {
            if let Some(house) = Arc::into_inner(house) {
                house.stop().await;
            }
        }
        let violations: Vec<String> =
            simulated.platform().violations().iter().map(ToString::to_string).collect();
        simulated.platform().stop().await;
        let mut report = EmbeddedReport {
            ok: violations.is_empty() && findings.iter().all(|(_, verdict, _)| verdict.ok),
            seed: self.seed,
            speed: self.speed,
            calls: Vec::with_capacity(findings.len()),
            violations,
            stories: Vec::with_capacity(findings.len()),
            recordings,
        };
        for (_, verdict, story) in findings {
            report.calls.push(verdict);
            report.stories.push(story);
        }
        Ok(report)
    }

    /// Writes every call, story by story.
    fn scripts(&self) -> impl Iterator<Item = Script> {
        let seeds = move || (0..u64::from(self.calls)).map(|call| self.seed.wrapping_add(call));
        self.scenarios
            .iter()
            .flat_map(move |scenario| seeds().map(move |seed| Script::new(*scenario, seed)))
    }

    async fn play(
        &self,
        clock: Clock,
        houses: &BTreeMap<Mode, Arc<House>>,
        mut over: impl FnMut(),
    ) -> Result<Vec<Finding>, Failure> {
        let mut scripts: Vec<(Place, Script)> =
            self.scripts().enumerate().map(|(call, script)| ((call, 0), script)).collect();
        // The longest first, so that no long one is left alone at the end.
        scripts.sort_by_key(|(_, script)| script.length());
        let mut court =
            Court { pace: Pace::new(self.speed), waiting: Vec::new(), done: Vec::new() };
        let mut calls: JoinSet<Vec<Waiting>> = JoinSet::new();
        let mut stagger = Duration::ZERO;
        loop {
            while calls.len() < self.concurrency.max(1) {
                let Some((place, script)) = scripts.pop() else { break };
                let Some(house) = houses.get(&Mode::of(script.listen)) else { continue };
                let (house, wait) = (Arc::clone(house), stagger);
                stagger += STAGGER;
                calls.spawn(async move {
                    clock.sleep(wait).await;
                    let all = house.play(script).await.into_iter().enumerate();
                    all.map(|(session, evidence)| Waiting {
                        place: (place.0, session),
                        house: Arc::clone(&house),
                        evidence,
                    })
                    .collect()
                });
            }
            // Later calls begin where others end, which is as good.
            stagger = Duration::ZERO;
            let Some(call) = calls.join_next().await else { break };
            over();
            court.waiting.extend(call.map_err(broke_off)?);
            while court.waiting.len() > UNJUDGED_MAX {
                court.judge_one().await?;
            }
        }
        while !court.waiting.is_empty() {
            court.judge_one().await?;
        }
        Ok(court.done)
    }
}

/// The place of a call in the order in which it was asked for, and of a session in the call.
type Place = (usize, usize);

type Finding = (Place, Verdict, Story);

struct Waiting {
    place: Place,
    house: Arc<House>,
    evidence: Evidence,
}

/// Sessions before, and behind, the judge.
struct Court {
    pace: Pace,
    waiting: Vec<Waiting>,
    done: Vec<Finding>,
}

impl Court {
    async fn judge_one(&mut self) -> Result<(), Failure> {
        let Some(Waiting { place, house, evidence }) = self.waiting.pop() else { return Ok(()) };
        let sidecar = house.sidecar(&evidence.report).await;
        let wav = house.wav(&evidence.report).await;
        let pace = self.pace;
        let judging = tokio::task::spawn_blocking(move || evidence.judged(sidecar, wav, pace));
        let (verdict, story) = judging.await.map_err(broke_off)?;
        self.done.push((place, verdict, story));
        Ok(())
    }
}

fn broke_off(error: JoinError) -> Failure {
    Failure::fault("a simulated call broke off").because(error)
}

/// How a system listens, in an order; systems differ in nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Matched,
    Ready,
    Always,
}

impl Mode {
    const fn of(listen: Listen) -> Self {
        match listen {
            Listen::Matched => Self::Matched,
            Listen::Ready => Self::Ready,
            Listen::Always => Self::Always,
        }
    }
}

/// The directory in which the systems live.
enum Premises {
    Kept(PathBuf),
    Removed(TempDir),
}

impl Premises {
    fn open(data: Option<&Path>) -> Result<Self, Failure> {
        if let Some(data) = data {
            return Ok(Self::Kept(data.to_owned()));
        }
        let temporary = tempfile::Builder::new().prefix("sidetone-").tempdir();
        temporary
            .map(Self::Removed)
            .map_err(|error| Failure::fault("cannot make a temporary directory").because(error))
    }

    /// Returns the data directory of a system; the usual one has the place itself.
    fn for_mode(&self, mode: Mode) -> PathBuf {
        let root = match self {
            Self::Kept(path) => path.as_path(),
            Self::Removed(directory) => directory.path(),
        };
        match mode {
            Mode::Matched => root.to_owned(),
            Mode::Ready => root.join("ready"),
            Mode::Always => root.join("always"),
        }
    }
}
