//! Values of arguments that clap does not know by itself.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use sidetone_genesys_sim::{Scenario, UnknownScenario};
use sidetone_model::ConversationId;
#[cfg(feature = "aws")]
use sidetone_model::Listen;

/// The calls of a short round: the plain one, and one of each kind worth seeing.
pub(crate) const TOUR: [Scenario; 6] = [
    Scenario::Answered,
    Scenario::Hold,
    Scenario::Transfer,
    Scenario::SecurePause,
    Scenario::Collision,
    Scenario::Abandoned,
];

/// Which scenarios to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioChoice(
    /// Each once, in the order in which they were named.
    pub Vec<Scenario>,
);

impl ScenarioChoice {
    /// Returns whether it is all there are.
    #[cfg(feature = "aws")]
    pub fn is_all(&self) -> bool {
        self.0 == Scenario::ALL
    }

    /// Returns whether it is the short round.
    pub fn is_tour(&self) -> bool {
        self.0 == TOUR
    }
}

impl FromStr for ScenarioChoice {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, UnknownScenario> {
        if text.trim() == "tour" {
            return Ok(Self(TOUR.to_vec()));
        }
        Scenario::choose(text).map(Self)
    }
}

/// The beginning of a conversation's id, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationStart(String);

/// A text that no conversation's id begins with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a conversation id: expected 8-4-4-4-12 hexadecimal digits, or at least the first 4")]
pub struct NoConversation;

/// Fewer digits would be a guess.
const START_DIGITS_MIN: usize = 4;

impl ConversationStart {
    /// Returns whether a conversation is meant.
    pub fn matches(&self, conversation: ConversationId) -> bool {
        conversation.to_string().starts_with(&self.0)
    }

    /// Returns the conversation, if all of its id was given.
    pub fn whole(&self) -> Option<ConversationId> {
        self.0.parse().ok()
    }
}

impl FromStr for ConversationStart {
    type Err = NoConversation;

    fn from_str(text: &str) -> Result<Self, NoConversation> {
        let text = text.trim().to_ascii_lowercase();
        let pattern = ConversationId::new(Default::default()).to_string();
        let fits = text.len() >= START_DIGITS_MIN
            && text.len() <= pattern.len()
            && text.chars().zip(pattern.chars()).all(|(own, place)| match place {
                '-' => own == '-',
                _ => own.is_ascii_hexdigit(),
            });
        if fits { Ok(Self(text)) } else { Err(NoConversation) }
    }
}

impl fmt::Display for ConversationStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fastest clock that still leaves a machine time to do its work.
const SPEED_MAX: f64 = 100.0;
/// Slower than this nobody waits for.
const SPEED_MIN: f64 = 0.01;

/// Reads a factor of time.
pub(crate) fn speed(text: &str) -> Result<f64, String> {
    let expected = || format!("expected a number from {SPEED_MIN} to {SPEED_MAX}");
    let speed: f64 = text.parse().map_err(|_| expected())?;
    if (SPEED_MIN..=SPEED_MAX).contains(&speed) { Ok(speed) } else { Err(expected()) }
}

/// Refuses the name of a deployment where no AWS SDK was compiled in.
#[cfg(not(feature = "aws"))]
pub(super) fn no_stack(_: &str) -> Result<std::convert::Infallible, &'static str> {
    Err("this build has no AWS support; build with --features aws")
}

/// Adds the values that completions offer to a parser, which may accept more than these.
#[derive(Clone)]
pub(super) struct Offering<P> {
    parser: P,
    values: Vec<PossibleValue>,
}

impl<P> Offering<P> {
    /// Offers some values.
    pub(super) fn new<V: Into<PossibleValue>>(
        parser: P,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self { parser, values: values.into_iter().map(Into::into).collect() }
    }
}

impl<P: TypedValueParser> TypedValueParser for Offering<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.values.iter().cloned()))
    }
}

/// Reads the choice of scenarios; completions offer each alone.
pub(super) fn scenarios() -> Offering<impl TypedValueParser<Value = ScenarioChoice>> {
    let several = [
        PossibleValue::new("tour").help("one of each kind worth seeing"),
        PossibleValue::new("all").help("every scenario"),
    ];
    let single =
        Scenario::all().iter().map(|one| PossibleValue::new(one.as_str()).help(one.summary()));
    Offering::new(str::parse::<ScenarioChoice>, several.into_iter().chain(single))
}

/// A door of a stack, and how it listens.
#[cfg(feature = "aws")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorAddress {
    /// How.
    pub listen: Listen,
    /// Where.
    pub url: String,
}

/// Reads `ready=wss://…`.
#[cfg(feature = "aws")]
pub(super) fn door(text: &str) -> Result<DoorAddress, String> {
    let wanted = "expected matched=URL, ready=URL or always=URL";
    let (listen, url) = text.split_once('=').ok_or(wanted)?;
    let listen = match listen {
        "matched" => Listen::Matched,
        "ready" => Listen::Ready,
        "always" => Listen::Always,
        _ => return Err(wanted.to_owned()),
    };
    Ok(DoorAddress { listen, url: url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c0ffee12-3456-4789-8abc-def012345678";

    #[test]
    fn the_beginning_of_an_id_is_enough() {
        let id: ConversationId = ID.parse().unwrap();
        for text in [ID, "c0ff", "C0FFEE12", "c0ffee12-", "c0ffee12-34"] {
            let start: ConversationStart = text.parse().unwrap();
            assert!(start.matches(id), "{text}");
            assert_eq!(start.whole(), (text == ID).then_some(id));
        }
        assert!(!"c0fe".parse::<ConversationStart>().unwrap().matches(id));
    }

    #[test]
    fn what_begins_no_id_is_refused() {
        for text in
            ["", "c0f", "c0ffee123", "c0-ffee", "coffee12", "c0ffee12-3456-4789-8abc-def0123456789"]
        {
            assert_eq!(text.parse::<ConversationStart>(), Err(NoConversation), "{text}");
        }
    }

    #[test]
    fn a_tour_is_a_choice_of_scenarios() {
        assert_eq!("tour".parse::<ScenarioChoice>().unwrap().0, TOUR);
        assert_eq!("all".parse::<ScenarioChoice>().unwrap().0, Scenario::ALL);
        let error = "answred".parse::<ScenarioChoice>().unwrap_err().to_string();
        assert!(error.contains("answered"), "{error}");
    }

    #[test]
    fn a_clock_runs_forward() {
        assert_eq!(speed("10"), Ok(10.0));
        for text in ["0", "-1", "NaN", "inf", "1e9", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
