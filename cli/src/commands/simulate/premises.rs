//! The systems of one simulation and the directory in which they live.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidetone_genesys_sim::{Scenario, Script, Source};
use sidetone_model::Listen;
use sidetone_ports::Clock;
use sidetone_tracking::Lags;
use tempfile::TempDir;

use super::house::{House, Plan};
use super::weather::Weather;
use crate::args::Plant;
use crate::failure::Failure;
use crate::simulated::Simulated;

/// One platform and, for each way of listening that is needed, one system.
pub(super) struct Premises {
    pub(super) clock: Clock,
    pub(super) weather: Weather,
    simulated: Simulated,
    lags: Lags,
    houses: BTreeMap<Mode, Arc<House>>,
    /// How to build houses for calls that stand alone; a stack cannot be built twice.
    own: Option<Own>,
    /// Whether recordings stay where they lie.
    keeps: bool,
    _removed: Option<TempDir>,
}

/// What houses with a platform of their own are built from, and what is left of them.
struct Own {
    root: PathBuf,
    sound: Option<Source>,
    plant: Option<Plant>,
    built: usize,
    violations: Vec<String>,
    recordings: Vec<PathBuf>,
}

/// What to build.
pub(super) struct Wanted<'a> {
    pub(super) speed: f64,
    pub(super) listens: Vec<Listen>,
    pub(super) data: Option<&'a Path>,
    pub(super) sound: Option<Source>,
    pub(super) plant: Option<Plant>,
}

impl Premises {
    /// Starts everything.
    pub(super) async fn open(wanted: Wanted<'_>) -> Result<Self, Failure> {
        let removed = match wanted.data {
            Some(_) => None,
            None => Some(temporary_directory()?),
        };
        let root = removed.as_ref().map(TempDir::path).or(wanted.data).unwrap_or(Path::new("data"));
        let clock = Clock::scaled(wanted.speed);
        let weather = Weather::watch(clock);
        let simulated = Simulated::start(clock).await?;
        let lags = Lags::default();
        let mut houses = BTreeMap::new();
        let modes: BTreeMap<Mode, Listen> =
            wanted.listens.into_iter().map(|listen| (Mode::of(listen), listen)).collect();
        for (mode, listen) in modes {
            let plan = Plan {
                clock,
                simulated: &simulated,
                neighbour: None,
                weather: &weather,
                listen,
                data: &mode.directory(root),
                sound: wanted.sound.clone(),
                plant: wanted.plant,
                lags: &lags,
            };
            houses.insert(mode, Arc::new(House::start(plan).await?));
        }
        let keeps = removed.is_none();
        let own = Some(Own {
            root: root.to_owned(),
            sound: wanted.sound,
            plant: wanted.plant,
            built: 0,
            violations: Vec::new(),
            recordings: Vec::new(),
        });
        Ok(Self { clock, weather, simulated, lags, houses, own, keeps, _removed: removed })
    }

    /// Starts the simulated platform that a deployed stack follows, and
    /// waits until the stack's tracker hears it.
    #[cfg(feature = "aws")]
    pub(super) async fn deployed(
        stack: &crate::stack::Stack,
        doors: &[crate::args::DoorAddress],
        relay: Option<sidetone_genesys_sim::Relay>,
        listens: Vec<Listen>,
    ) -> Result<Self, Failure> {
        let clock = Clock::system();
        let weather = Weather::watch(clock);
        let simulated = stack.simulated(clock).await?;
        let mut houses = BTreeMap::new();
        for listen in listens {
            let mode = Mode::of(listen);
            if houses.contains_key(&mode) {
                continue;
            }
            let named = doors.iter().find(|door| Mode::of(door.listen) == mode);
            let door = match named {
                Some(door) => &door.url,
                None => stack.audio_uri(listen)?,
            };
            let house = House::deployed(clock, &simulated, stack, door, relay.clone()).await?;
            houses.insert(mode, Arc::new(house));
        }
        simulated.is_listened_to().await?;
        let lags = Lags::default();
        let (own, keeps, _removed) = (None, false, None);
        Ok(Self { clock, weather, simulated, lags, houses, own, keeps, _removed })
    }

    /// Returns whether the system runs here, and not as a stack.
    pub(super) const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Returns the system in which a call is played: the one that listens so, or one that is
    /// built for a call that stands alone. Nothing if there is none.
    pub(super) async fn house(&mut self, script: &Script) -> Result<Option<Arc<House>>, Failure> {
        if !script.scenario.stands_alone() {
            return Ok(self.houses.get(&Mode::of(script.listen)).cloned());
        }
        let Some(own) = &mut self.own else { return Ok(None) };
        own.built += 1;
        let data = own.root.join(format!("alone-{}", own.built));
        let simulated = Simulated::start(self.clock).await?;
        let neighbour = if script.scenario == Scenario::TwoOrgs {
            Some(Simulated::start_neighbour(self.clock).await?)
        } else {
            None
        };
        let plan = Plan {
            clock: self.clock,
            simulated: &simulated,
            neighbour: neighbour.as_ref(),
            weather: &self.weather,
            listen: script.listen,
            data: &data,
            sound: own.sound.clone(),
            plant: own.plant,
            lags: &self.lags,
        };
        let house = House::start(plan).await?;
        let own = std::iter::once(simulated).chain(neighbour).collect();
        Ok(Some(Arc::new(house.owning(own))))
    }

    /// Returns where it is noted how late call events are.
    pub(super) const fn lags(&self) -> &Lags {
        &self.lags
    }

    /// Pulls a house down that stood alone, once nobody needs it any longer.
    pub(super) async fn leave(&mut self, house: Arc<House>) {
        let Some(own) = self.own.as_mut().filter(|_| house.stands_alone()) else { return };
        let Some(house) = Arc::into_inner(house) else { return };
        own.recordings.extend(house.recordings());
        own.violations.extend(house.stop().await);
    }

    /// Stops everything; returns the rules of the platform that were broken, and where
    /// recordings were kept, if they were.
    pub(super) async fn close(self) -> (Vec<String>, Vec<PathBuf>) {
        let mut recordings: Vec<PathBuf> =
            self.houses.values().filter_map(|house| house.recordings()).collect();
        let mut violations = Vec::new();
        for house in self.houses.into_values() {
            if let Some(house) = Arc::into_inner(house) {
                violations.extend(house.stop().await);
            }
        }
        violations.extend(self.simulated.close().await);
        if let Some(own) = self.own {
            violations.extend(own.violations);
            recordings.extend(own.recordings);
        }
        (violations, if self.keeps { recordings } else { Vec::new() })
    }
}

fn temporary_directory() -> Result<TempDir, Failure> {
    let temporary = tempfile::Builder::new().prefix("sidetone-").tempdir();
    temporary.map_err(|error| Failure::fault("cannot make a temporary directory").because(error))
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

    /// Returns the data directory of a system; the usual one has the place itself.
    fn directory(self, root: &Path) -> PathBuf {
        match self {
            Self::Matched => root.to_owned(),
            Self::Ready => root.join("ready"),
            Self::Always => root.join("always"),
        }
    }
}
