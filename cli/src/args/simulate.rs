//! `sidetone simulate`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use sidetone_bootstrap::SecretText;
use sidetone_genesys_sim::{Relay, Scenario};
use sidetone_model::OrganizationId;

#[cfg(feature = "aws")]
use super::value::DoorAddress;
use super::value::{ScenarioChoice, TOUR, scenarios, speed};
use crate::failure::Failure;

/// What `simulate` understands.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = after_help())]
pub struct SimulateArgs {
    /// Start a Sidetone of its own and judge that; the default without --target
    #[arg(long, conflicts_with = "target")]
    pub embedded: bool,
    /// The AudioHook address to dial, ws:// or wss://
    #[arg(long, value_name = "URL", requires = "api_key")]
    pub target: Option<String>,
    /// The API key to send to the target
    // No `requires`: a variable that is set must not get in the way of other uses.
    #[arg(long, value_name = "KEY", env = "SIDETONE_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// The base64 client secret to sign with; seen by everyone who may run `ps`, so rather set
    /// the variable or name a file
    #[arg(long, value_name = "SECRET", env = "SIDETONE_CLIENT_SECRET", hide_env_values = true,
        value_parser = secret)]
    pub client_secret: Option<SecretText>,
    /// A file that holds the client secret alone; goes before --client-secret
    #[arg(long, value_name = "FILE", requires = "target")]
    pub client_secret_file: Option<PathBuf>,
    /// The organization to call for [default: the simulated one]
    #[arg(long, value_name = "UUID", requires = "target")]
    pub organization: Option<OrganizationId>,
    /// With --stack: the door that listens so, for one that the stack's outputs do not name
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "LISTEN=URL", requires = "stack", value_parser = super::value::door)]
    pub door: Vec<DoorAddress>,
    /// Which calls to play: names with commas between them, `tour`, or `all`
    #[arg(long, value_name = "NAME[,NAME…]", default_value = "tour",
        value_parser = scenarios(), hide_possible_values = true)]
    pub scenario: ScenarioChoice,
    /// How many times to play each
    #[arg(long, value_name = "COUNT", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub calls: u32,
    /// How many times faster than the world everything runs
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = speed)]
    pub speed: f64,
    /// Where all randomness comes from [default: 1 embedded, new each time against a target]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// What is said on the calls instead of the built-in voices: 8 kHz, mono or stereo, PCM16
    /// or PCMU; against a target and without --scenario the call is the file, once through
    #[arg(long, value_name = "FILE")]
    pub wav: Option<PathBuf>,
    /// How many calls run at once
    #[arg(long, value_name = "COUNT", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,
    /// Carry media as text messages, mixed up and doubled, as a relay may that feeds a door on
    /// API Gateway; against a target or a stack
    #[arg(long, conflicts_with_all = ["embedded", "plant"])]
    pub text_media: bool,
    /// Lose the frame of that number on its way, on every call
    #[arg(long, value_name = "NUMBER", requires = "text_media")]
    pub lose_frame: Vec<u64>,
    /// Plant a fault, so that the verdict must be no
    #[arg(long, value_name = "FAULT", value_enum, conflicts_with = "target")]
    pub plant: Option<Plant>,
}

/// A fault that is planted so that the verdict must be no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// The producer loses a frame and says nothing
    DropFrame,
    /// The producer swaps two frames
    SwapFrames,
    /// Call events name the wrong agent
    WrongAgent,
    /// Audio is delivered that arrived in a pause
    DeliverPaused,
}

impl SimulateArgs {
    /// Returns what carries the media, if it is to be carried as text.
    pub fn relay(&self) -> Option<Relay> {
        let seed = self.seed.unwrap_or(1);
        let lost = self.lose_frame.iter().copied().collect();
        self.text_media.then(|| Relay { lost, ..Relay::careless(seed) })
    }

    /// Returns the client secret: from the file, else from the command line or environment.
    ///
    /// Errors: bad input if the file cannot be read.
    pub fn secret(&self) -> Result<Option<SecretText>, Failure> {
        let Some(path) = &self.client_secret_file else { return Ok(self.client_secret.clone()) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::bad_input(format!("cannot read {}", path.display())).because(error)
        })?;
        Ok(Some(SecretText::new(text.trim())))
    }
}

fn secret(text: &str) -> Result<SecretText, std::convert::Infallible> {
    Ok(SecretText::new(text))
}

fn after_help() -> String {
    let mut text = String::from(EXAMPLES);
    let _ = writeln!(text, "\nScenarios:");
    for scenario in Scenario::all() {
        let _ = writeln!(text, "  {:<18} {}", scenario.as_str(), scenario.summary());
    }
    let tour = TOUR.map(Scenario::as_str).join(", ");
    let _ = write!(text, "  {:<18} {tour}\n\nExits with 3 if the verdict is no.", "tour");
    text
}

const EXAMPLES: &str = "\
Examples:
  sidetone simulate --speed 4
  sidetone simulate --embedded --scenario all --calls 3 --speed 10 --json
  sidetone simulate --scenario answered --plant drop-frame
  sidetone simulate --target wss://audio.example.net/audiohook/ws --api-key KEY \\
      --client-secret-file secret.txt --scenario probe,answered
";

/// What the command is for, at length.
pub(super) const LONG_ABOUT: &str = "\
    Plays Genesys Cloud: login, platform API, notification sockets and AudioHook clients, with \
    scripted calls in two voices. Embedded, it starts a whole Sidetone of its own and judges \
    what that delivered and recorded against the script; against a target it plays the AudioHook \
    client alone and judges the protocol.";
