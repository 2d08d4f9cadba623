//! The systems of one simulation and the directory in which they live.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidetone_genesys_sim::Source;
use sidetone_model::Listen;
use sidetone_ports::Clock;
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
    houses: BTreeMap<Mode, Arc<House>>,
    directory: Directory,
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
        let directory = Directory::open(wanted.data)?;
        let clock = Clock::scaled(wanted.speed);
        let weather = Weather::watch(clock);
        let simulated = Simulated::start(clock).await?;
        let mut houses = BTreeMap::new();
        let modes: BTreeMap<Mode, Listen> =
            wanted.listens.into_iter().map(|listen| (Mode::of(listen), listen)).collect();
        for (mode, listen) in modes {
            let plan = Plan {
                clock,
                simulated: &simulated,
                weather: &weather,
                listen,
                data: &directory.for_mode(mode),
                sound: wanted.sound.clone(),
                plant: wanted.plant,
            };
            houses.insert(mode, Arc::new(House::start(plan).await?));
        }
        Ok(Self { clock, weather, simulated, houses, directory })
    }

    /// Returns the system that listens so.
    pub(super) fn house(&self, listen: Listen) -> Option<&Arc<House>> {
        self.houses.get(&Mode::of(listen))
    }

    /// Stops everything; returns the rules of the platform that were broken, and where
    /// recordings were kept, if they were.
    pub(super) async fn close(self) -> (Vec<String>, Vec<PathBuf>) {
        let recordings = match &self.directory {
            Directory::Kept(_) => self.houses.values().map(|house| house.recordings()).collect(),
            Directory::Removed(_) => Vec::new(),
        };
        for house in self.houses.into_values() {
            if let Some(house) = Arc::into_inner(house) {
                house.stop().await;
            }
        }
        let violations = self.simulated.platform().violations();
        self.simulated.platform().stop().await;
        (violations.iter().map(ToString::to_string).collect(), recordings)
    }
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

/// Where everything is kept.
enum Directory {
    Kept(PathBuf),
    Removed(TempDir),
}

impl Directory {
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
