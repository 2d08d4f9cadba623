//! Calls by name: what happens, when, and therefore what is true of them.
//!
//! A [`Script`] is data. The player makes it happen and the judge compares what the stream
//! delivered with its [`Truth`], which follows from the script alone, never from a server.
//! Refuses: clocks, sockets. All randomness comes from the script's seed.

mod act;
mod cast;
mod draft;
mod other_calls;
mod scenario;
mod scenes;
#[cfg(test)]
mod tests;
mod troubled;
mod truth;

use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{Direction, Listen, Position};

pub use act::{Act, AudioScript, Discard, Expected, Step, Trouble};
pub use cast::{Cast, Person, Standing};
pub(crate) use cast::{QUEUE, QUEUE_NAME};
pub use scenario::{Scenario, UnknownScenario};
pub use truth::{AgentSegment, AgentSpan, SessionTruth, ToldLeg, Truth};

use self::draft::Draft;
use crate::conversation::Customer;
use crate::voice::{CallVoice, Recording, Source, Speaker};

/// One call, from the first ring to the last event.
#[derive(Debug, Clone)]
pub struct Script {
    /// Which story it is.
    pub scenario: Scenario,
    /// Where its randomness came from.
    pub seed: u64,
    /// How Sidetone has to listen for the truth to hold.
    pub listen: Listen,
    /// Which way the call is set up.
    pub direction: Direction,
    /// Who is at the other end; invented.
    pub customer: Customer,
    /// What happens on the call, in order; nothing for a probe.
    pub steps: Vec<Step>,
    /// The audio sessions, in order of their beginnings.
    pub sessions: Vec<AudioScript>,
    /// The sound, in the call's own time.
    pub sound: Source,
}

impl Script {
    /// Writes a call; the same for the same arguments.
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        Self::spoken(scenario, seed, scenario.draft(seed))
    }

    /// Writes a call as `answered`, by an agent who sat and waited for it.
    pub fn prompt(seed: u64) -> Self {
        Self::spoken(Scenario::Answered, seed, scenario::prompt(seed))
    }

    /// Writes a call that is a recording from its first sample to its last: as `event-first`,
    /// an agent of ours is there all the time.
    pub fn of_recording(recording: Arc<Recording>, seed: u64) -> Self {
        let draft = scenario::of_length(recording.length().as_duration(), seed);
        Self::from_draft(Scenario::EventFirst, seed, draft, Source::File(recording))
    }

    fn spoken(scenario: Scenario, seed: u64, draft: Draft) -> Self {
        let scenes = scenes::scenes(draft.direction, &draft.steps, draft.length());
        let customer = Speaker::customer(usize::try_from(seed % 3).unwrap_or(0));
        let voice = CallVoice::new(seed, customer, scenes);
        Self::from_draft(scenario, seed, draft, Source::Call(Arc::new(voice)))
    }

    fn from_draft(scenario: Scenario, seed: u64, draft: Draft, sound: Source) -> Self {
        Self {
            scenario,
            seed,
            listen: scenario.listen(),
            direction: draft.direction,
            customer: draft.customer,
            steps: draft.steps,
            sessions: draft.sessions,
            sound,
        }
    }

    /// Replaces the built-in voices.
    #[must_use]
    pub fn with_sound(mut self, sound: Source) -> Self {
        self.sound = sound;
        self
    }

    /// Returns what is true of this call.
    pub fn truth(&self) -> Truth {
        Truth::of(self)
    }

    /// Returns where in the sound a session's position zero lies.
    ///
    /// The built-in voices follow the call; a file begins with each session.
    pub(crate) fn sound_from(&self, session: &AudioScript) -> Position {
        match self.sound {
            Source::Call(_) => place(session.begins),
            Source::File(_) => Position::ZERO,
        }
    }

    /// Returns every Genesys user who takes part, some perhaps several times.
    pub fn people(&self) -> impl Iterator<Item = &'static Person> {
        self.steps.iter().flat_map(|step| step.act.people()).flatten()
    }

    /// Returns when the last event has been delivered and the last audio sent.
    pub fn length(&self) -> Duration {
        let told = self.steps.iter().map(|step| step.at + step.lag);
        let heard = self.sessions.iter().map(|session| session.ends);
        told.chain(heard).max().unwrap_or_default()
    }
}

/// Converts a moment of a call to a place in its sound.
fn place(moment: Duration) -> Position {
    Position::ZERO.plus(moment)
}
