//! The `sidetone` command's own judgement of what was deployed: every kind of call through the
//! ALB door, and media as text through the API Gateway door.

use std::path::Path;

use tokio::process::Command;

use crate::addresses::{Addresses, Stack};
use crate::child::Child;
use crate::error::LocalError;
use crate::progress::Progress;
use crate::running::cargo;

/// What a relay's calls are: those that need no door that listens in another way.
const TEXT_SCENARIOS: &str = "answered,queued,hold,transfer,secure-pause";

/// How many of them talk at a time: the local AWS takes a few dozen messages a second, all
/// connections together, and a call has up to twelve.
const TEXT_CALLS: &str = "2";

/// The frame that is lost on its way; each call has more.
const LOST_FRAME: &str = "40";

/// Builds the `sidetone` command with `--stack`.
///
/// Errors: [`LocalError::Failed`] with the compiler's log.
pub(crate) async fn build_sidetone(
    root: &Path,
    addresses: &Addresses,
    progress: &Progress,
) -> Result<(), LocalError> {
    progress.say("building sidetone with --stack");
    let mut build = Command::new(cargo());
    build.current_dir(root).args(["build", "--locked", "--workspace", "--bin", "sidetone"]);
    build.args(["--features", "sidetone-cli/aws"]);
    Child::start("sidetone-build", build, &addresses.run)?.finish().await
}

/// Plays all simulations, one after another, as each plays Genesys Cloud at the same address.
///
/// They are in real time, and judge how fast things go on a machine that others use: what is not
/// right is played once more, and what is wrong is wrong again.
///
/// Errors: [`LocalError::Failed`] of those whose verdict is no, or that cannot be played.
pub(crate) async fn simulate(
    root: &Path,
    addresses: &Addresses,
    progress: &Progress,
) -> Result<(), LocalError> {
    let mut outcome = Ok(());
    for simulation in simulations(addresses) {
        progress.say(&format!("simulating {}", simulation.name));
        for play in 1..=PLAYS_MAX {
            let mut sidetone = Command::new(root.join("target/debug/sidetone"));
            sidetone.current_dir(root).args(&simulation.arguments).envs(addresses.environment());
            let name = format!("{}-{play}", simulation.name);
            let played = Child::start(&name, sidetone, &addresses.run)?.finish().await;
            let Err(error) = played else { break };
            progress.complain(&error);
            if play == PLAYS_MAX {
                outcome = Err(error);
            }
        }
    }
    outcome
}

/// How often a simulation is played that is not right.
const PLAYS_MAX: u32 = 2;

struct Simulation {
    name: &'static str,
    arguments: Vec<String>,
}

impl Simulation {
    fn new(name: &'static str, stack: &Stack, doors: &[(&str, &str)], more: &[&str]) -> Self {
        let mut arguments =
            ["simulate", "--json", "--stack", &stack.name].map(str::to_owned).to_vec();
        for (listen, url) in doors {
            arguments.extend(["--door".to_owned(), format!("{listen}={url}")]);
        }
        arguments.extend(more.iter().copied().map(str::to_owned));
        Self { name, arguments }
    }
}

fn simulations(addresses: &Addresses) -> Vec<Simulation> {
    let (stack, text) = (&addresses.stack, &addresses.text_stack);
    let audio = [("matched", &stack.audio_door), ("ready", &stack.ready_door)];
    let audio: Vec<_> =
        audio.iter().filter_map(|(listen, url)| Some((*listen, url.as_deref()?))).collect();
    let texts = [("matched", text.api_door.as_str())];
    let lossy = ["--scenario", "answered", "--text-media", "--lose-frame", LOST_FRAME];
    vec![
        Simulation::new("simulate-audio", stack, &audio, &["--scenario", "all"]),
        Simulation::new(
            "simulate-text",
            text,
            &texts,
            &["--scenario", TEXT_SCENARIOS, "--text-media", "--concurrency", TEXT_CALLS],
        ),
        Simulation::new("simulate-lossy-text", text, &texts, &lossy),
    ]
}
