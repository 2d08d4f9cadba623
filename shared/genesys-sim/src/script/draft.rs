//! The pen that scripts are written with: a cursor in the call's time, and seeded chance.

use std::ops::Range;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidetone_model::{Direction, Position};

use super::act::{Act, AudioScript, Expected, Step, Trouble};
use super::cast::{Cast, Person, Standing};
use crate::conversation::Customer;

/// How long Genesys takes to tell of most things.
///
/// Units: milliseconds.
const LAG: Range<u64> = 80..250;
/// How long it takes to tell of what has no moment of its own, such as the end of a hold: the
/// time of arrival counts, and such things are compared within 300 ms.
const TIMELESS_LAG: Range<u64> = 30..90;
/// How long it rings at somebody who has nothing else to do.
const PROMPT: Range<u64> = 600..900;

/// How long a phone rings before somebody answers.
const RINGS_FOR: Range<u64> = 3_000..4_000;

/// A call being written.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) direction: Direction,
    pub(super) customer: Customer,
    pub(super) steps: Vec<Step>,
    pub(super) sessions: Vec<AudioScript>,
    random: ChaCha8Rng,
    now: u64,
}

impl Draft {
    pub(super) fn new(seed: u64, direction: Direction) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let towns = ["Springfield, XX", "Riverton, XX", "Lakeview, XX", "Hillcrest, XX"];
        let customer = Customer {
            name: towns[random.random_range(0..towns.len())].to_owned(),
            // Numbers that are reserved for fiction.
            ani: format!("+1555555{:04}", random.random_range(100..200)),
            dnis: "+15555550199".to_owned(),
        };
        let (steps, sessions) = (Vec::new(), Vec::new());
        Self { direction, customer, steps, sessions, random, now: 0 }
    }

    /// Returns the end of everything written so far.
    pub(super) fn length(&self) -> Duration {
        let heard = self.sessions.iter().map(|session| session.ends);
        heard.chain(self.steps.iter().map(|step| step.at)).max().unwrap_or_default()
    }

    /// Picks an agent of ours.
    pub(super) fn agent(&mut self) -> &'static Person {
        self.one_of(Standing::Ours)
    }

    /// Picks an agent of ours who is somebody else.
    pub(super) fn agent_but(&mut self, person: &Person) -> &'static Person {
        let others: Vec<_> =
            Cast::of(Standing::Ours).filter(|other| other.id != person.id).collect();
        others[self.random.random_range(0..others.len())]
    }

    pub(super) fn one_of(&mut self, standing: Standing) -> &'static Person {
        let some: Vec<_> = Cast::of(standing).collect();
        some[self.random.random_range(0..some.len())]
    }

    pub(super) fn coin(&mut self) -> bool {
        self.random.random_bool(0.5)
    }

    /// Lets some time pass.
    pub(super) fn wait(&mut self, millis: Range<u64>) -> Duration {
        self.now += self.random.random_range(millis);
        Duration::from_millis(self.now)
    }

    /// Lets time pass up to a moment of the call, or none if it is past.
    pub(super) fn wait_until(&mut self, millis: Range<u64>) {
        self.now = self.now.max(self.random.random_range(millis));
    }

    /// Picks one of some, each as likely.
    pub(super) fn any_of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.random.random_range(0..some.len())]
    }

    /// Returns where in the call the pen is.
    pub(super) const fn now(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Something happens at the pen's place.
    pub(super) fn step(&mut self, act: Act) {
        let timeless = matches!(
            act,
            Act::Retrieves(_) | Act::Mutes(..) | Act::Confers(_) | Act::LeavesConsult(..)
        );
        let lag = if timeless { TIMELESS_LAG } else { LAG };
        self.step_told(act, lag);
    }

    /// Something happens at the pen's place and is told of after a given time.
    pub(super) fn step_told(&mut self, act: Act, lag: Range<u64>) {
        let lag = Duration::from_millis(self.random.random_range(lag));
        self.steps.push(Step { at: self.now(), lag, lost: false, act });
    }

    /// Something happens at the pen's place, and the word of it gets lost.
    pub(super) fn step_lost(&mut self, act: Act) {
        self.step(act);
        if let Some(step) = self.steps.last_mut() {
            step.lost = true;
        }
    }

    /// Something happens to the platform at the pen's place.
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let act = Act::Platform(trouble);
        self.steps.push(Step { at: self.now(), lag: Duration::ZERO, lost: false, act });
    }

    /// The customer calls, hears the flow, and reaches the queue.
    pub(super) fn customer_calls(&mut self) {
        self.step(Act::Begins(None));
        self.wait(250..450);
        self.step(Act::EntersQueue);
    }

    /// A phone rings and is answered at once.
    pub(super) fn rings_and_answers_promptly(&mut self, person: &'static Person) {
        self.step(Act::Rings(person));
        self.wait(PROMPT);
        self.step(Act::Answers(person));
    }

    /// A phone rings for a while and is answered.
    pub(super) fn rings_and_answers(&mut self, person: &'static Person) {
        self.step(Act::Rings(person));
        self.wait(RINGS_FOR);
        self.step(Act::Answers(person));
    }

    /// The customer is handed over, waits while the phone rings, and is answered.
    pub(super) fn is_handed_over(&mut self, from: &'static Person, to: &'static Person) {
        self.step(Act::Transfers(from, to));
        self.wait(RINGS_FOR);
        self.step(Act::Answers(to));
    }

    /// Somebody is asked, and answers.
    pub(super) fn consults(&mut self, from: &'static Person, to: &'static Person) {
        self.step(Act::Consults(from, to));
        self.wait(RINGS_FOR);
        self.step(Act::AnswersConsult(to));
    }

    /// A mute.
    pub(super) fn is_muted(&mut self, person: &'static Person, millis: Range<u64>) {
        self.step(Act::Mutes(person, true));
        self.wait(millis);
        self.step(Act::Mutes(person, false));
    }

    /// A hold.
    pub(super) fn is_held(&mut self, person: &'static Person, millis: Range<u64>) {
        self.step(Act::Holds(person));
        self.wait(millis);
        self.step(Act::Retrieves(person));
    }

    /// The call ends here, and with it every session; Genesys tells of it later than the audio
    /// does, or the audio ends later than Genesys tells.
    pub(super) fn ends(&mut self, act: Act, agent: Option<&'static Person>) {
        let audio_first = self.coin();
        let lag = if audio_first { 400..900 } else { 30..80 };
        self.step_told(act, lag.clone());
        let ended = self.now();
        self.wait(8..20);
        self.step_told(Act::Terminates, lag);
        let audio_ends = if audio_first { ended } else { self.wait(300..450) };
        for session in &mut self.sessions {
            session.ends = audio_ends;
        }
        if let Some(agent) = agent {
            self.wait(1_500..3_000);
            self.step(Act::WrapsUp(agent));
        }
    }

    /// A stream begins here; it ends with the call.
    pub(super) fn listens(&mut self, expected: Expected) -> &mut AudioScript {
        let frame = if self.coin() { 100 } else { 200 };
        let begins = self.now();
        self.sessions.push(AudioScript {
            begins,
            ends: begins,
            connects_after: Duration::from_millis(self.random.random_range(5..40)),
            frame: Duration::from_millis(frame),
            pauses: Vec::new(),
            discards: Vec::new(),
            expected,
        });
        let last = self.sessions.len() - 1;
        &mut self.sessions[last]
    }

    /// Returns the pen's place in the media of the last stream.
    pub(super) fn position(&self) -> Position {
        let begins = self.sessions.last().map_or(Duration::ZERO, |session| session.begins);
        Position::ZERO.plus(self.now().saturating_sub(begins))
    }

    /// Changes the last stream.
    pub(super) fn stream(&mut self, change: impl FnOnce(&mut AudioScript)) {
        if let Some(session) = self.sessions.last_mut() {
            change(session);
        }
    }
}
